/** Certificates from an ACME authority (RFC 8555) by the http-01 challenge: when to ask, when to try again, what to keep. */

import { X509Certificate } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import acme from 'acme-client';
import { AsepsisError, type Clock, type Config, writeWhole } from '../core/index.ts';
import { TLS_FILES, tlsFolder } from './tls-material.ts';

const HOUR_MS = 3600 * 1000;
const RETRY_MS_MAX = 24 * HOUR_MS;
const CHALLENGE_PATH = '/.well-known/acme-challenge/';
const CHALLENGE_PORT = 80;
const CHALLENGES_MAX = 64;

type AcmeSettings = NonNullable<Config['http']['tls']['acme']>;

/** What is known between two looks: the certificate that is there and how the last tries went. */
export interface AcmeState {
  readonly certificate: { readonly fromMs: number; readonly untilMs: number; readonly names: readonly string[] } | null;
  readonly failures: number;
  readonly lastTryMs: number | null;
}

export type AcmeStep =
  | { readonly do: 'nothing' }
  | { readonly do: 'wait'; readonly untilMs: number }
  | { readonly do: 'order' };

/**
 * The next step: order when there is no certificate, when names are missing from it, or when less than a third of its
 * life is left (as Let's Encrypt advises); after a failure wait an hour, then two, up to a day.
 */
export function nextAcmeStep(state: AcmeState, names: readonly string[], nowMs: number): AcmeStep {
  const { certificate } = state;
  const renewMs = certificate === null ? 0 : certificate.untilMs - (certificate.untilMs - certificate.fromMs) / 3;
  const covered = certificate !== null && names.every((name) => certificate.names.includes(name.toLowerCase()));
  if (covered && nowMs < renewMs) return { do: 'nothing' };
  if (state.failures === 0 || state.lastTryMs === null) return { do: 'order' };
  const untilMs = state.lastTryMs + Math.min(RETRY_MS_MAX, HOUR_MS * 2 ** Math.min(10, state.failures - 1));
  return nowMs < untilMs ? { do: 'wait', untilMs } : { do: 'order' };
}

/** The answer to a challenge request; null for anything else. */
export function challengeAnswer(challenges: ReadonlyMap<string, string>, url: string): string | null {
  if (!url.startsWith(CHALLENGE_PATH) || url.length > 512) return null;
  return challenges.get(url.slice(CHALLENGE_PATH.length)) ?? null;
}

/** Gets a certificate; the real one talks to the authority. */
export type AcmeOrder = (names: readonly string[]) => Promise<{ cert: string; key: string }>;

async function listenForChallenges(challenges: Map<string, string>, host: string, port: number): Promise<Server> {
  const server = createServer((request, response) => {
    const answer = challengeAnswer(challenges, request.url ?? '');
    response.writeHead(answer === null ? 404 : 200, { 'content-type': 'text/plain', connection: 'close' });
    response.end(answer ?? '');
  });
  server.requestTimeout = 10_000;
  server.maxConnections = 64;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const code = error.code === 'EACCES' ? 'PORT_FORBIDDEN' : 'PORT_TAKEN';
      reject(new AsepsisError(code, `ACME needs ${host}:${port} for its challenge.`, { cause: error }));
    });
    server.listen({ host, port }, resolve);
  });
  return server;
}

/** Orders from the configured directory; port 80 is open only while the order runs. */
export function acmeOrder(o: {
  settings: AcmeSettings;
  dataDir: string;
  host: string;
  challengePort?: number;
}): AcmeOrder {
  const accountPath = join(tlsFolder(o.dataDir), TLS_FILES.acmeAccount);
  return async (names) => {
    let accountKey = await readFile(accountPath, 'utf8').catch(() => null);
    if (accountKey === null) {
      accountKey = String(await acme.crypto.createPrivateEcdsaKey('P-256'));
      await writeWhole(accountPath, accountKey, 0o600);
    }
    const challenges = new Map<string, string>();
    const server = await listenForChallenges(challenges, o.host, o.challengePort ?? CHALLENGE_PORT);
    try {
      const client = new acme.Client({ directoryUrl: o.settings.directory, accountKey });
      const serverKey = await acme.crypto.createPrivateEcdsaKey('P-256');
      const [key, csr] = await acme.crypto.createCsr(
        { commonName: names[0] as string, altNames: [...names] },
        serverKey,
      );
      const cert = await client.auto({
        csr,
        email: o.settings.email,
        termsOfServiceAgreed: true,
        // Whether our own names lead back here is for the authority to find out: inside, they may resolve differently.
        skipChallengeVerification: true,
        challengePriority: ['http-01'],
        challengeCreateFn: async (_authorization, challenge, answer) => {
          if (challenges.size < CHALLENGES_MAX) challenges.set(challenge.token, answer);
        },
        challengeRemoveFn: async (_authorization, challenge) => {
          challenges.delete(challenge.token);
        },
      });
      return { cert, key: String(key) };
    } finally {
      server.close();
    }
  };
}

async function readState(dataDir: string): Promise<AcmeState['certificate']> {
  const pem = await readFile(join(tlsFolder(dataDir), TLS_FILES.acmeCert), 'utf8').catch(() => null);
  if (pem === null) return null;
  const leaf = new X509Certificate(pem);
  const names = (leaf.subjectAltName ?? '').split(', ').map((entry) => entry.replace(/^DNS:/, '').toLowerCase());
  return { fromMs: leaf.validFromDate.getTime(), untilMs: leaf.validToDate.getTime(), names };
}

export interface AcmeKeeper {
  /** Looks, and orders when it is time; true when there is a new certificate. Never throws. */
  look(): Promise<boolean>;
  /** Why the last order failed; null when it did not. */
  readonly fault: string | null;
}

/** Keeps the certificate in `<dataDir>/tls` fresh; whoever owns it calls `look` now and then. */
export function createAcmeKeeper(o: {
  names: readonly string[];
  dataDir: string;
  clock: Clock;
  order: AcmeOrder;
  log: (fields: object, sentence: string) => void;
}): AcmeKeeper {
  let failures = 0;
  let lastTryMs: number | null = null;
  let fault: string | null = null;
  let running: Promise<boolean> | null = null;
  async function once(): Promise<boolean> {
    try {
      const state = { certificate: await readState(o.dataDir), failures, lastTryMs };
      if (nextAcmeStep(state, o.names, o.clock.now()).do !== 'order') return false;
      lastTryMs = o.clock.now();
      await mkdir(tlsFolder(o.dataDir), { recursive: true, mode: 0o700 });
      const { cert, key } = await o.order(o.names);
      // The key first: a certificate without its key would not load, a key alone is not looked at.
      await writeWhole(join(tlsFolder(o.dataDir), TLS_FILES.acmeKey), key, 0o600);
      await writeWhole(join(tlsFolder(o.dataDir), TLS_FILES.acmeCert), cert, 0o644);
      failures = 0;
      fault = null;
      o.log({ names: o.names }, 'certificate fetched by ACME');
      return true;
    } catch (error) {
      failures++;
      fault = (error as Error).message.slice(0, 500);
      o.log({ reason: fault, failures }, 'ACME did not give a certificate; it is tried again later');
      return false;
    }
  }
  return {
    look() {
      running ??= once().finally(() => {
        running = null;
      });
      return running;
    },
    get fault() {
      return fault;
    },
  };
}
