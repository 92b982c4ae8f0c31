/** Whether the process lives (`/healthz`) and whether it can do its work (`/readyz`). */

import { Type } from 'typebox';
import type { TypedApp } from '../core/index.ts';

/** Answers null when all is well, else a short sentence without secrets; it may also throw. */
export type Probe = () => Promise<string | null>;

const PROBE_MS = 3000;

async function run(probe: Probe): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('no answer in time'), PROBE_MS);
  });
  const result = probe().then(
    (sentence) => sentence ?? 'ok',
    () => 'failed',
  );
  return Promise.race([result, late]).finally(() => clearTimeout(timer));
}

export function registerHealth(app: TypedApp, probes: Readonly<Record<string, Probe>>): void {
  const config = { access: 'public', anyHost: true } as const;
  const tags = ['operation'];
  app.get(
    '/healthz',
    {
      config,
      schema: { tags, summary: 'The process lives', response: { 200: Type.Object({ status: Type.Literal('ok') }) } },
    },
    async () => ({ status: 'ok' as const }),
  );

  const Readiness = Type.Object({
    status: Type.Union([Type.Literal('ready'), Type.Literal('not-ready')]),
    checks: Type.Record(Type.String(), Type.String()),
  });
  app.get(
    '/readyz',
    {
      config,
      schema: {
        tags,
        summary: 'Whether the store answers and events are taken',
        response: { 200: Readiness, 503: Readiness },
      },
    },
    async (_request, reply) => {
      const names = Object.keys(probes);
      const results = await Promise.all(names.map((name) => run(probes[name] as Probe)));
      const checks = Object.fromEntries(names.map((name, i) => [name, results[i] as string]));
      const ready = results.every((result) => result === 'ok');
      return reply
        .code(ready ? 200 : 503)
        .send({ status: ready ? ('ready' as const) : ('not-ready' as const), checks });
    },
  );
}
