import { expect, test } from 'vitest';
import { createHospital } from './rehearsal-hospital.ts';
import type { Line } from './rehearsal-lines.ts';
import { ATTACKER, night } from './rehearsal-night.ts';
import { createRandom } from './rehearsal-random.ts';

function take(seed: number, count: number): Line[] {
  const random = createRandom(seed);
  const hospital = createHospital(random);
  const lines: Line[] = [];
  for (const line of night(hospital, random, { perSec: 20, attackAtMs: 5000, attackEveryMs: 600_000 })) {
    lines.push(line);
    if (lines.length === count) break;
  }
  return lines;
}
const text = (lines: readonly Line[]) => lines.map((line) => line.write(1_700_000_000_000)).join('\n');

test('the hospital has about sixty hosts and six hundred people', () => {
  const hospital = createHospital(createRandom(1));
  expect(hospital.hosts.length).toBeGreaterThanOrEqual(55);
  expect(hospital.hosts.length).toBeLessThanOrEqual(65);
  expect(hospital.staff).toHaveLength(600);
  expect(new Set(hospital.hosts.map((host) => host.address)).size).toBe(hospital.hosts.length);
});

test('the same seed is the same night, another seed another', () => {
  expect(text(take(7, 3000))).toBe(text(take(7, 3000)));
  expect(text(take(7, 3000))).not.toBe(text(take(8, 3000)));
});

test('time never goes back, and the attack is in it from scan to cleared logs', () => {
  const lines = take(3, 4000);
  for (let i = 1; i < lines.length; i++) {
    expect((lines[i] as Line).atMs).toBeGreaterThanOrEqual((lines[i - 1] as Line).atMs - 100);
  }
  const all = text(lines);
  for (const sign of [`from ${ATTACKER}`, 'Accepted password', "group 'sudo'", 'delete shadows', '"event_id":"1102"'])
    expect(all).toContain(sign);
});
