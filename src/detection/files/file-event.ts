/** A change as an event of the log, in the words of OCSF (File System Activity, class 1001), so that Sigma rules read it. */

import { OCSF_CLASS, rfc3339 } from '../../core/index.ts';
import type { Burst } from './file-burst.ts';
import { type FileChange, gainedRights } from './file-entry.ts';
import type { Writer } from './file-who.ts';

/** `event_code` of what we write; the rules in rules/files/ choose by it. */
export type FileEventCode =
  | 'file-created'
  | 'file-removed'
  | 'file-changed'
  | 'file-permissions'
  | 'file-rights-gained'
  | 'file-canary'
  | 'file-mass-change'
  | 'file-upgraded'
  | 'file-baseline-tampered'
  | 'file-watch-limited';

export interface FileEventParts {
  readonly nowMs: number;
  readonly host: string;
  readonly change: FileChange;
  readonly writer: Writer | null;
  readonly account: string;
  readonly packaged: 'same' | 'differs' | 'conffile' | 'unknown';
  readonly canary: boolean;
  readonly difference: readonly string[];
  readonly how: 'realtime' | 'round';
}

const octal = (mode: number | undefined): string => (mode === undefined ? '' : mode.toString(8).padStart(4, '0'));

export function codeOf(change: FileChange, canary: boolean, packaged: FileEventParts['packaged']): FileEventCode {
  if (canary) return 'file-canary';
  if (gainedRights(change) && packaged !== 'same') return 'file-rights-gained';
  if (packaged === 'same' && change.after !== null) return 'file-upgraded';
  if (change.kinds.includes('created')) return 'file-created';
  if (change.kinds.includes('removed')) return 'file-removed';
  return change.kinds.includes('content') || change.kinds.includes('type') ? 'file-changed' : 'file-permissions';
}

const ACTIVITY: Readonly<Record<string, string>> = {
  'file-created': 'file-create',
  'file-removed': 'file-delete',
  'file-permissions': 'permission-change',
  'file-rights-gained': 'permission-change',
};

const base = (nowMs: number, host: string, code: FileEventCode, message: string) => ({
  class_uid: OCSF_CLASS.fileActivity,
  activity_name: ACTIVITY[code] ?? 'file-change',
  time: rfc3339(nowMs),
  status: 'success',
  device: { hostname: host },
  metadata: { product: { name: 'asepsis' }, event_code: code },
  message,
});

const who = (writer: Writer | null, account: string) => ({
  ...(writer ? { process: { name: writer.name, pid: writer.pid, cmd_line: writer.command } } : {}),
  ...(account === '' ? {} : { user: { name: account } }),
});

export function changeEvent(parts: FileEventParts): object {
  const { change, writer, account } = parts;
  const { before, after } = change;
  const code = codeOf(change, parts.canary, parts.packaged);
  return {
    ...base(parts.nowMs, parts.host, code, `${change.path}: ${change.kinds.join(', ')}`),
    ...who(writer, account),
    file: {
      path: change.path,
      type: (after ?? before)?.type,
      hashes: { value: after?.hash ?? '' },
      hash_before: before?.hash ?? '',
      size: after?.size ?? 0,
      size_before: before?.size ?? 0,
      mode: octal(after?.mode),
      mode_before: octal(before?.mode),
      owner: after ? `${after.uid}:${after.gid}` : '',
      owner_before: before ? `${before.uid}:${before.gid}` : '',
    },
    changed: change.kinds.join(' '),
    package: parts.packaged,
    seen_by: parts.how,
    ...(parts.difference.length === 0 ? {} : { difference: parts.difference.join('\n') }),
  };
}

export function burstEvent(nowMs: number, host: string, burst: Burst, writer: Writer | null, account: string): object {
  return {
    ...base(nowMs, host, 'file-mass-change', burst.sentence),
    ...who(writer, account),
    file: { path: burst.folder },
    files: burst.files,
    encrypted: burst.encrypted,
    replaced: burst.replaced,
    ending: burst.ending,
  };
}

export const noteEvent = (nowMs: number, host: string, code: FileEventCode, message: string): object =>
  base(nowMs, host, code, message);
