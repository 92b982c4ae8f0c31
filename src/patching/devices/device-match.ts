/** A device against medical advisories: affected, maybe or unknown, with the words relied on and the question to ask. */

import { type FindingObservation, LIMITS, rfc3339, type Severity } from '../../core/index.ts';
import { severityOfScore } from '../patching-cvss.ts';
import type { DeviceAdvisory, DeviceProduct } from './device-advisory.ts';
import { fitModel, type ModelFit, type ModelWords, modelWords, sameVendor } from './device-name.ts';
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
  const own = device.vendor || product.vendor;
  const deviceWords = modelWords(device.model, `${own} ${product.vendor}`);
  // Model numbers sometimes stand where the version should.
  const inVersion = modelWords(product.version, product.vendor);
  const saying = readVersionText(product.version);
  const model = bestFit(product, deviceWords, own);
  const number =
    saying.kind === 'other' || saying.kind === 'list'
      ? [...inVersion.codes].filter((code) => code.length >= 4 && deviceWords.codes.has(code))
      : [];
  if (model.fit === 'other' && number.length === 0) return null;
  const words = [
    ...(device.vendor === '' ? [] : [product.vendor.trim()]),
    ...model.words,
    ...number,
    product.version,
  ].filter(Boolean);
  const answer = (kind: DeviceAnswer['answer'], question: string | null) => ({
    answer: kind,
    words,
    question,
    product,
  });
  const sure = model.fit === 'same' && device.vendor !== '' && !product.unsaid;
  const which = `Is ${device.name} a ${product.product} of ${product.vendor.trim()}?`;
  if (number.length > 0 && saying.kind !== 'bounds')
    return device.vendor === '' || product.unsaid ? answer('maybe', which) : answer('affected', null);
  const same = saying.kind === 'other' && sameText(product.version, device.version);
  const version = same ? 'in' : judgeVersion(saying, device.version);
  if (version === 'out') return null;
  if (version === 'in') return sure ? answer('affected', null) : answer('maybe', which);
  const ask =
    device.version === ''
      ? `Which version does ${device.name} run? The advisory names "${product.version}" of ${product.product}.`
      : `Does "${product.version}" of ${product.product} hold for ${device.name}, whose version is given as ${device.version}?`;
  return answer(device.version === '' ? 'maybe' : 'unknown', ask);
}

const sameText = (a: string, b: string) => {
  const plain = (text: string) => text.toLowerCase().replace(/[^a-z0-9]+/g, '');
  return plain(b).length >= 3 && plain(a) === plain(b);
};

const FITS = { same: 0, maybe: 1, other: 2 } as const;

/** "EPIQ/Affiniti", "Pulsera (718095) and Endura (718075)", "… (CSCS)": each name by itself, and all together. */
function bestFit(product: DeviceProduct, device: ModelWords, vendor: string): ModelFit {
  const noise = `${product.vendor} ${vendor}`;
  const texts = [product.product, ...alternativesOf(product.product)];
  let best: ModelFit = { fit: 'other', words: [] };
  for (const text of texts) {
    const fit = fitModel(modelWords(text, noise), device);
    if (FITS[fit.fit] < FITS[best.fit]) best = fit;
  }
  return best;
}

const ALTERNATIVES_MAX = 12;

export function alternativesOf(text: string): string[] {
  const found = new Set<string>();
  const acronym = /\(([A-Za-z][A-Za-z0-9-]{2,9})\)/g;
  for (const match of text.matchAll(acronym))
    if (/[A-Z].*[A-Z]/.test(match[1] as string)) found.add(match[1] as string);
  const bare = text
    .replace(/\([^)]{0,120}\)/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  if (bare !== text && bare.length >= 3) found.add(bare);
  const split = text.split(/\s+(?:and|or)\s+|\s*;\s*|\s\/\s/).map((part) => part.trim());
  if (split.length > 1) for (const part of split) if (part.length >= 3) found.add(part);
  // "Ultrasound EPIQ/Affiniti", "Welch Allyn ELI 150c/BUR 150c": the words around hold for each.
  const words = text.split(/\s+/);
  for (const [i, word] of words.entries()) {
    const parts = word.split('/').filter((part) => /^[A-Za-z][A-Za-z-]{2,}[0-9]*[a-z]?$/.test(part));
    if (parts.length > 1)
      for (const part of parts) found.add([...words.slice(0, i), part, ...words.slice(i + 1)].join(' '));
  }
  return [...found].slice(0, ALTERNATIVES_MAX);
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
