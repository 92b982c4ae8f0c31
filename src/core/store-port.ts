/** The store port: the records' tables, with one contract over SQLite and PostgreSQL. Times in and out are RFC 3339. */

import type {
  AccountId,
  AlertId,
  AssetId,
  FindingId,
  IncidentId,
  PersonId,
  SessionId,
  SourceId,
  TokenId,
} from './ids.ts';
import { LIMITS } from './limits.ts';
import type {
  Account,
  Alert,
  Asset,
  AuditEntry,
  Coverage,
  Evidence,
  Finding,
  FindingObservation,
  FindingState,
  Incident,
  Severity,
  Software,
  Source,
} from './records.ts';
import type { RoomName } from './rooms.ts';
import type { Rfc3339 } from './time.ts';

export interface Page<T> {
  readonly items: readonly T[];
  /** Opaque cursor of the next page; null at the end. */
  readonly next: string | null;
}

export interface PageRequest {
  readonly limit: number;
  readonly after?: string;
}

/** Every record of a list, page by page, so that no more than a page is held. */
export async function* allRecords<T>(list: (page: PageRequest) => Promise<Page<T>>): AsyncGenerator<T> {
  let page = await list({ limit: LIMITS.pageRowsMax });
  for (;;) {
    yield* page.items;
    if (page.next === null) return;
    page = await list({ limit: LIMITS.pageRowsMax, after: page.next });
  }
}

export interface FindingFilter {
  readonly room?: RoomName;
  readonly kind?: string;
  readonly state?: FindingState;
  readonly severity?: Severity;
  readonly asset?: AssetId;
  readonly fix?: string;
  readonly text?: string;
  /** Due, or accepted until, before this time. */
  readonly dueBefore?: Rfc3339;
  readonly acceptedUntilBefore?: Rfc3339;
  readonly exercise?: boolean;
}

export interface FindingStore {
  /**
   * Records what a room saw: new identity → new finding; known → longer life and newer evidence; fixed → re-opened.
   * Identity is room + kind + asset name + key. Answers the findings as they are now.
   * @param whole each observation says all there is to say: its evidence and date replace those of before. Otherwise evidence
   *   is added, and a date to fix it by does not move away.
   */
  observe(observations: readonly FindingObservation[], at: Rfc3339, whole?: boolean): Promise<readonly Finding[]>;
  /** Fixed, proven by new evidence. */
  fix(id: FindingId, proof: Evidence, at: Rfc3339): Promise<Finding | null>;
  /**
   * What a complete round of `room` over `asset` for `kinds` did not see again is fixed, with `proof`.
   * Accepted findings that are gone become fixed too. A real round never fixes an exercise's findings, nor the reverse.
   */
  fixMissing(
    scope: {
      room: RoomName;
      assetName: string;
      kinds: readonly string[];
      seen: readonly FindingId[];
      exercise?: boolean;
    },
    proof: Evidence,
    at: Rfc3339,
  ): Promise<readonly Finding[]>;
  accept(
    id: FindingId,
    by: { owner: string; reason: string; until: Rfc3339; by: string },
    at: Rfc3339,
  ): Promise<Finding | null>;
  reopen(id: FindingId, at: Rfc3339): Promise<Finding | null>;
  /** Accepted findings whose time is over are open again; answers them. */
  expireAccepted(at: Rfc3339): Promise<readonly Finding[]>;
  get(id: FindingId): Promise<Finding | null>;
  list(filter: FindingFilter, page: PageRequest): Promise<Page<Finding>>;
  /** Open findings grouped by the action that closes them, most severe and most numerous first. */
  actions(filter: FindingFilter, limit: number): Promise<readonly FindingAction[]>;
  count(filter: FindingFilter): Promise<number>;
}

export interface FindingAction {
  readonly room: RoomName;
  readonly title: string;
  readonly how: string;
  readonly effort: string;
  readonly disrupts: boolean;
  readonly findings: number;
  readonly assets: number;
  readonly worst: Severity;
  readonly due: Rfc3339 | null;
}

export interface AlertFilter {
  readonly state?: Alert['state'];
  readonly level?: Severity;
  readonly rule?: string;
  readonly incident?: IncidentId;
  readonly entity?: { type: string; value: string };
  readonly since?: Rfc3339;
  readonly text?: string;
  readonly exercise?: boolean;
}

export interface AlertStore {
  /** Inserts what is not there yet (by id) and answers only the new ones: a replay has no second effect. */
  add(alerts: readonly Alert[]): Promise<readonly Alert[]>;
  update(
    id: AlertId,
    change: Partial<Pick<Alert, 'state' | 'verdict' | 'incident' | 'merged_from'>>,
  ): Promise<Alert | null>;
  get(id: AlertId): Promise<Alert | null>;
  list(filter: AlertFilter, page: PageRequest): Promise<Page<Alert>>;
  count(filter: AlertFilter): Promise<number>;
  /** Alerts in the order in which they were stored, for the live stream's Last-Event-ID. */
  since(serial: number, limit: number): Promise<readonly { serial: number; alert: Alert }[]>;
  lastSerial(): Promise<number>;
}

export interface IncidentFilter {
  readonly state?: Incident['state'];
  readonly assignee?: PersonId;
  readonly entity?: { type: string; value: string };
  readonly text?: string;
  readonly exercise?: boolean;
}

export interface IncidentStore {
  insert(incident: Incident): Promise<void>;
  /** Writes only when `incident.version` is one above the stored one; false when somebody was faster. */
  replace(incident: Incident): Promise<boolean>;
  get(id: IncidentId): Promise<Incident | null>;
  list(filter: IncidentFilter, page: PageRequest): Promise<Page<Incident>>;
  count(filter: IncidentFilter): Promise<number>;
  /** Open incidents that share one of the entities and whose last event is not before `since`. */
  openFor(
    entities: readonly { type: string; value: string }[],
    since: Rfc3339,
    exercise: boolean,
  ): Promise<readonly Incident[]>;
}

export interface AssetStore {
  upsert(asset: Asset): Promise<void>;
  get(id: AssetId): Promise<Asset | null>;
  byName(name: string): Promise<Asset | null>;
  list(filter: { text?: string; class?: Asset['class']; exercise?: boolean }, page: PageRequest): Promise<Page<Asset>>;
  count(filter: { exercise?: boolean }): Promise<number>;
  /** Replaces the software of one asset as one change. */
  replaceSoftware(asset: AssetId, software: readonly Software[]): Promise<void>;
  software(asset: AssetId, page: PageRequest): Promise<Page<Software>>;
}

export interface AccountStore {
  upsert(accounts: readonly Account[]): Promise<void>;
  get(id: AccountId): Promise<Account | null>;
  list(
    filter: { text?: string; service?: string; second_factor?: Account['second_factor']; exercise?: boolean },
    page: PageRequest,
  ): Promise<Page<Account>>;
  count(filter: { second_factor?: Account['second_factor']; exercise?: boolean }): Promise<number>;
}

export interface SourceStore {
  /** The source of this kind, name and exercise flag; made when it is not there. */
  ensure(source: Pick<Source, 'name' | 'kind'> & Partial<Source>, at: Rfc3339): Promise<Source>;
  /** Adds what was counted since the last call. */
  count(changes: readonly SourceCount[]): Promise<void>;
  configure(
    id: SourceId,
    change: Partial<Pick<Source, 'zone' | 'expected_silence_sec' | 'critical' | 'name'>>,
  ): Promise<Source | null>;
  get(id: SourceId): Promise<Source | null>;
  list(filter: { exercise?: boolean }): Promise<readonly Source[]>;
}

export interface SourceCount {
  readonly id: SourceId;
  readonly events: number;
  readonly bytes: number;
  readonly notUnderstood: number;
  readonly dropped: number;
  readonly lastSeen: Rfc3339 | null;
  readonly formats: Readonly<Record<string, number>>;
  readonly faults: readonly { what: string; count: number; last: Rfc3339 }[];
}

export interface CoverageStore {
  put(coverage: readonly Coverage[]): Promise<void>;
  latest(): Promise<readonly Coverage[]>;
  /** One value a day and room, oldest first. */
  trend(
    sinceDays: number,
  ): Promise<readonly { day: string; room: RoomName; covered: number; in_scope: number; unknown: number }[]>;
}

export interface AuditStore {
  /** Appends with the next sequence number and the hash over the previous entry; serialised inside the adapter. */
  append(entry: Omit<AuditEntry, 'id' | 'seq' | 'previous' | 'hash'>): Promise<AuditEntry>;
  list(filter: { actor?: string; action?: string; since?: Rfc3339 }, page: PageRequest): Promise<Page<AuditEntry>>;
  /** Reads the whole chain; the first sequence number that does not fit, or null. */
  verify(): Promise<{ ok: boolean; entries: number; firstBad: number | null; reason: string | null }>;
}

export const ROLES = ['viewer', 'analyst', 'lead', 'administrator'] as const;
export type Role = (typeof ROLES)[number];

export interface Person {
  readonly id: PersonId;
  readonly username: string;
  readonly display_name: string;
  readonly email: string | null;
  readonly role: Role;
  readonly disabled: boolean;
  readonly password_hash: string;
  readonly created: Rfc3339;
  readonly last_sign_in: Rfc3339 | null;
}

export interface PasskeyCredential {
  readonly id: string;
  readonly person: PersonId;
  readonly name: string;
  readonly public_key: Uint8Array;
  readonly counter: number;
  readonly transports: readonly string[];
  readonly backed_up: boolean;
  readonly created: Rfc3339;
  readonly last_used: Rfc3339 | null;
}

export interface Session {
  readonly id: SessionId;
  readonly person: PersonId;
  /** SHA-256 of the cookie's value: the value itself is nowhere. */
  readonly token_hash: string;
  readonly created: Rfc3339;
  readonly last_seen: Rfc3339;
  readonly expires: Rfc3339;
  readonly address: string;
  readonly user_agent: string;
  readonly factors: readonly string[];
}

export interface ApiToken {
  readonly id: TokenId;
  readonly name: string;
  readonly token_hash: string;
  /** `ingest` tokens name their source; `read`/`write` tokens act with the role. */
  readonly scope: 'ingest' | 'read' | 'write';
  readonly role: Role | null;
  readonly source: SourceId | null;
  readonly created_by: string;
  readonly created: Rfc3339;
  readonly expires: Rfc3339 | null;
  readonly last_used: Rfc3339 | null;
  readonly revoked: boolean;
}

export interface Invitation {
  readonly token_hash: string;
  readonly role: Role;
  readonly username: string | null;
  readonly created_by: string;
  readonly created: Rfc3339;
  readonly expires: Rfc3339;
  readonly used: boolean;
}

export interface PeopleStore {
  count(): Promise<number>;
  insert(person: Person): Promise<void>;
  update(id: PersonId, change: Partial<Omit<Person, 'id'>>): Promise<Person | null>;
  get(id: PersonId): Promise<Person | null>;
  byUsername(username: string): Promise<Person | null>;
  list(): Promise<readonly Person[]>;

  addPasskey(credential: PasskeyCredential): Promise<void>;
  passkeys(person: PersonId): Promise<readonly PasskeyCredential[]>;
  passkey(id: string): Promise<PasskeyCredential | null>;
  /** Raises the counter; false when it did not grow (a cloned key) and both are not zero. */
  usePasskey(id: string, counter: number, at: Rfc3339): Promise<boolean>;
  removePasskey(person: PersonId, id: string): Promise<boolean>;

  /** The TOTP secret, sealed with the installation's key; one a person. */
  setTotp(person: PersonId, sealed: string | null): Promise<void>;
  totp(person: PersonId): Promise<{ sealed: string; lastStep: number } | null>;
  /** Takes a time step once, atomically: false when it or a later one was used. */
  useTotpStep(person: PersonId, step: number): Promise<boolean>;

  setRecoveryCodes(person: PersonId, hashes: readonly string[]): Promise<void>;
  recoveryCodesLeft(person: PersonId): Promise<number>;
  /** Takes a code once, atomically. */
  useRecoveryCode(person: PersonId, hash: string): Promise<boolean>;

  insertInvitation(invitation: Invitation): Promise<void>;
  invitation(tokenHash: string): Promise<Invitation | null>;
  /** Takes an invitation once, atomically; false when it was used or is over. */
  useInvitation(tokenHash: string, at: Rfc3339): Promise<boolean>;

  insertSession(session: Session): Promise<void>;
  session(tokenHash: string): Promise<Session | null>;
  touchSession(id: SessionId, at: Rfc3339): Promise<void>;
  sessions(person: PersonId | null): Promise<readonly Session[]>;
  deleteSession(id: SessionId): Promise<boolean>;
  deleteSessionsOf(person: PersonId): Promise<number>;

  insertToken(token: ApiToken): Promise<void>;
  token(tokenHash: string): Promise<ApiToken | null>;
  tokens(): Promise<readonly ApiToken[]>;
  touchToken(id: TokenId, at: Rfc3339): Promise<void>;
  revokeToken(id: TokenId): Promise<boolean>;
}

/** Messages to the outside (webhook, e-mail) that must survive a restart until they are delivered or given up. */
export interface OutboxItem {
  readonly id: string;
  readonly channel: 'webhook' | 'email';
  readonly payload: string;
  readonly attempts: number;
  readonly next_at: Rfc3339;
  readonly last_error: string | null;
}

export interface OutboxStore {
  /** Ignored when the id is already there. */
  put(items: readonly Pick<OutboxItem, 'id' | 'channel' | 'payload' | 'next_at'>[]): Promise<void>;
  due(at: Rfc3339, limit: number): Promise<readonly OutboxItem[]>;
  done(id: string): Promise<void>;
  failed(id: string, error: string, nextAt: Rfc3339 | null): Promise<void>;
  list(limit: number): Promise<readonly OutboxItem[]>;
}

/** Small named values: settings, keys sealed at rest, checkpoints of workers. */
export interface ValueStore {
  get(key: string): Promise<string | null>;
  set(key: string, value: string): Promise<void>;
  /** Sets only when the current value is `expected` (null: absent); false otherwise. */
  compareAndSet(key: string, expected: string | null, value: string): Promise<boolean>;
  delete(key: string): Promise<void>;
}

/** One document of a room. */
export interface RoomRecordRow {
  readonly id: string;
  /** What lists are sorted by, a whole number: Unix milliseconds mostly. */
  readonly order?: number;
  /** What lists are filtered by: a state, an asset. */
  readonly tag?: string;
  /** What free text is looked for in. */
  readonly search?: string;
  readonly doc: unknown;
}

export interface RoomRecord {
  readonly id: string;
  readonly order: number;
  readonly tag: string;
  /** Raised by every change, from 1. */
  readonly version: number;
  readonly doc: unknown;
}

export interface RecordFilter {
  readonly tag?: string;
  readonly text?: string;
  /** Orders from this one, below `to`. */
  readonly from?: number;
  readonly to?: number;
}

/** Documents of the rooms; a collection is `<room>-<thing>`. What is large (a million rows) belongs into a room's own file. */
export interface RecordStore {
  /** Inserts or replaces, as one change. */
  put(collection: string, rows: readonly RoomRecordRow[]): Promise<void>;
  /** False when the id is already there. */
  insert(collection: string, row: RoomRecordRow): Promise<boolean>;
  /** Replaces only the version that was read; false when somebody was faster or it is gone. */
  replace(collection: string, row: RoomRecordRow, expectedVersion: number): Promise<boolean>;
  get(collection: string, id: string): Promise<RoomRecord | null>;
  list(collection: string, filter: RecordFilter, page: PageRequest, newestFirst?: boolean): Promise<Page<RoomRecord>>;
  count(collection: string, filter?: RecordFilter): Promise<number>;
  /** How many were there. */
  delete(collection: string, ids: readonly string[]): Promise<number>;
}

export interface Store {
  readonly kind: 'sqlite' | 'postgres';
  readonly findings: FindingStore;
  readonly alerts: AlertStore;
  readonly incidents: IncidentStore;
  readonly assets: AssetStore;
  readonly accounts: AccountStore;
  readonly sources: SourceStore;
  readonly coverage: CoverageStore;
  readonly audit: AuditStore;
  readonly people: PeopleStore;
  readonly outbox: OutboxStore;
  readonly values: ValueStore;
  readonly records: RecordStore;
  /** Runs several changes as one; everything inside uses the `Store` handed in. */
  transaction<T>(work: (store: Store) => Promise<T>): Promise<T>;
  /** Writes a consistent copy to the path (SQLite) or says how to make one (PostgreSQL). */
  backup(path: string): Promise<{ how: string }>;
  /** Removes everything marked as an exercise. */
  removeExercise(): Promise<void>;
  ping(): Promise<void>;
  close(): Promise<void>;
}
