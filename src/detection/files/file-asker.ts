/** Who is writing? Asked of /proc at once, of the audit daemon's records a moment later; bounded in its share of the time. */

import { basename, resolve } from 'node:path';
import type { RoomServices } from '../../core/index.ts';
import { maskedCommand } from './file-text.ts';
import { type Writer, whoWrites } from './file-who.ts';

const MINUTE_MS = 60_000;
/** A writer found a moment ago is taken for the next files too: a fast program holds each only for an instant. */
const WRITER_KEPT_MS = 5000;
/** Looking through all processes takes at most a quarter of the time. */
const SCAN_PAUSE = 3;
/** Records of the audit daemon take this long to be searchable. */
const AUDIT_WAIT_MS = 1500;

export interface Asker {
  /** @param single the one file that changed, for which the audit daemon is asked too */
  writerOf(paths: readonly string[], single: string | null): Promise<Writer | null>;
  /** The writer of a moment ago. */
  recent(): Writer | null;
}

const quoted = (text: string): string => `"${text.replaceAll(/["\\]/g, (c) => `\\${c}`)}"`;
const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
/** What the kernel writes where nobody has signed in (auid of a daemon). */
const NOBODY = new Set(['', '4294967295', '-1', 'unset']);

/**
 * Who changed it, as the audit daemon of this machine recorded it. One change is several records with one number: PATH
 * names the file, often without its folder, CWD the folder, SYSCALL the program, PROCTITLE its command line.
 */
async function byAudit({ archive, clock }: RoomServices, path: string): Promise<Writer | null> {
  const toMs = clock.now() + 1;
  const span = { fromMs: toMs - MINUTE_MS, toMs };
  const named = `file:${quoted(path)} OR file:${quoted(basename(path))}`;
  const { items } = await archive.search({ query: named, ...span, limit: 50 });
  for (const { format, fields } of items) {
    // The folder of a file stands there too; it is not what was changed.
    if (!format.startsWith('auditd') || fields.nametype === 'PARENT') continue;
    const query = `audit_id:${quoted(textOf(fields.audit_id))}`;
    const { items: records } = await archive.search({ query, ...span, limit: 50 });
    const of = (type: string) => records.find((one) => one.ocsf.event_code === type);
    const syscall = of('SYSCALL');
    if (!syscall || resolve(textOf(of('CWD')?.fields.cwd) || '/', textOf(fields.name)) !== path) continue;
    const { process: name, pid } = syscall.ocsf;
    const { auid, uid } = syscall.fields;
    const command = textOf(of('PROCTITLE')?.ocsf.command_line);
    return {
      name: textOf(name),
      pid: Number(pid ?? 0),
      command: maskedCommand(command.split(' ')).trim().slice(0, 300),
      uid: Number(NOBODY.has(textOf(auid)) ? (uid ?? -1) : auid),
    };
  }
  return null;
}

export function createAsker(services: RoomServices): Asker {
  const { clock, store } = services;
  let last: { writer: Writer; atMs: number } | null = null;
  let scan = { endedMs: -Infinity, tookMs: 0 };
  let audit = { seen: false, atMs: -Infinity };

  const recent = (): Writer | null => (last !== null && clock.now() - last.atMs < WRITER_KEPT_MS ? last.writer : null);
  const scanned = async (paths: readonly string[], urgent: boolean): Promise<Writer | null> => {
    const startedMs = performance.now();
    if (!urgent && startedMs - scan.endedMs < scan.tookMs * SCAN_PAUSE) return null;
    const found = await whoWrites(paths);
    scan = { endedMs: performance.now(), tookMs: performance.now() - startedMs };
    if (found) last = { writer: found, atMs: clock.now() };
    return found;
  };
  const auditSeen = async (): Promise<boolean> => {
    if (clock.now() - audit.atMs > MINUTE_MS) {
      const formats = (await store.sources.list({})).flatMap((source) => Object.keys(source.formats));
      audit = { seen: formats.some((format) => format.startsWith('auditd')), atMs: clock.now() };
    }
    if (audit.seen) await new Promise((resolve) => setTimeout(resolve, AUDIT_WAIT_MS));
    return audit.seen;
  };
  return {
    recent,
    writerOf: async (paths, single) => {
      // Many files at once and nobody known yet: that question does not wait.
      const found = await scanned(paths, single === null && recent() === null);
      if (found || single === null) return found ?? recent();
      return (await auditSeen()) ? byAudit(services, single).catch(() => null) : null;
    },
  };
}
