import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { openDb } from './gateway-db.ts';
import { openSessions } from './gateway-sessions.ts';

afterEach(() => vi.useRealTimers());

test('when thousands of sessions were seen is written in slices, all of it, and the newest survives a crash', () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'setTimeout', 'clearInterval', 'clearTimeout'] });
  const folder = mkdtempSync(join(tmpdir(), 'asepsis-sessions-'));
  const db = openDb(join(folder, 'gateway.db'), false);
  const clock = { ms: Date.parse('2026-11-25T12:00:00Z'), now: () => clock.ms };
  const sessions = openSessions(db, clock);
  try {
    const from = { agent: 'x', address: '127.0.0.1' };
    const tokens = Array.from({ length: 1500 }, (_, i) => {
      const { id } = sessions.start({
        account: `user${i}`,
        display: 'x',
        email: '',
        groups: ['staff'],
        strength: 2,
        factors: [{ kind: 'totp', atMs: clock.ms }],
        ...from,
        lifeMs: 43_200_000,
        idleMs: 3_600_000,
        bind: [],
        lockMs: null,
        emergencyApp: null,
      });
      return sessions.token(id, 'notes');
    });
    clock.ms += 60_000;
    for (const token of tokens) expect(sessions.find(token, 'notes', from).ok).toBe(true);
    const written = () => Number(db.get('SELECT count(*) AS n FROM sessions WHERE last_seen = ?', clock.ms)?.n);
    expect(written()).toBe(0);
    vi.advanceTimersByTime(5000);
    // The first slice, not all at once.
    expect(written()).toBeGreaterThan(0);
    expect(written()).toBeLessThan(1500);
    vi.advanceTimersByTime(200);
    expect(written()).toBe(1500);
    // Again a moment later: a write for each request would cost more than the request, and the end writes it all.
    const before = clock.ms;
    clock.ms += 20_000;
    for (const token of tokens) expect(sessions.find(token, 'notes', from).ok).toBe(true);
    vi.advanceTimersByTime(5200);
    expect(db.get('SELECT max(last_seen) AS ms FROM sessions')?.ms).toBe(before);
    expect(sessions.list(1)[0]?.lastSeenMs).toBe(clock.ms);
    // Sessions with the same groups, browser and address share one copy of them.
    const [one, two] = [sessions.list(2)[0], sessions.list(2)[1]];
    expect(one?.groups).toBe(two?.groups);
  } finally {
    sessions.close();
    expect(db.get('SELECT min(last_seen) AS ms FROM sessions')?.ms).toBe(clock.ms);
    db.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
