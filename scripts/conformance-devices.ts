/** Medical devices against CISA's advisories: precision and recall over pairs that were labelled by hand. */

import { join } from 'node:path';
import { judgeAdvisory } from '../src/patching/devices/device-match.ts';
import { readDeviceAdvisories } from '../src/patching/devices/index.ts';
import { Faults } from '../src/patching/patching-input.ts';
import { DEVICE_LABELS } from './conformance-device-labels.ts';

/** Below this the matching got worse than it was when the documentation was written. */
const FLOOR = { affectedPrecision: 0.97, affectedRecall: 0.93, spokenPrecision: 0.97, spokenRecall: 0.97 };
const WORD = { affected: 'A', maybe: 'M', unknown: 'U' } as const;

/** The same devices as other registers would write them: vendor, model, version. */
const WAYS: readonly ((vendor: string, model: string, version: string) => readonly [string, string, string])[] = [
  (vendor, model, version) => [vendor.toUpperCase(), model.toUpperCase(), version.toUpperCase()],
  (vendor, model, version) => [`${vendor} Medical Systems GmbH`, model, version],
  (vendor, model, version) => [vendor, `${vendor} ${model}`, version],
  (vendor, model, version) => [vendor, model.replaceAll(' ', '-'), version],
  (vendor, model, version) => [vendor, model.replaceAll(' ', '_'), version],
  (vendor, model, version) => [vendor, `${model} (TM) SN 123456`, version],
  (vendor, model, version) => [vendor, model.replace(/([A-Za-z]) ([0-9])/g, '$1$2'), version],
  (vendor, model, version) => [vendor, model, /^[0-9]/.test(version) ? `v${version}` : version],
];
const SAME_FLOOR = 0.97;

export async function conformanceDevices(dataDir: string): Promise<{ name: string; ok: boolean; lines: string[] }> {
  const advisories = await readDeviceAdvisories(join(dataDir, 'advisories', 'icsma'), new Faults());
  const byId = new Map(advisories.map((one) => [one.id.toUpperCase(), one]));
  const count = {
    affected: { hit: 0, said: 0, true: 0 },
    spoken: { hit: 0, said: 0, true: 0 },
    exact: 0,
    all: 0,
    missing: 0,
  };
  const lines: string[] = [];
  const ways = { same: 0, all: 0 };
  for (const [id, vendor, model, version, label] of DEVICE_LABELS) {
    const advisory = byId.get(id);
    if (!advisory) {
      count.missing++;
      continue;
    }
    const found = judgeAdvisory({ name: 'the device', vendor, model, version }, advisory);
    const answer = found ? WORD[found.answer] : 'N';
    count.all++;
    for (const way of WAYS) {
      const [otherVendor, otherModel, otherVersion] = way(vendor, model, version);
      const device = { name: 'the device', vendor: otherVendor, model: otherModel, version: otherVersion };
      const other = judgeAdvisory(device, advisory);
      ways.all++;
      if ((other ? WORD[other.answer] : 'N') === answer) ways.same++;
    }
    if (answer === label) count.exact++;
    else lines.push(`${id} ${vendor} ${model} ${version || '–'}: ${answer}, labelled ${label}`);
    for (const [kind, is] of [
      ['affected', (one: string) => one === 'A'],
      ['spoken', (one: string) => one !== 'N'],
    ] as const) {
      if (is(answer)) count[kind].said++;
      if (is(label)) count[kind].true++;
      if (is(answer) && is(label)) count[kind].hit++;
    }
  }
  const share = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);
  const affected = {
    precision: share(count.affected.hit, count.affected.said),
    recall: share(count.affected.hit, count.affected.true),
  };
  const spoken = {
    precision: share(count.spoken.hit, count.spoken.said),
    recall: share(count.spoken.hit, count.spoken.true),
  };
  const text = (value: number) => `${(value * 100).toFixed(1)} %`;
  const ok =
    count.all >= 150 &&
    ways.same >= SAME_FLOOR * ways.all &&
    affected.precision >= FLOOR.affectedPrecision &&
    affected.recall >= FLOOR.affectedRecall &&
    spoken.precision >= FLOOR.spokenPrecision &&
    spoken.recall >= FLOOR.spokenRecall;
  return {
    name: 'medical devices',
    ok,
    lines: [
      `${count.all} labelled pairs (${count.missing} of advisories that are not here), ${count.exact} answered exactly as labelled`,
      `"affected": precision ${text(affected.precision)}, recall ${text(affected.recall)}; spoken of at all: precision ${text(spoken.precision)}, recall ${text(spoken.recall)}`,
      `the same answer where registers write them in ${WAYS.length} other ways: ${ways.same} of ${ways.all}`,
      ...lines,
    ],
  };
}
