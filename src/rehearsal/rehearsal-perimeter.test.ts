import { expect, test } from 'vitest';
import { createHospital } from './rehearsal-hospital.ts';
import { perimeterLooks } from './rehearsal-perimeter.ts';
import { createRandom } from './rehearsal-random.ts';

test('three looks; the last one from outside has one port more, on an address that is nobody’s', () => {
  const looks = perimeterLooks(createHospital(createRandom(1)), 0);
  expect(looks.map(({ from }) => from)).toEqual(['inside', 'outside', 'outside']);
  const ports = (at: number) =>
    (
      (looks[at]?.body ?? { views: [] }) as { views: { host: string; address: string; ports: { port: number }[] }[] }
    ).views.flatMap((view) => view.ports.map(({ port }) => `${view.host} ${view.address} ${port}`));
  const [before, after] = [new Set(ports(1)), ports(2)];
  expect(after.filter((one) => !before.has(one))).toEqual([expect.stringMatching(/^portal-2 203\.0\.113\.\d+ 3389$/)]);
  expect(ports(0).length).toBeGreaterThan(before.size);
});
