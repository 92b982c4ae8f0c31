/** fail2ban's own log samples, where that is installed: is each failed log-in seen, and laid on the right address? */

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { DecodedEvent, RecordHint, SourceId } from '../src/core/index.ts';
import { createDecoder } from '../src/ingest/decode/index.ts';

const FOLDER = '/usr/lib/python3/dist-packages/fail2ban/tests/files/logs';
/** Samples about something else than log-ins: bots, scans, spam, limits, examples. */
const OTHER =
  /^(?:apache-(?!auth|pass)|assp|counter-strike|exim-spam|haproxy|nagios|named|nginx-(?!http-auth)|nsd|php-url|portsentry|recidive|scanlogd|selinux|sendmail-reject|squid|stunnel|suhosin|tine20|xinetd|zzz|monit$|openhab|postfix|courier-smtp|sieve|domino|oracleims|murmur)/;
/** As measured; a worse figure fails. What is unseen is mostly spam, protocol faults, and texts over several lines. */
const SEEN_FLOOR = 0.5;
const WRONG_CEILING = 0.03;

interface Truth {
  readonly match: boolean;
  readonly host: string | null;
}

function decodeLine(line: string): DecodedEvent | undefined {
  const data = Buffer.from(line);
  return createDecoder({}).decode({
    seq: 1,
    source: 'src_00000000000000000000000000' as SourceId,
    receivedMs: Date.UTC(2026, 0, 1),
    hint: 'auto' as RecordHint,
    peer: 'conformance',
    exercise: false,
    data,
    ends: Uint32Array.of(data.length),
  })[0];
}

/** Lines with what fail2ban says of them; `# failJSON: {…}` speaks about the next line. */
function* samplesOf(file: string): Generator<{ line: string; truth: Truth }> {
  let truth: Truth | null = null;
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const found = /^#\s*failJSON:\s*(\{.*\})\s*$/.exec(line);
    if (found) {
      try {
        const { match, host } = JSON.parse(found[1] as string) as { match?: boolean; host?: string };
        truth = { match: match === true, host: host ?? null };
      } catch {
        truth = null;
      }
      continue;
    }
    if (line === '' || line.startsWith('#')) continue;
    if (truth !== null) yield { line, truth };
    truth = null;
  }
}

const isAddress = (text: string | null): text is string => text !== null && /^[0-9a-f.:]{3,45}$/i.test(text);
const plain = (text: string): string => text.toLowerCase().replace(/^::ffff:/, '');

export async function conformanceFail2ban(): Promise<{ name: string; ok: boolean; lines: string[] }> {
  const name = 'fail2ban samples';
  if (!existsSync(FOLDER)) return { name, ok: true, lines: ['skipped: fail2ban is not installed'] };
  let all = 0;
  let seen = 0;
  let quiet = 0;
  let loud = 0;
  const wrong: string[] = [];
  const unseen = new Map<string, number>();
  for (const file of readdirSync(FOLDER).sort()) {
    if (OTHER.test(file) || !statSync(join(FOLDER, file)).isFile()) continue;
    for (const { line, truth } of samplesOf(join(FOLDER, file))) {
      const norm = decodeLine(line)?.norm;
      const failed = norm?.class_uid === 3002 && norm.outcome === 'failure';
      if (!truth.match) {
        quiet++;
        if (failed && norm?.src_ip !== undefined) loud++;
      } else if (isAddress(truth.host)) {
        all++;
        if (failed && norm?.src_ip !== undefined && plain(norm.src_ip) === plain(truth.host)) seen++;
        else if (failed && norm?.src_ip !== undefined) wrong.push(`${file}: ${norm.src_ip} for ${truth.host}`);
        else unseen.set(file, (unseen.get(file) ?? 0) + 1);
      }
    }
  }
  const missing = [...unseen].sort((a, b) => b[1] - a[1]).slice(0, 12);
  return {
    name,
    ok: seen / all >= SEEN_FLOOR && wrong.length / all <= WRONG_CEILING,
    lines: [
      `${seen} of ${all} failed log-ins are seen, on the address that fail2ban names`,
      `${wrong.length} on another address${wrong.length > 0 ? ` (${wrong.slice(0, 20).join('; ')})` : ''}`,
      `${loud} of ${quiet} lines that fail2ban leaves alone count as a failed log-in here`,
      `most unseen: ${missing.map(([file, count]) => `${file} ${count}`).join(', ')}`,
    ],
  };
}
