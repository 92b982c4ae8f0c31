/** Branded identifiers and the functions that make them; every id says in its prefix what it names. */

declare const brand: unique symbol;
export type Branded<T, Name extends string> = T & { readonly [brand]: Name };

export type EventId = Branded<string, 'EventId'>;
export type SourceId = Branded<string, 'SourceId'>;
export type AssetId = Branded<string, 'AssetId'>;
export type AccountId = Branded<string, 'AccountId'>;
export type SoftwareId = Branded<string, 'SoftwareId'>;
export type FindingId = Branded<string, 'FindingId'>;
export type AlertId = Branded<string, 'AlertId'>;
export type IncidentId = Branded<string, 'IncidentId'>;
export type IndicatorId = Branded<string, 'IndicatorId'>;
export type AuditId = Branded<string, 'AuditId'>;
export type PersonId = Branded<string, 'PersonId'>;
export type TokenId = Branded<string, 'TokenId'>;
export type SessionId = Branded<string, 'SessionId'>;

/** The prefix of each kind of id. Event ids are not here: they are a position in the stream (see `eventId`). */
export const ID_PREFIX = {
  source: 'src',
  asset: 'ast',
  account: 'acc',
  software: 'sw',
  finding: 'fnd',
  alert: 'alr',
  incident: 'inc',
  indicator: 'ind',
  audit: 'aud',
  person: 'per',
  token: 'tok',
  session: 'ses',
} as const;
export type IdKind = keyof typeof ID_PREFIX;

const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz';

/**
 * A new time-sortable id: prefix, `_`, 10 characters of Unix milliseconds, 16 random characters (80 bits), in
 * Crockford's base 32. Sorting ids as text sorts them by the time they were made.
 *
 * @param kind what the id names
 * @param nowMs Unix time in milliseconds
 * @param random ten random bytes from a cryptographic source
 */
export function newId<T extends Branded<string, string>>(kind: IdKind, nowMs: number, random: Uint8Array): T {
  let time = '';
  for (let i = 0, rest = nowMs; i < 10; i++) {
    time = CROCKFORD.charAt(rest % 32) + time;
    rest = Math.floor(rest / 32);
  }
  let tail = '';
  for (let i = 0; i < 16; i++) {
    const bit = i * 5;
    const byte = bit >> 3;
    const word = ((random[byte] ?? 0) << 8) | (random[byte + 1] ?? 0);
    tail += CROCKFORD.charAt((word >> (11 - (bit & 7))) & 31);
  }
  return `${ID_PREFIX[kind]}_${time}${tail}` as T;
}

/**
 * An id that the same content always gets: prefix, `_`, 26 characters of a digest. It is what makes effects
 * downstream happen once: a replay after a crash computes the same id and the store ignores it.
 *
 * @param digest at least 17 bytes of a cryptographic hash over the identifying content
 */
export function contentId<T extends Branded<string, string>>(kind: IdKind, digest: Uint8Array): T {
  let text = '';
  for (let i = 0; i < 26; i++) {
    const bit = i * 5;
    const byte = bit >> 3;
    const word = ((digest[byte] ?? 0) << 8) | (digest[byte + 1] ?? 0);
    text += CROCKFORD.charAt((word >> (11 - (bit & 7))) & 31);
  }
  return `${ID_PREFIX[kind]}_${text}` as T;
}

/**
 * The id of an event: the stream's own id, the sequence number of its block and its index in that block. It exists
 * from the moment the block is on disk, costs next to nothing to store in columns, and can be had from any stream
 * that numbers its messages (NATS JetStream does).
 */
export function eventId(streamId: string, seq: number, index: number): EventId {
  return `${streamId}-${seq.toString(36)}-${index.toString(36)}` as EventId;
}

/** Takes an event id apart; null when the text is not one. */
export function parseEventId(text: string): { streamId: string; seq: number; index: number } | null {
  const match = /^([0-9a-z]{4,16})-([0-9a-z]{1,11})-([0-9a-z]{1,6})$/.exec(text);
  if (!match) return null;
  return {
    streamId: match[1] as string,
    seq: Number.parseInt(match[2] as string, 36),
    index: Number.parseInt(match[3] as string, 36),
  };
}
