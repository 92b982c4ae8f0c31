import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openArchiveReader, openArchiveWriter } from '../archive/index.ts';
import type { DecodedEvent, SourceId } from '../core/index.ts';
import { joinSeen } from './access-seen.ts';
import { judge } from './audit/audit-judge.ts';
import { readExports } from './audit/audit-read.ts';

const NOW = Date.parse('2026-11-25T12:00:00Z');
const DAY_MS = 86_400_000;
const fileTime = (ms: number) => String((BigInt(ms) + 11_644_473_600_000n) * 10_000n);

test('log-ins in the archive make an account used: by host, by domain; failures and exercises do not', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'asepsis-seen-'));
  const exports = join(folder, 'exports');
  mkdirSync(join(exports, 'web1/etc/ssh'), { recursive: true });
  const person = (name: string) =>
    `dn: CN=${name},OU=Staff,DC=hosp,DC=example\nobjectClass: user\nobjectClass: person\nsAMAccountName: ${name}\nuserAccountControl: 512\nlastLogonTimestamp: ${fileTime(NOW - 200 * DAY_MS)}\n`;
  writeFileSync(join(exports, 'ad.ldif'), ['ada', 'ben', 'cleo', 'dora'].map(person).join('\n'));
  writeFileSync(join(exports, 'web1/etc/passwd'), 'ops:x:1001:1001::/home/ops:/bin/bash\n');
  writeFileSync(join(exports, 'web1/etc/ssh/sshd_config'), 'PasswordAuthentication yes\n');
  const clock = { now: () => NOW };
  const dir = join(folder, 'archive');
  const writer = await openArchiveWriter({ dir, streamId: 'teststrm', clock, retentionDays: 400 });
  const event = (index: number, norm: DecodedEvent['norm'], more: Partial<DecodedEvent> = {}): DecodedEvent => ({
    seq: 1,
    index,
    timeMs: NOW - DAY_MS - index,
    receivedMs: NOW - DAY_MS,
    source: 'src_0000000000000000' as SourceId,
    format: 'syslog/sshd',
    logsource: {},
    norm: { class_uid: 3002, outcome: 'success', ...norm },
    fields: {},
    raw: '',
    marks: [],
    exercise: false,
    ...more,
  });
  await writer.append(
    [
      event(0, { user: 'ada', user_domain: 'HOSP', host: 'ward-pc-7' }),
      event(1, { user: 'ben', user_domain: 'HOSP', host: 'ward-pc-8', outcome: 'failure' }),
      event(2, { user: 'cleo', user_domain: 'HOSP', host: 'ward-pc-9' }, { exercise: true }),
      // The same name on another machine is another account.
      event(3, { user: 'dora', host: 'printer-1' }),
      event(4, { user: 'ops', host: 'web1' }),
    ],
    1,
  );
  await writer.flush();
  await writer.close();
  const archive = await openArchiveReader({ dir, streamId: 'teststrm', clock });
  try {
    const staleOf = async (exercise: boolean | null) => {
      const input = await readExports([exports]);
      if (exercise !== null) await joinSeen(input, archive, { nowMs: NOW, exercise });
      const verdicts = judge(input, { nowMs: NOW });
      expect([...input.faults]).toEqual([]);
      return {
        stale: verdicts.filter((one) => one.stale).map((one) => one.name),
        ops: verdicts.find((one) => one.name === 'ops')?.seenMs ?? null,
      };
    };
    expect(await staleOf(null)).toEqual({ stale: ['ada', 'ben', 'cleo', 'dora'], ops: null });
    expect(await staleOf(false)).toEqual({ stale: ['ben', 'cleo', 'dora'], ops: NOW - DAY_MS - 4 });
    expect((await staleOf(true)).stale).toEqual(['ada', 'ben', 'dora']);
  } finally {
    await archive.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
