/** Plans: what comes first, and packing that never breaks a rule whatever the input. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Asset, Finding } from '../core/index.ts';
import {
  actionsOf,
  type Blackout,
  type MaintenanceWindow,
  type PatchAction,
  type PlanAsset,
  planAnsible,
  planCalendar,
  planCsv,
  proofOf,
  schedule,
  timesOf,
} from './plan/index.ts';

const NOW = Date.UTC(2026, 0, 5);
const HOUR = 3_600_000;
const time = (hours: number) => new Date(NOW + hours * HOUR).toISOString() as Finding['due'] & string;
const ALL = { departments: [], assets: [], classes: [] };
const finding = (asset: string, more: Partial<Finding> = {}): Finding => ({
  id: `fnd_${asset}_${more.key ?? ''}` as Finding['id'],
  room: 'patching',
  kind: 'missing-update',
  key: 'debian:12/openssl',
  severity: 'high',
  asset: { name: asset },
  title: 'openssl lacks fixes',
  evidence: [
    { what: 'x', seen: time(0), data: { vulnerability: 'CVE-1', severity: 'high', installed: '1', fixed: '2' } },
  ],
  fix: { title: 'Upgrade openssl to 2 or newer', how: 'Install it.', effort: 'minutes', disrupts: true },
  first_seen: time(0),
  last_seen: time(0),
  due: time(24 * 14),
  state: 'open',
  reopened: 0,
  exercise: false,
  ...more,
});
const action = (id: string, assets: readonly string[], more: Partial<PatchAction> = {}): PatchAction => ({
  id,
  kind: 'update',
  title: id,
  how: '',
  findings: assets.map((name) => `${id}/${name}`),
  assets: assets.map((name) => ({ id: null, name, findings: [`${id}/${name}`], due: null })),
  vulnerabilities: 1,
  exploited: 0,
  worst: 'high',
  due: null,
  overdue: 0,
  risk: 1,
  why: '',
  minutes: 15,
  reboot: false,
  disrupts: true,
  rollback: 'back',
  ...more,
});
const window = (id: string, from: number, to: number, more: Partial<MaintenanceWindow> = {}): MaintenanceWindow => ({
  id,
  name: id,
  starts: time(from),
  ends: time(to),
  scope: ALL,
  parallel: 2,
  ...more,
});
const asset = (name: string, more: Partial<PlanAsset> = {}): PlanAsset => ({
  id: null,
  name,
  department: null,
  class: 'server',
  criticality: 'unknown',
  pair: null,
  ...more,
});

describe('actions', () => {
  const assets = new Map<string, Pick<Asset, 'criticality' | 'external' | 'class' | 'owner'>>([
    ['pacs', { criticality: 'diagnostic', external: true, class: 'server' }],
    ['desk', { criticality: 'administrative', external: false, class: 'workstation' }],
  ]);
  const made = (...findings: Finding[]) => actionsOf(findings, (one) => assets.get(one.asset.name) ?? null, NOW);
  test('one action closes the findings of a package everywhere; exposure and exploitation come first', () => {
    const kev = { vulnerability: 'CVE-9', kev_added: '2026-01-01', severity: 'critical' };
    const found = made(
      finding('desk'),
      finding('pacs'),
      finding('desk', {
        key: 'debian:12/bash',
        fix: { title: 'Upgrade bash', how: '', effort: 'minutes', disrupts: true },
        evidence: [{ what: 'y', seen: time(0), data: kev }],
        severity: 'critical',
      }),
    );
    expect(found.map((one) => [one.title, one.findings.length, one.exploited])).toEqual([
      ['Upgrade bash on desk', 1, 1],
      ['Upgrade openssl to 2 or newer on 2 assets', 2, 0],
    ]);
    expect(found[1]?.why).toContain('1 on assets that the internet reaches');
    expect(found[1]?.rollback).toContain('--allow-downgrades');
  });
  test('a kernel asks for a restart; an id stays the same', () => {
    const [one] = made(finding('desk', { key: 'debian:12/linux' }));
    expect(one?.reboot).toBe(true);
    expect(made(finding('desk', { key: 'debian:12/linux' }), finding('pacs', { key: 'debian:12/linux' }))[0]?.id).toBe(
      one?.id,
    );
  });
});

describe('schedule', () => {
  const pairs = new Map([
    ['db-1', 'db'],
    ['db-2', 'db'],
  ]);
  const assetOf = (name: string) =>
    asset(name, { pair: pairs.get(name) ?? null, department: name.startsWith('icu') ? 'ICU' : 'IT' });
  test('halves of a pair are never in windows at one time; the reason says so', () => {
    const one = schedule([action('ssl', ['db-1', 'db-2'])], [window('a', 1, 3)], [], assetOf, NOW);
    expect(one.tasks).toHaveLength(1);
    expect(one.unplaced[0]?.reason).toContain('the pair needs two windows');
    const two = schedule(
      [action('ssl', ['db-1', 'db-2'])],
      [window('a', 1, 3), window('b', 2, 4), window('c', 5, 7)],
      [],
      assetOf,
      NOW,
    );
    expect(two.tasks.map((task) => task.window)).toEqual(['a', 'c']);
  });
  test('nothing in a clinical blackout of its department; work of one asset is one task with one restart', () => {
    const blackout: Blackout = {
      id: 'x',
      name: 'Morning round',
      starts: time(0),
      ends: time(2),
      scope: { ...ALL, departments: ['icu'] },
    };
    const found = schedule(
      [action('ssl', ['icu-1', 'srv']), action('linux', ['icu-1'], { reboot: true })],
      [window('a', 1, 4)],
      [blackout],
      assetOf,
      NOW,
    );
    const icu = found.tasks.find((task) => task.asset.name === 'icu-1');
    expect(icu).toMatchObject({ starts: time(2), reboot: true });
    expect(icu?.actions.map((one) => one.id)).toEqual(['ssl', 'linux']);
    expect(found.tasks.find((task) => task.asset.name === 'srv')?.starts).toBe(time(1));
  });
  test('scope, full windows, too short ones: each with its reason', () => {
    const reasons = (windows: MaintenanceWindow[], minutes = 15) =>
      schedule([action('ssl', ['a', 'b', 'c'], { minutes })], windows, [], assetOf, NOW).unplaced.map(
        (one) => one.reason,
      );
    expect(reasons([])).toEqual(Array(3).fill('No maintenance window is for this asset'));
    expect(reasons([window('w', 1, 2, { scope: { ...ALL, departments: ['Lab'] } })])[0]).toBe(
      'No maintenance window is for this asset',
    );
    expect(reasons([window('w', 1, 1.5)], 45)[0]).toContain('no window is that long');
    expect(reasons([window('w', 1, 1.25, { parallel: 1 })])).toEqual(['w is full', 'w is full']);
  });
  test('the most urgent first; what comes too late says by how much', () => {
    const late = action('old', ['a']);
    const urgent = { ...action('now', ['b']), assets: [{ id: null, name: 'b', findings: ['f'], due: time(-48) }] };
    const found = schedule([late, urgent], [window('w', 1, 1.25, { parallel: 1 })], [], assetOf, NOW);
    expect(found.tasks[0]).toMatchObject({ asset: { name: 'b' }, lateDays: 3, findings: ['f'] });
  });
  test('whatever comes in, no rule is broken', () => {
    const hour = fc.integer({ min: 0, max: 60 });
    const span = fc.tuple(hour, fc.integer({ min: 1, max: 6 }));
    const name = fc.constantFrom('db-1', 'db-2', 'icu-1', 'icu-2', 'srv');
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            assets: fc.uniqueArray(name, { minLength: 1 }),
            minutes: fc.integer({ min: 5, max: 90 }),
            reboot: fc.boolean(),
          }),
          { maxLength: 6 },
        ),
        fc.array(fc.record({ span, parallel: fc.integer({ min: 1, max: 3 }) }), { maxLength: 5 }),
        fc.array(fc.record({ span, icu: fc.boolean() }), { maxLength: 3 }),
        (wanted, windows, closed) => {
          const actions = wanted.map((one, i) =>
            action(`act-${i}`, one.assets, { minutes: one.minutes, reboot: one.reboot }),
          );
          const opens = windows.map(({ span: [from, length], parallel }, i) =>
            window(`w${i}`, from, from + length, { parallel }),
          );
          const blackouts = closed.map(
            ({ span: [from, length], icu }, i): Blackout => ({
              id: `b${i}`,
              name: `b${i}`,
              starts: time(from),
              ends: time(from + length),
              scope: icu ? { ...ALL, departments: ['ICU'] } : ALL,
            }),
          );
          const { tasks, unplaced } = schedule(actions, opens, blackouts, assetOf, NOW);
          const named = new Set(wanted.flatMap((one) => one.assets));
          expect(tasks.length + unplaced.length).toBe(named.size);
          for (const task of tasks) {
            const own = opens.find((one) => one.id === task.window) as MaintenanceWindow;
            expect(task.starts >= own.starts && task.ends <= own.ends).toBe(true);
            const beside = tasks.filter(
              (one) => one.window === task.window && one.starts <= task.starts && one.ends > task.starts,
            );
            expect(beside.length).toBeLessThanOrEqual(own.parallel);
            for (const blackout of blackouts)
              if (blackout.scope.departments.length === 0 || task.asset.department === 'ICU')
                expect(task.ends <= blackout.starts || task.starts >= blackout.ends).toBe(true);
            for (const other of tasks)
              if (other !== task && task.asset.pair !== null && other.asset.pair === task.asset.pair) {
                expect(other.window).not.toBe(task.window);
                expect(task.ends <= other.starts || task.starts >= other.ends).toBe(true);
              }
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('exports', () => {
  const assetOf = (name: string) => asset(name, { department: '=HYPERLINK("x")' });
  const made = schedule(
    [action('Upgrade "ü", a; b\nnext'.repeat(6), ['srv', 'x; rm -rf /'])],
    [window('w', 1, 4)],
    [],
    assetOf,
    NOW,
  );
  const plan = { ...made, id: 'p', name: 'Plan', changed: time(0), status: new Map() };
  test('iCalendar: lines of 75 octets, escaped', () => {
    const text = planCalendar(plan);
    for (const line of text.split('\r\n')) expect(Buffer.byteLength(line)).toBeLessThanOrEqual(75);
    const unfolded = text.replace(/\r\n /g, '');
    expect(unfolded).toContain('a\\; b\\nnext');
    expect(unfolded.match(/BEGIN:VEVENT/g)).toHaveLength(2);
  });
  test('CSV: no formula, no broken row', () => {
    expect(planCsv(plan)).toContain(`"'=HYPERLINK(""x"")"`);
  });
  test('Ansible: only plain names reach the file', () => {
    const { inventory, playbook } = planAnsible(plan, [
      { host: 'srv', ecosystem: 'deb', name: 'libssl3', version: '2' },
      { host: 'srv', ecosystem: 'deb', name: 'x"; }', version: null },
    ]);
    expect(inventory).toContain('"libssl3"');
    expect(inventory).not.toContain('rm -rf');
    expect(inventory).not.toContain('x"');
    expect(playbook).toContain('only_upgrade: true');
  });
});

describe('proof', () => {
  const open = finding('srv');
  const fixed = finding('srv', {
    state: 'fixed',
    fixed_at: time(5),
    fixed_by: { what: 'openssl is 2 in the inventory of fleet', seen: time(5) },
  });
  const restart = finding('srv', {
    kind: 'restart-needed',
    key: 'nginx',
    last_seen: time(6),
    title: 'nginx',
    detail: 'nginx uses libssl.so.3, from before an update.',
  });
  const outside = finding('srv', {
    room: 'perimeter',
    kind: 'known-vulnerability',
    title: 'CVE-1 on 203.0.113.7:443',
    last_seen: time(6),
  });
  const state = (input: Partial<Parameters<typeof proofOf>[0]>) =>
    proofOf({ claimedMs: NOW + 4 * HOUR, findings: [open], others: [], inventoryMs: null, ...input }).state;
  test('signals that agree prove; one that does not is "claimed, not proven"', () => {
    expect(state({ claimedMs: null })).toBe('open');
    expect(state({})).toBe('claimed');
    expect(state({ inventoryMs: NOW + 3 * HOUR })).toBe('claimed');
    expect(state({ inventoryMs: NOW + 5 * HOUR })).toBe('claimed, not proven');
    expect(state({ findings: [fixed] })).toBe('proven');
    expect(state({ findings: [fixed], claimedMs: null })).toBe('proven');
    expect(state({ findings: [fixed], others: [restart] })).toBe('claimed, not proven');
    expect(state({ findings: [fixed], others: [outside] })).toBe('claimed, not proven');
    expect(state({ findings: [fixed], others: [{ ...outside, state: 'fixed' }] })).toBe('proven');
    expect(state({ findings: [fixed], others: [{ ...outside, last_seen: time(1) }] })).toBe('proven');
  });
  test('who looks at what runs says that it was restarted; who does not says nothing', () => {
    const process = (processesMs: number | null, others: readonly Finding[] = []) =>
      proofOf({ claimedMs: NOW + 4 * HOUR, findings: [fixed], others, inventoryMs: null, processesMs }).signals.find(
        (one) => one.signal === 'process',
      )?.agrees;
    expect([process(null), process(NOW + 3 * HOUR), process(NOW + 5 * HOUR)]).toEqual([null, null, true]);
    expect(process(NOW + 5 * HOUR, [restart])).toBe(false);
  });
});

test('time to remediate by severity, exposure, department, month; deadlines kept and missed', () => {
  const fixedAfter = (days: number, more: Partial<Finding> = {}) => ({
    finding: finding('a', { state: 'fixed', fixed_at: time(24 * days), ...more }),
    exposed: true,
    department: 'IT',
  });
  const times = timesOf(
    [
      fixedAfter(2),
      fixedAfter(4),
      fixedAfter(40),
      { finding: finding('b', { due: time(-1) }), exposed: null, department: null },
    ],
    NOW,
  );
  expect(times.rows.find((row) => row.group === 'severity')).toMatchObject({
    fixed: 3,
    median: 4,
    p90: 40,
    inTime: 2,
    late: 1,
  });
  expect(times).toMatchObject({ kept: 2, missed: 2 });
  expect(times.trend.map((one) => [one.month, one.fixed])).toEqual([
    ['2026-01', 2],
    ['2026-02', 1],
  ]);
});
