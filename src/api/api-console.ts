/** The built console: hashed assets kept for ever, `index.html` for every page's address, nothing outside the folder. */

import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AsepsisError } from '../core/index.ts';
import { contentSecurityPolicy } from './api-headers.ts';

const FILES_MAX = 5000;
const NONCE_PLACEHOLDER = '__CSP_NONCE__';
/** Addresses of programs: what is unknown there is a problem document, not a page. */
const NOT_PAGES = ['/v1/', '/_', '/metrics', '/healthz', '/readyz', '/openapi', '/reference'];

async function filesOf(folder: string): Promise<Set<string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const paths = entries
    .filter((entry) => entry.isFile())
    .slice(0, FILES_MAX)
    .map((entry) => `/${relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/')}`);
  return new Set(paths);
}

/**
 * The page itself. Where it holds `__CSP_NONCE__` (in a meta element that the console reads), its styles go under a
 * fresh nonce; a build without it gets inline styles allowed, and still no inline script.
 */
async function sendPage(folder: string, random: (n: number) => Uint8Array, reply: FastifyReply): Promise<FastifyReply> {
  const html = await readFile(join(folder, 'index.html'), 'utf8');
  const nonce = Buffer.from(random(18)).toString('base64');
  const style = html.includes(NONCE_PLACEHOLDER) ? `'self' 'nonce-${nonce}'` : "'self' 'unsafe-inline'";
  return reply
    .header('content-security-policy', contentSecurityPolicy({ 'style-src': style }))
    .header('cache-control', 'no-cache')
    .type('text/html; charset=utf-8')
    .send(html.replaceAll(NONCE_PLACEHOLDER, nonce));
}

export async function registerConsole(
  app: FastifyInstance,
  folder: string | null,
  random: (n: number) => Uint8Array,
): Promise<void> {
  if (folder === null) return;
  const files = await filesOf(folder);
  if (!files.has('/index.html')) return;
  await app.register(fastifyStatic, { root: folder, serve: false, preCompressed: true });
  const schema = { hide: true } as never;
  app.get('/*', { config: { access: 'public' }, schema }, async (request: FastifyRequest, reply) => {
    const path = request.url.split('?', 1)[0] as string;
    if (path !== '/index.html' && files.has(path)) {
      const hashed = path.startsWith('/assets/');
      return reply.sendFile(path.slice(1), hashed ? { maxAge: '365d', immutable: true } : { maxAge: 0 });
    }
    const wantsPage = String(request.headers.accept ?? '').includes('text/html') || path === '/';
    if (!wantsPage || path.startsWith('/assets/') || NOT_PAGES.some((start) => path.startsWith(start))) {
      throw new AsepsisError('NOT_FOUND', 'There is nothing at this address.');
    }
    return sendPage(folder, random, reply);
  });
}
