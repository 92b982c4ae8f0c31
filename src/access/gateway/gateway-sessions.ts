/** Sessions: one a sign-in, with one cookie for each host, held in memory and in the file, ended everywhere at once. */

import { randomBytes } from 'node:crypto';
import type { Clock } from '../../core/index.ts';
import { addressKey } from './gateway-address.ts';
import type { Db } from './gateway-db.ts';
import type { Strength } from './gateway-policy.ts';
import { isSecret, newSecret, secretHash } from './gateway-secrets.ts';
import {
  docOf,
  fresh,
  type GatewaySession,
  groupsOf,
  NOTHING,
  once,
  type SessionFactor,
  sessionOf,
} from './gateway-session-record.ts';

/** Sessions of one account; the oldest ends when another begins. */
const PER_ACCOUNT_MAX = 20;
/** How often changes by other processes are looked for: well inside the second that ending may take. */
const WATCH_MS = 200;
const FLUSH_MS = 5000;
const FLUSH_SLICE = 400;
const KEPT_OF_SILENCE = 60;
const FLUSH_PAUSE_MS = 20;
const CHANGES_KEPT_MS = 3_600_000;
/** Tokens held in memory; the rest is read again from the file. */
const CACHED_MAX = 250_000;

export interface NewSession {
  readonly account: string;
  readonly display: string;
  readonly email: string;
  readonly groups: readonly string[];
  readonly strength: Strength;
  readonly factors: readonly SessionFactor[];
  readonly agent: string;
  readonly address: string;
  readonly lifeMs: number;
  readonly idleMs: number;
  readonly bind: readonly ('agent' | 'network')[];
  readonly lockMs: number | null;
  readonly emergencyApp: string | null;
}

export type Found =
  | { readonly ok: true; readonly session: GatewaySession }
  | { readonly ok: false; readonly why: 'none' | 'over' | 'idle' | 'bound' | 'locked' };

/** What of a browser a session is bound to. */
export function agentKey(userAgent: string): string {
  let key = agents.get(userAgent);
  if (key === undefined) {
    key = secretHash(userAgent.slice(0, 512)).slice(0, 16);
    if (agents.size >= AGENTS_MAX) agents.clear();
    agents.set(userAgent, key);
  }
  return key;
}
/** A hospital has some dozens of browsers. */
const AGENTS_MAX = 2000;
const agents = new Map<string, string>();

const sameGroups = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean =>
  a.size === b.size && [...a].every((group) => b.has(group));

export function openSessions(db: Db, clock: Clock) {
  const tokens = new Map<string, { session: GatewaySession; host: string }>();
  const live = new Map<string, GatewaySession>();
  const dirty = new Set<GatewaySession>();
  let seq = Number(db.get('SELECT coalesce(max(seq), 0) AS n FROM changes')?.n ?? 0);

  const hashesOf = new Map<string, string[]>();

  let regrouped: (session: GatewaySession) => void = () => {};
  /** What is open of these sessions is closed. */
  let closed: (ids: ReadonlySet<string>) => void = () => {};
  let openOnes: () => ReadonlySet<GatewaySession> = () => new Set();
  const forget = (id: string) => {
    const session = live.get(id);
    live.delete(id);
    if (session !== undefined) dirty.delete(session);
    for (const hash of hashesOf.get(id) ?? []) tokens.delete(hash);
    hashesOf.delete(id);
  };
  const changed = (id: string, ended: boolean) => {
    db.run('INSERT INTO changes (session, ended, at) VALUES (?, ?, ?)', id, ended ? 1 : 0, clock.now());
  };
  /** Takes in what another process made of the session: a lock, a step-up. */
  const reload = (id: string): boolean => {
    const session = live.get(id);
    const row = session === undefined ? undefined : db.get('SELECT id, doc, last_seen FROM sessions WHERE id = ?', id);
    if (session === undefined || row === undefined) return false;
    const lastSeenMs = Math.max(session.lastSeenMs, row.last_seen as number);
    const { groups } = session;
    Object.assign(session, sessionOf(row), { lastSeenMs });
    if (!session.locked && !sameGroups(groups, session.groups)) regrouped(session);
    return session.locked;
  };
  const watch = () => {
    const rows = db.all('SELECT seq, session, ended FROM changes WHERE seq > ? ORDER BY seq LIMIT 20000', seq);
    const over = new Set<string>();
    for (const row of rows) {
      seq = row.seq as number;
      const id = row.session as string;
      if (row.ended === 1) forget(id);
      if (row.ended === 1 || reload(id)) over.add(id);
    }
    if (over.size > 0) closed(over);
  };
  let stopped = false;
  let slicing = false;
  /** Writes when some sessions were last seen. */
  const flushSome = (most: number): void => {
    if (dirty.size === 0) return;
    db.atomic(() => {
      let left = most;
      for (const session of dirty) {
        if (left-- === 0) break;
        dirty.delete(session);
        db.run('UPDATE sessions SET last_seen = max(last_seen, ?) WHERE id = ?', session.lastSeenMs, session.id);
      }
    });
  };
  const tidy = () => {
    db.run('DELETE FROM changes WHERE at < ?', clock.now() - CHANGES_KEPT_MS);
    db.run('DELETE FROM sessions WHERE expires < ?', clock.now());
  };
  const flush = () => {
    flushSome(Number.POSITIVE_INFINITY);
    tidy();
  };
  /** In slices, with requests answered between them: tens of thousands at once would keep everybody waiting. */
  const flushInSlices = (left: number): void => {
    if (stopped) return;
    slicing = left > FLUSH_SLICE;
    try {
      flushSome(FLUSH_SLICE);
      if (!slicing) tidy();
    } catch {
      // A file that another process holds for long, or a full disk: what is not written is seen again soon.
      slicing = false;
      return;
    }
    if (slicing) setTimeout(flushInSlices, FLUSH_PAUSE_MS, left - FLUSH_SLICE).unref();
  };
  const watcher = setInterval(watch, WATCH_MS);
  const flusher = setInterval(() => {
    if (!slicing) flushInSlices(dirty.size);
  }, FLUSH_MS);
  watcher.unref();
  flusher.unref();

  const load = (id: string): GatewaySession | null => {
    const held = live.get(id);
    if (held !== undefined) return held;
    const row = db.get('SELECT id, doc, last_seen FROM sessions WHERE id = ?', id);
    if (row === undefined) return null;
    const session = sessionOf(row);
    live.set(id, session);
    return session;
  };
  const held = (hash: string) => {
    const known = tokens.get(hash);
    if (known !== undefined) return known;
    const row = db.get('SELECT session, host FROM tokens WHERE hash = ?', hash);
    const session = row === undefined ? null : load(row.session as string);
    if (row === undefined || session === null) return null;
    if (tokens.size >= CACHED_MAX) {
      tokens.clear();
      hashesOf.clear();
      const open = openOnes();
      for (const [id, session] of live) if (!open.has(session)) live.delete(id);
    }
    const found = { session, host: once(row.host as string) };
    tokens.set(hash, found);
    const hashes = hashesOf.get(session.id);
    if (hashes === undefined) hashesOf.set(session.id, [hash]);
    else hashes.push(hash);
    return found;
  };
  const end = (id: string): boolean =>
    db.atomic(() => {
      const was = db.run('DELETE FROM sessions WHERE id = ?', id) === 1;
      if (was) changed(id, true);
      return was;
    });
  const save = (session: GatewaySession) => {
    db.atomic(() => {
      db.run('UPDATE sessions SET doc = ? WHERE id = ?', docOf(session), session.id);
      changed(session.id, false);
    });
  };

  return {
    start(o: NewSession): GatewaySession {
      const now = clock.now();
      const id = randomBytes(16).toString('base64url');
      const session: GatewaySession = {
        id,
        account: o.account,
        display: o.display,
        email: o.email,
        groups: groupsOf(o.groups),
        strength: o.strength,
        factors: o.factors,
        factorMs: fresh(o.factors),
        createdMs: now,
        lastSeenMs: now,
        keptSeenMs: now,
        expiresMs: now + o.lifeMs,
        idleMs: o.idleMs,
        agent: agentKey(o.agent),
        address: o.address,
        bind: o.bind,
        lockMs: o.lockMs,
        locked: false,
        emergencyApp: o.emergencyApp,
        issued: NOTHING,
      };
      db.atomic(() => {
        const mine = db.all('SELECT id FROM sessions WHERE account = ? ORDER BY created DESC', o.account);
        for (const old of mine.slice(PER_ACCOUNT_MAX - 1)) end(old.id as string);
        db.run(
          'INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)',
          id,
          o.account,
          docOf(session),
          now,
          now,
          session.expiresMs,
        );
      });
      live.set(id, session);
      return session;
    },
    /** A cookie value for one host. */
    token(session: string, host: string): string {
      const secret = newSecret();
      db.run('INSERT INTO tokens VALUES (?, ?, ?)', secretHash(secret), session, host);
      return secret;
    },
    dropToken: (secret: string) => {
      tokens.delete(secretHash(secret));
      db.run('DELETE FROM tokens WHERE hash = ?', secretHash(secret));
    },
    /** The session of a cookie on this host, as long as it lives, is not silent, and comes from where it is bound to. */
    find(secret: string, host: string, from: { agent: string; address: string }, seen = true): Found {
      if (!isSecret(secret)) return { ok: false, why: 'none' };
      const known = held(secretHash(secret));
      if (known === null || known.host !== host) return { ok: false, why: 'none' };
      const { session } = known;
      const now = clock.now();
      if (now >= session.expiresMs) return { ok: false, why: 'over' };
      if (session.bind.includes('agent') && agentKey(from.agent) !== session.agent) return { ok: false, why: 'bound' };
      if (session.bind.includes('network') && addressKey(from.address) !== addressKey(session.address))
        return { ok: false, why: 'bound' };
      const silence = session.lockMs === null ? session.idleMs : Math.min(session.lockMs, session.idleMs);
      if (now - session.lastSeenMs >= silence) {
        // Another process may have seen it since.
        const row = db.get('SELECT last_seen FROM sessions WHERE id = ?', session.id);
        session.lastSeenMs = Math.max(session.lastSeenMs, Number(row?.last_seen ?? 0));
        if (now - session.lastSeenMs >= session.idleMs) return { ok: false, why: 'idle' };
        if (now - session.lastSeenMs >= silence) {
          session.locked = true;
          save(session);
        }
      }
      if (session.locked) return { ok: false, why: 'locked' };
      if (seen && now !== session.lastSeenMs) {
        session.lastSeenMs = now;
        // The file may be a sixtieth of the silence behind; a write for each request would cost more than the request.
        if (now - session.keptSeenMs >= silence / KEPT_OF_SILENCE) {
          session.keptSeenMs = now;
          dirty.add(session);
        }
      }
      return { ok: true, session };
    },
    /** A session by its id whatever its state, for unlocking and for the desk. */
    get: (id: string): GatewaySession | null => load(id),
    /** The session of a cookie that is only locked. */
    locked(secret: string, host: string): GatewaySession | null {
      if (!isSecret(secret)) return null;
      const known = held(secretHash(secret));
      if (known === null || known.host !== host || clock.now() >= known.session.expiresMs) return null;
      return clock.now() - known.session.lastSeenMs < known.session.idleMs ? known.session : null;
    },
    lock(session: GatewaySession): void {
      session.locked = true;
      save(session);
    },
    /** A second factor was shown again: opens a lock, or lifts the session for a step-up. */
    proved(session: GatewaySession, factor: SessionFactor, strength: Strength): void {
      session.factors = [...session.factors.filter((one) => one.kind !== factor.kind), factor];
      session.factorMs = fresh(session.factors);
      if (strength > session.strength) session.strength = strength;
      session.locked = false;
      session.lastSeenMs = clock.now();
      db.run('UPDATE sessions SET last_seen = ? WHERE id = ?', session.lastSeenMs, session.id);
      save(session);
    },
    /** What the directory says of an account's groups holds for its running sessions too. */
    regroup(account: string, groups: readonly string[]): void {
      for (const { id } of db.all('SELECT id FROM sessions WHERE account = ?', account)) {
        const session = load(id as string);
        if (
          session === null ||
          (session.groups.size === groups.length && groups.every((group) => session.groups.has(group)))
        )
          continue;
        session.groups = groupsOf(groups);
        save(session);
        regrouped(session);
      }
    },
    /** Called when a session has other groups than before, here or in another process. */
    onRegroup(call: (session: GatewaySession) => void): void {
      regrouped = call;
    },
    /** Ends one session here at once, and in every other process within a fifth of a second. */
    end(id: string): boolean {
      const was = end(id);
      forget(id);
      closed(new Set([id]));
      return was;
    },
    endAll(account: string): number {
      const ids = db.all('SELECT id FROM sessions WHERE account = ?', account).map((row) => row.id as string);
      db.atomic(() => {
        for (const id of ids) end(id);
      });
      watch();
      return ids.length;
    },
    /** Called with sessions that ended or locked, here or in another process; and how to learn which have something open. */
    onClose(call: (ids: ReadonlySet<string>) => void, open: () => ReadonlySet<GatewaySession>): void {
      closed = call;
      openOnes = open;
    },
    /** Takes in when another process last saw the session. */
    refresh(session: GatewaySession): void {
      const row = db.get('SELECT last_seen FROM sessions WHERE id = ?', session.id);
      session.lastSeenMs = Math.max(session.lastSeenMs, Number(row?.last_seen ?? 0));
    },
    list(limit = 1000): GatewaySession[] {
      flush();
      return db
        .all(
          'SELECT id, doc, last_seen FROM sessions WHERE expires > ? ORDER BY created DESC LIMIT ?',
          clock.now(),
          limit,
        )
        .map((row) => {
          const session = sessionOf(row);
          session.lastSeenMs = Math.max(session.lastSeenMs, live.get(session.id)?.lastSeenMs ?? 0);
          return session;
        });
    },
    count: () => Number(db.get('SELECT count(*) AS n FROM sessions WHERE expires > ?', clock.now())?.n),
    close(): void {
      clearInterval(watcher);
      clearInterval(flusher);
      stopped = true;
      for (const session of live.values()) if (session.lastSeenMs > session.keptSeenMs) dirty.add(session);
      flush();
    },
  };
}
export type Sessions = ReturnType<typeof openSessions>;
