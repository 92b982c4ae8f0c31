/** Who is writing? Asked of /proc at once, of the audit daemon's records a moment later; bounded in its share of the time. */

import type { RoomServices } from '../../core/index.ts';
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

/** Who changed it, as the audit daemon of this machine recorded it. */
async function byAudit({ archive, clock }: RoomServices, path: string): Promise<Writer | null> {
  const quoted = `"${path.replaceAll(/["\\]/g, (c) => `\\${c}`)}"`;
  const toMs = clock.now() + 1;
  const { items } = await archive.search({ query: `file:${quoted}`, fromMs: toMs - MINUTE_MS, toMs, limit: 20 });
  const one = items.find((event) => event.format.startsWith('auditd'));
  if (!one) return null;
  const { process: name = '', pid = 0, command_line: command = '' } = one.ocsf;
  const uid = Number(one.fields.auid ?? one.fields.uid ?? -1);
  return name === '' ? null : { name: String(name), pid: Number(pid), command: String(command), uid };
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
