/** A session in memory and as a row. There are many of them: what they share is held once. */

import type { Row } from './gateway-db.ts';
import type { App, Strength } from './gateway-policy.ts';

export interface SessionFactor {
  readonly kind: 'password' | 'totp' | 'passkey' | 'security-key' | 'recovery' | 'upstream' | 'break-glass';
  readonly atMs: number;
}

export interface GatewaySession {
  readonly id: string;
  readonly account: string;
  readonly display: string;
  readonly email: string;
  groups: ReadonlySet<string>;
  strength: Strength;
  factors: readonly SessionFactor[];
  /** When the newest second factor was shown. */
  factorMs: number;
  readonly createdMs: number;
  lastSeenMs: number;
  /** What of it the file knows. */
  keptSeenMs: number;
  readonly expiresMs: number;
  readonly idleMs: number;
  readonly agent: string;
  readonly address: string;
  readonly bind: readonly ('agent' | 'network')[];
  /** Set on a shared machine: silence after which it locks. */
  readonly lockMs: number | null;
  locked: boolean;
  readonly emergencyApp: string | null;
  /** What its hosts were told of it (gateway-decide.ts). Nearly every session is for one or two hosts. */
  issued: readonly Issued[];
}

/** What an application was told of a session: the same words are said again for some minutes. */
export interface Issued {
  readonly host: string;
  readonly app: App;
  readonly identity: Readonly<Record<string, string>>;
  readonly untilMs: number;
  readonly factorMs: number;
  readonly groups: ReadonlySet<string>;
}

/** When the newest second factor was shown. */
export const fresh = (factors: readonly SessionFactor[]): number =>
  Math.max(0, ...factors.filter((factor) => factor.kind !== 'password').map((factor) => factor.atMs));

export function sessionOf(row: Row): GatewaySession {
  const doc = JSON.parse(row.doc as string) as Omit<
    GatewaySession,
    'id' | 'groups' | 'lastSeenMs' | 'keptSeenMs' | 'factorMs' | 'issued'
  > & {
    groups: string[];
  };
  // There are many sessions and few browsers, addresses and sets of groups: one copy of each.
  return {
    id: row.id as string,
    account: doc.account,
    display: doc.display === doc.account ? doc.account : doc.display,
    email: doc.email,
    groups: groupsOf(doc.groups),
    strength: doc.strength,
    factors: doc.factors.map((factor) => ({ kind: once(factor.kind), atMs: factor.atMs })),
    factorMs: fresh(doc.factors),
    createdMs: doc.createdMs,
    lastSeenMs: row.last_seen as number,
    keptSeenMs: row.last_seen as number,
    expiresMs: doc.expiresMs,
    idleMs: doc.idleMs,
    agent: once(doc.agent),
    address: once(doc.address),
    bind: bindOf(doc.bind),
    lockMs: doc.lockMs,
    locked: doc.locked,
    emergencyApp: doc.emergencyApp,
    issued: NOTHING,
  };
}

export const NOTHING: readonly Issued[] = [];
const WORDS_MAX = 20_000;
const words = new Map<string, string>();
/** One copy of a text that many sessions share. */
export function once<T extends string>(text: T): T {
  const held = words.get(text);
  if (held !== undefined) return held as T;
  if (words.size >= WORDS_MAX) words.clear();
  words.set(text, text);
  return text;
}
const BINDS = [[], ['agent'], ['network'], ['agent', 'network']] as const;
const bindOf = (bind: GatewaySession['bind']): GatewaySession['bind'] =>
  BINDS.find((one) => one.length === bind.length && one.every((word) => bind.includes(word))) ?? bind;
const groupSets = new Map<string, ReadonlySet<string>>();
export function groupsOf(groups: readonly string[]): ReadonlySet<string> {
  const key = JSON.stringify(groups);
  const held = groupSets.get(key);
  if (held !== undefined) return held;
  if (groupSets.size >= WORDS_MAX) groupSets.clear();
  const made = new Set(groups);
  groupSets.set(key, made);
  return made;
}

export function docOf(session: GatewaySession): string {
  const doc: Record<string, unknown> = { ...session, groups: [...session.groups] };
  for (const name of ['id', 'lastSeenMs', 'keptSeenMs', 'factorMs', 'issued']) delete doc[name];
  return JSON.stringify(doc);
}
