/** A device against medical advisories: affected, maybe or unknown, with the words relied on and the question to ask. */

import { type FindingObservation, LIMITS, rfc3339, type Severity } from '../../core/index.ts';
import { severityOfScore } from '../patching-cvss.ts';
import type { DeviceAdvisory, DeviceProduct } from './device-advisory.ts';
import { fitModel, modelWords, sameVendor } from './device-name.ts';
import { judgeVersion, readVersionText } from './device-version.ts';

export interface Device {
  readonly name: string;
  readonly vendor: string;
  readonly model: string;
  readonly version: string;
}

export interface DeviceAnswer {
  readonly answer: 'affected' | 'maybe' | 'unknown';
  readonly words: readonly string[];
  readonly question: string | null;
  readonly product: DeviceProduct;
}

/** Null: nothing in the advisory speaks of this device, or its version is outside what it names. */
export function judgeDevice(device: Device, product: DeviceProduct): DeviceAnswer | null {
  if (device.vendor !== '' && !sameVendor(device.vendor, product.vendor)) return null;
  const deviceWords = modelWords(`${device.model}`, device.vendor || product.vendor);
  // Model numbers sometimes stand where the version should.
  const inVersion = modelWords(product.version, product.vendor);
  const own = fitModel(modelWords(product.product, product.vendor), deviceWords);
  const number = [...inVersion.codes].filter((code) => code.length >= 4 && deviceWords.codes.has(code));
  if (own.fit === 'other' && number.length === 0) return null;
  const saying = readVersionText(product.version);
  const words = [
    ...(device.vendor === '' ? [] : [product.vendor.trim()]),
    ...own.words,
    ...number,
    product.version,
  ].filter(Boolean);
  const answer = (kind: DeviceAnswer['answer'], question: string | null) => ({
    answer: kind,
    words,
    question,
    product,
  });
  const sure = own.fit === 'same' && device.vendor !== '';
  const which = `Is ${device.name} a ${product.product} of ${product.vendor.trim()}?`;
  if (saying.kind === 'other' && number.length > 0)
    return device.vendor === '' ? answer('maybe', which) : answer('affected', null);
  const version = judgeVersion(saying, device.version);
  if (version === 'out') return null;
  if (version === 'in') return sure ? answer('affected', null) : answer('maybe', which);
  const ask = `Which version does ${device.name} run? The advisory names "${product.version}" of ${product.product}.`;
  return answer(saying.kind !== 'other' && device.version === '' ? 'maybe' : 'unknown', ask);
}

const ORDER = { affected: 0, maybe: 1, unknown: 2 } as const;

/** The strongest answer of an advisory for a device. */
export function judgeAdvisory(device: Device, advisory: DeviceAdvisory): DeviceAnswer | null {
  let best: DeviceAnswer | null = null;
  for (const product of advisory.products) {
    const answer = judgeDevice(device, product);
    if (answer && (best === null || ORDER[answer.answer] < ORDER[best.answer])) best = answer;
  }
  return best;
}

export function deviceFinding(
  device: Device,
  advisory: DeviceAdvisory,
  found: DeviceAnswer,
  now: number,
): FindingObservation {
  const said: Severity = found.product.score === null ? 'medium' : severityOfScore(found.product.score);
  const affected = found.answer === 'affected';
  const verb = affected ? 'is affected by' : found.answer === 'maybe' ? 'may be affected by' : 'cannot be judged for';
  return {
    room: 'patching',
    kind: affected ? 'device-advisory' : 'device-advisory-question',
    key: advisory.id,
    severity: affected ? said : 'information',
    asset: { name: device.name },
    title: `${device.name} ${verb} ${advisory.id} (${advisory.title})`.slice(0, LIMITS.nameCharsMax),
    ...(found.question === null ? {} : { detail: found.question }),
    evidence: [
      {
        what: `${advisory.id} names ${found.product.vendor.trim()} ${found.product.product} ${found.product.version}; the inventory says ${device.vendor || 'no vendor'} ${device.model} ${device.version || 'without version'}`.slice(
          0,
          1000,
        ),
        seen: rfc3339(now),
        data: {
          answer: found.answer,
          words: found.words.join(' · ').slice(0, 1000),
          vulnerabilities: found.product.cves.join(', '),
          severity: found.product.score === null ? 'unknown' : said,
          feed: 'CISA ICSMA (CSAF)',
          feed_version: advisory.revision,
          feed_date: advisory.changed,
        },
      },
    ],
    fix: affected
      ? {
          title: `Follow ${advisory.id} with biomedical engineering`,
          how: 'Ask the manufacturer for the update or mitigation that the advisory names; until then keep the device away from other networks.',
          effort: 'days',
          disrupts: true,
        }
      : {
          title: `Answer the open question of ${advisory.id}`,
          how: found.question ?? '',
          effort: 'minutes',
          disrupts: false,
        },
    due: null,
    exercise: false,
  };
}
