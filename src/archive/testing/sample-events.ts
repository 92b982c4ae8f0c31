/** Made-up events for tests and benches: sshd lines as a hospital's servers see them, the same for the same seed. */

import type { DecodedEvent, SourceId } from '../../core/index.ts';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const BLOCK_EVENTS = 500;

/** A small generator (xorshift, Marsaglia 2003): tests and benches must not differ from run to run. */
export function createRandom(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 4294967296;
  };
}

function messageOf(kind: number, user: string, ip: string, port: number): string {
  if (kind < 0.4) return `Failed password for ${user} from ${ip} port ${port} ssh2`;
  if (kind < 0.65) return `Failed password for invalid user ${user} from ${ip} port ${port} ssh2`;
  if (kind < 0.75) return `Invalid user ${user} from ${ip} port ${port}`;
  if (kind < 0.85) return `Connection closed by authenticating user ${user} ${ip} port ${port} [preauth]`;
  if (kind < 0.93) {
    return `pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=${ip} user=${user}`;
  }
  return `Accepted password for ${user} from ${ip} port ${port} ssh2`;
}

export interface SampleSource {
  /** The next event; blocks of 500 events from sequence number 1. */
  next(): DecodedEvent;
}

export function createSamples(o: { seed: number; startMs: number; perSec: number }): SampleSource {
  const random = createRandom(o.seed);
  const few = (most: number) => Math.min(most - 1, Math.floor(most ** random()) - 1);
  const users = Array.from(
    { length: 2000 },
    (_, i) => ['root', 'admin', 'test', 'backup'][i] ?? `user${(i * 7919) % 10_007}`,
  );
  const octet = () => Math.floor(random() * 256);
  const addresses = Array.from(
    { length: 20_000 },
    () => `${1 + Math.floor(random() * 222)}.${octet()}.${octet()}.${octet()}`,
  );
  let count = 0;
  let timeMs = o.startMs;
  let pid = 1000;
  return {
    next() {
      const number = count++;
      timeMs += (random() * 2000) / o.perSec;
      pid = (pid + Math.floor(random() * 4)) % 60_000;
      const host = `srv${Math.max(0, few(24))}`;
      const user = users[Math.max(0, few(2000))] as string;
      const src_ip = addresses[Math.max(0, few(20_000))] as string;
      const src_port = 1024 + Math.floor(random() * 64_000);
      const kind = random();
      const message = messageOf(kind, user, src_ip, src_port);
      const date = new Date(timeMs);
      const stamp = `${MONTHS[date.getUTCMonth()]} ${String(date.getUTCDate()).padStart(2)} ${date.toISOString().slice(11, 19)}`;
      const withPort = kind < 0.85 || kind >= 0.93;
      return {
        seq: 1 + Math.floor(number / BLOCK_EVENTS),
        index: number % BLOCK_EVENTS,
        timeMs: Math.floor(timeMs / 1000) * 1000,
        receivedMs: Math.floor(timeMs) + 40,
        source: 'src_00000000000000000000000000' as SourceId,
        format: 'syslog/sshd',
        logsource: { product: 'linux', service: 'sshd' },
        norm: {
          class_uid: 3002,
          severity_id: kind >= 0.93 ? 1 : 2,
          action: 'logon',
          outcome: kind >= 0.93 ? 'success' : 'failure',
          user,
          src_ip,
          ...(withPort ? { src_port } : {}),
          host,
          process: 'sshd',
          pid,
          service: 'ssh',
          message,
        },
        fields: {
          facility: 4,
          severity: 6,
          hostname: host,
          program: 'sshd',
          pid: String(pid),
          user,
          rhost: src_ip,
          ...(withPort ? { port: String(src_port) } : {}),
          message,
        },
        raw: `<38>${stamp} ${host} sshd[${pid}]: ${message}`,
        marks: ['year-inferred'],
        exercise: false,
      };
    },
  };
}

export function sampleEvents(
  count: number,
  o = { seed: 7, startMs: Date.UTC(2026, 2, 1, 9, 30), perSec: 50 },
): DecodedEvent[] {
  const samples = createSamples(o);
  return Array.from({ length: count }, () => samples.next());
}
