/** The contract of findings over both databases: one weakness has one life, whoever sees it and how often. */

import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AssetId, Finding, Store } from '../core/index.ts';
import { adapters, allPages, at, evidence, observation, type Place } from './store-testing.ts';

const { present, stop } = await adapters();
afterAll(stop);

describe.each(present)('findings over $name', (adapter) => {
  let place: Place;
  let store: Store;
  beforeEach(async () => {
    place = await adapter.place();
    store = await place.open();
  });
  afterEach(() => place.remove());

  const see = async (change: Parameters<typeof observation>[0] = {}, minutes = 0): Promise<Finding> => {
    const [finding] = await store.findings.observe([observation(change)], at(minutes));
    return finding as Finding;
  };

  test('the same weakness seen twice is one finding with a longer life and newer evidence first', async () => {
    const first = await see({ evidence: [evidence('seen by the first round', 0)] });
    const again = await see({ evidence: [evidence('seen by the second round', 5)], severity: 'critical' }, 5);
    expect(again).toMatchObject({ id: first.id, first_seen: at(0), last_seen: at(5), state: 'open', reopened: 0 });
    expect(again.evidence.map((one) => one.what)).toEqual(['seen by the second round', 'seen by the first round']);
    expect(again.severity).toBe('critical');
    expect(await store.findings.count({})).toBe(1);
    expect(await store.findings.get(first.id)).toEqual(again);
  });

  test('what differs in room, kind, asset, key or exercise is another finding', async () => {
    const ids = await store.findings.observe(
      [
        observation(),
        observation({ room: 'perimeter' }),
        observation({ kind: 'weak-tls' }),
        observation({ asset: { name: 'pacs02' } }),
        observation({ key: 'zlib' }),
        observation({ exercise: true }),
        observation(),
      ],
      at(0),
    );
    expect(new Set(ids.map((finding) => finding.id)).size).toBe(6);
    expect(ids[6]?.id).toBe(ids[0]?.id);
  });

  test('fixed is proven, and comes back as re-opened', async () => {
    const { id } = await see();
    const fixed = await store.findings.fix(id, evidence('openssl 3.0.2 is installed', 10), at(10));
    expect(fixed).toMatchObject({ state: 'fixed', fixed_at: at(10), fixed_by: { what: 'openssl 3.0.2 is installed' } });
    const replayed = await see({}, 5);
    expect(replayed.state).toBe('fixed');
    const back = await see({}, 20);
    expect(back).toMatchObject({ id, state: 'open', reopened: 1, first_seen: at(0) });
    expect(back.fixed_at).toBeUndefined();
  });

  test('accepted stays accepted until it expires', async () => {
    const { id } = await see();
    const by = { owner: 'Radiology', reason: 'The vendor has no update', until: at(60), by: 'lead' };
    expect(await store.findings.accept(id, by, at(1))).toMatchObject({
      state: 'accepted',
      accepted: { ...by, at: at(1) },
    });
    expect(await see({}, 30)).toMatchObject({ state: 'accepted', last_seen: at(30) });
    expect(await store.findings.expireAccepted(at(59))).toEqual([]);
    const [over] = await store.findings.expireAccepted(at(60));
    expect(over).toMatchObject({ id, state: 'open', reopened: 0 });
    expect(over?.accepted).toBeUndefined();
    expect(await store.findings.expireAccepted(at(61))).toEqual([]);
    await store.findings.accept(id, { ...by, until: at(70) }, at(62));
    expect(await see({}, 71)).toMatchObject({ state: 'open' });
  });

  test('accepting needs a future end and a finding that is not fixed', async () => {
    const { id } = await see();
    const by = { owner: 'o', reason: 'r', until: at(1), by: 'b' };
    await expect(store.findings.accept(id, by, at(2))).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    await store.findings.fix(id, evidence('gone', 3), at(3));
    await expect(store.findings.accept(id, { ...by, until: at(9) }, at(4))).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(await store.findings.accept('fnd_unknown' as Finding['id'], { ...by, until: at(9) }, at(4))).toBeNull();
  });

  test('what a complete round did not see again is fixed, and nothing else', async () => {
    const seen = await see({ key: 'still there' });
    const gone = await see({ key: 'gone' });
    const accepted = await see({ key: 'accepted and gone' });
    await store.findings.accept(accepted.id, { owner: 'o', reason: 'r', until: at(99), by: 'b' }, at(1));
    const others = await store.findings.observe(
      [
        observation({ key: 'gone', kind: 'not-judged' }),
        observation({ key: 'gone', asset: { name: 'elsewhere' } }),
        observation({ key: 'gone', exercise: true }),
      ],
      at(0),
    );
    const scope = { room: 'patching', assetName: 'pacs01', kinds: ['missing-update'], seen: [seen.id] } as const;
    const fixed = await store.findings.fixMissing(scope, evidence('a complete round', 2), at(2));
    expect(fixed.map((finding) => finding.id).sort()).toEqual([gone.id, accepted.id].sort());
    for (const { id } of [seen, ...others]) expect((await store.findings.get(id))?.state).toBe('open');
    expect(await store.findings.fixMissing(scope, evidence('again', 3), at(3))).toEqual([]);
  });

  test('a person opens a finding again', async () => {
    const { id } = await see();
    await store.findings.fix(id, evidence('gone', 1), at(1));
    expect(await store.findings.reopen(id, at(2))).toMatchObject({ state: 'open', reopened: 1 });
    expect(await store.findings.reopen('fnd_unknown' as Finding['id'], at(2))).toBeNull();
  });

  test('twenty rounds at once that see the same weakness make one finding with all their evidence', async () => {
    const rounds = Array.from({ length: 20 }, (_, i) => see({ evidence: [evidence(`round ${i}`, i)] }, i));
    const ids = new Set((await Promise.all(rounds)).map((finding) => finding.id));
    expect(ids.size).toBe(1);
    const [id] = ids;
    const finding = await store.findings.get(id as Finding['id']);
    expect(finding?.evidence).toHaveLength(20);
    expect(finding).toMatchObject({ first_seen: at(0), last_seen: at(19) });
    expect(await store.findings.count({})).toBe(1);
  });

  test('evidence is bounded, and hostile text neither breaks nor widens anything', async () => {
    const many = Array.from({ length: 80 }, (_, i) => evidence(`line ${i}`, i));
    expect((await see({ evidence: many })).evidence).toHaveLength(50);
    const hostile = await see({ key: "';--\0\ud800", title: '\0%_!', asset: { name: 'x'.repeat(5000) } });
    expect(await store.findings.get(hostile.id)).toEqual(hostile);
    expect(await store.findings.count({ text: '%_!' })).toBe(1);
    expect(await store.findings.count({ text: '%' })).toBe(1);
    expect(await store.findings.count({ text: 'no such thing' })).toBe(0);
  });

  test('filters', async () => {
    const asset = 'ast_00000000000000000000000001' as AssetId;
    const fix = { title: 'Replace it', how: 'buy', effort: 'days', disrupts: true } as const;
    const odd = await see({
      room: 'network',
      kind: 'consumer-router',
      severity: 'low',
      asset: { id: asset, name: 'R1' },
      fix,
    });
    await see();
    const found = async (filter: Parameters<Store['findings']['list']>[0]) =>
      (await store.findings.list(filter, { limit: 10 })).items.map((finding) => finding.id);
    const filters = [
      { room: 'network' },
      { kind: 'consumer-router' },
      { severity: 'low' },
      { asset },
      { fix: 'Replace it' },
      { text: 'r1' },
      { room: 'network', state: 'open', exercise: false, text: 'REPLACE' },
    ] as const;
    for (const filter of filters) expect(await found(filter)).toEqual([odd.id]);
    expect(await found({ exercise: true })).toEqual([]);
    expect(await found({ state: 'open' })).toHaveLength(2);
    await see({ room: 'network', kind: 'consumer-router', severity: 'low', asset: { name: 'R1' }, fix }, 1);
    expect(await found({ asset })).toEqual([odd.id]);
  });

  test('what is due, and which acceptance ends, before a time', async () => {
    await see({ key: 'a', due: at(10) });
    await see({ key: 'b', due: at(20) });
    await see({ key: 'c', due: null });
    const { id } = await see({ key: 'd', due: at(5) });
    await store.findings.accept(id, { owner: 'Ada', reason: 'spare part', until: at(30), by: 'Ben' }, at(1));
    expect(await store.findings.count({ state: 'open', dueBefore: at(20) })).toBe(1);
    expect(await store.findings.count({ state: 'open', dueBefore: at(21) })).toBe(2);
    expect(await store.findings.count({ dueBefore: at(21) })).toBe(3);
    expect(await store.findings.count({ state: 'accepted', acceptedUntilBefore: at(30) })).toBe(0);
    expect(await store.findings.count({ state: 'accepted', acceptedUntilBefore: at(31) })).toBe(1);
  });

  test('pages hold still while findings are seen again and others come', async () => {
    const severities = ['low', 'critical', 'medium', 'high', 'information'] as const;
    const all = Array.from({ length: 53 }, (_, i) =>
      observation({ key: `k${i}`, severity: severities[i % 5] as 'low' }),
    );
    await store.findings.observe(all, at(0));
    const first = await store.findings.list({}, { limit: 10 });
    expect(first.items.every((finding) => finding.severity === 'critical')).toBe(true);
    await store.findings.observe(all, at(1));
    await see({ key: 'new and on top', severity: 'critical' }, 2);
    const rest = await allPages((page) => store.findings.list({}, { ...page, after: page.after ?? first.next! }), 7);
    const ids = [...first.items, ...rest].map((finding) => finding.id);
    expect(ids).toHaveLength(53);
    expect(new Set(ids).size).toBe(53);
    const ranks = rest.map((finding) => ['critical', 'high', 'medium', 'low', 'information'].indexOf(finding.severity));
    expect(ranks).toEqual([...ranks].sort((a, b) => a - b));
  });

  test('a date to fix it by does not move away', async () => {
    expect((await see({ due: at(100) })).due).toBe(at(100));
    expect((await see({ due: at(200) }, 1)).due).toBe(at(100));
    expect((await see({ due: at(50), severity: 'critical' }, 2)).due).toBe(at(50));
  });

  test('who says all there is to say replaces evidence and date; the first sight stays', async () => {
    await see({ due: at(100), evidence: [evidence('an older feed', 0)] });
    const [after] = await store.findings.observe(
      [observation({ due: at(200), evidence: [evidence('a newer feed', 3)] })],
      at(3),
      true,
    );
    expect(after).toMatchObject({ due: at(200), first_seen: at(0), last_seen: at(3) });
    expect(after?.evidence.map((one) => one.what)).toEqual(['a newer feed']);
  });

  test('open findings are grouped by the action that closes them, worst first', async () => {
    const replace = { title: 'Replace it', how: 'buy', effort: 'days', disrupts: true } as const;
    await store.findings.observe(
      [
        observation({ key: 'a', due: at(90) }),
        observation({ key: 'b', asset: { name: 'pacs02' }, due: at(80) }),
        observation({ key: 'c', severity: 'critical', fix: replace }),
        observation({ key: 'd', exercise: true }),
      ],
      at(0),
    );
    const done = await see({ key: 'done' });
    await store.findings.fix(done.id, evidence('done', 1), at(1));
    expect(await store.findings.actions({ exercise: false }, 10)).toEqual([
      { room: 'patching', ...replace, findings: 1, assets: 1, worst: 'critical', due: null },
      {
        room: 'patching',
        title: 'Install the security updates',
        how: 'apt upgrade',
        effort: 'minutes',
        disrupts: false,
        findings: 2,
        assets: 2,
        worst: 'high',
        due: at(80),
      },
    ]);
  });
});
