/** Models as people write them: "MX800/700/600", "MX400-MX850", "(PICiX)", "EC 40"; how well a device fits a product. */

import { nearlySame, plainWords, vendorWords } from './device-vendor.ts';

export { sameVendor } from './device-vendor.ts';

const NOISE = new Set(
  (
    'the and with for of or by a an all any series model models version versions product products family unit units ' +
    'based option only used using including includes number no id plus edition type on in enabled from'
  ).split(' '),
);
/** Words that say what kind of thing it is: alone they tell no product from another. */
const GENERIC = new Set(
  (
    'system systems device devices software hardware medical patient monitor monitors monitoring pump pumps infusion ' +
    'syringe workstation workstations server servers station stations viewer ultrasound application applications app web portal ' +
    'programmer programmers recorder reader hub gateway module modules interface console scanner imaging wireless ' +
    'wlan network clinical hospital healthcare health care data management manager information center centre ' +
    'service services tool suite platform client display controller control panel analyzer analyser instrument ' +
    'bedside portable handheld mobile worn large volume lvp delivery dispensing cabinet cabinets bed beds icd crt ' +
    'ct mr mri pet spect pacs dicom ecg ekg holter cardiac resting stress testing vital signs fetal maternal ventilator ' +
    'anesthesia defibrillator injector analysis wifi wi fi bluetooth rf lan wlan external internal dialysis hemodialysis lab laboratory processor sequencer'
  ).split(' '),
);
const TOKENS_MAX = 80;
const RANGE_MAX = 400;
const TEXT_CHARS_MAX = 300;

export interface ModelWords {
  /** Tokens with a digit: "mx800". */
  readonly codes: ReadonlySet<string>;
  readonly names: ReadonlySet<string>;
  /** "MX400-MX850": letters with the first and last number. */
  readonly ranges: readonly { readonly letters: string; readonly from: number; readonly to: number }[];
}

export function modelWords(text: string, vendor: string): ModelWords {
  const codes = new Set<string>();
  const names = new Set<string>();
  const ranges: { letters: string; from: number; to: number }[] = [];
  const own = vendorWords(vendor);
  let before = '';
  for (const group of spaced(text).split(/[\s,;()|[\]"]+/)) {
    const range = /^([a-z]{0,4})([0-9]{1,4})-(?:\1)?([0-9]{1,4})$/.exec(group);
    if (range && Number(range[3]) > Number(range[2]) && Number(range[3]) - Number(range[2]) <= RANGE_MAX + 600) {
      ranges.push({ letters: range[1] as string, from: Number(range[2]), to: Number(range[3]) });
      codes.add(`${range[1]}${range[2]}`);
      codes.add(`${range[1]}${range[3]}`);
      before = '';
      continue;
    }
    let last = '';
    for (const part of group.split('/')) {
      if (codes.size + names.size >= TOKENS_MAX) break;
      const code = part
        .normalize('NFKD')
        .replace(/[^a-z0-9+]+/g, '')
        .replace(/\++$/, '');
      if (/[0-9]/.test(code)) {
        const full = completed(code, last);
        codes.add(full);
        // "EC 40" and "EC40" are one.
        if (/^[0-9]{1,4}[a-z]{0,2}$/.test(full) && /^[a-z]{1,4}$/.test(before)) codes.add(before + full);
        last = full;
        before = '';
      } else
        for (const word of [...plainWords(part), ...hyphenated(part)]) {
          if (!NOISE.has(word) && !own.has(word) && word.length > 1) names.add(word);
          // "PIC iX" and "PICiX" are one.
          if (/^[a-z]{1,2}$/.test(word) && /^[a-z]{2,5}$/.test(before)) names.add(before + word);
          before = own.has(word) ? '' : word;
        }
    }
  }
  return { codes, names, ranges };
}

/** Without marks and serial numbers; "Optima-520", "Optima_520" and "Optima520" as "Optima 520". */
const spaced = (text: string): string =>
  // "Gemini-TF-64": a name whose spaces somebody took away.
  (/\s/.test(text.trim()) || text.split('-').length < 3 ? text : text.replaceAll('-', ' '))
    .slice(0, TEXT_CHARS_MAX)
    .toLowerCase()
    .replace(/[®™©]|\((?:tm|r|c)\)/g, '')
    .replace(/(?<![a-z0-9])(?:s\/?n|ser(?:ial)?(?:[ .-]?(?:no|nr|number))?)[.:# ]+[a-z]{0,4}[0-9][a-z0-9-]{3,}/g, ' ')
    .replaceAll('_', ' ')
    .replace(/(?<=(?<![a-z])[a-z]{3,})-(?=[a-z]{0,3}[0-9])/g, ' ')
    .replace(/(?<=[0-9][a-z]{0,2})-(?=[a-z]{3,})/g, ' ')
    .replace(/(?<=(?<![a-z0-9])[a-z]{5,})(?=[0-9])/g, ' ')
    .replace(/(?<=(?<![a-z0-9])[a-z]{4,})(?=[0-9]{4,})/g, ' ');

/** "Q-Stress" and "e-Alert" are one word each. */
const hyphenated = (part: string): string[] =>
  /^[a-z]{1,2}-[a-z]{2,}$|^[a-z]{2,}-[a-z]{1,2}$/.test(part) && !part.split('-').some((word) => NOISE.has(word))
    ? [part.replace('-', '')]
    : [];

/** "MX800/700": the letters of the one before; "865240/41": its first digits; "M8001A/2A": all but its tail. */
function completed(code: string, before: string): string {
  if (before === '' || code.length >= before.length) return code;
  const letters = /^[a-z]+(?=[0-9])/.exec(before)?.[0] ?? '';
  if (letters !== '' && /^[0-9]+$/.test(code) && /^[a-z]+[0-9]+$/.test(before) && before.length - letters.length <= 3)
    return letters + code;
  if (/^[0-9]+$/.test(code) && /^[0-9]{5,}$/.test(before)) return before.slice(0, -code.length) + code;
  if (/^[0-9]{1,2}[a-z]$/.test(code) && /^[a-z]?[0-9]{4,}[a-z]$/.test(before))
    return before.slice(0, -code.length) + code;
  return letters !== '' && /^[0-9]+$/.test(code) ? letters + code : code;
}

export interface ModelFit {
  readonly fit: 'same' | 'maybe' | 'other';
  readonly words: readonly string[];
}

const inRanges = (code: string, { ranges }: ModelWords) => {
  const match = /^([a-z]{0,4})([0-9]{1,4})[a-z]{0,2}$/.exec(code);
  return (
    match !== null &&
    ranges.some((range) => range.letters === match[1] && Number(match[2]) >= range.from && Number(match[2]) <= range.to)
  );
};

/** Short codes are coincidences where nothing else agrees: "7" of "Windows 7". */
const strong = (code: string) => code.length >= 3 && (/[a-z]/.test(code) || code.length >= 5);

function sharedNames(product: ReadonlySet<string>, device: ReadonlySet<string>): Map<string, string> {
  const shared = new Map<string, string>();
  for (const name of device) {
    const found = product.has(name)
      ? name
      : [...product].find((other) => nearlySame(name, other) && !GENERIC.has(other));
    if (found !== undefined) shared.set(name, found);
  }
  return shared;
}

export function fitModel(product: ModelWords, device: ModelWords): ModelFit {
  const shared = sharedNames(product.names, device.names);
  const codes = [...device.codes].filter((code) => product.codes.has(code) || inRanges(code, product));
  // "CX50" is of the "CX" series.
  const series = [...device.codes].filter((code) => product.names.has(/^[a-z]{2,4}(?=[0-9])/.exec(code)?.[0] ?? ''));
  const words = [...shared.keys(), ...codes, ...(codes.length === 0 ? series : [])];
  const telling = [...shared.keys()].filter((name) => !GENERIC.has(name));
  const strongCodes = codes.filter(strong);
  if (telling.length === 0 && strongCodes.length === 0 && series.length === 0) {
    // A product that is named by kinds alone ("Defibrillator Dashboard" has one word that is not): all of them must agree.
    const whole =
      product.codes.size === 0 && product.names.size > 1 && [...product.names].every((name) => device.names.has(name));
    if (whole) return { fit: 'same', words };
    return codes.length > 0 && (product.names.size === 0 || device.names.size === 0)
      ? { fit: 'maybe', words }
      : { fit: 'other', words: [] };
  }
  const used = new Set(shared.values());
  const leftProduct = [...product.names].filter((name) => !used.has(name));
  const leftDevice = [...device.names].filter((name) => !shared.has(name));
  const ownProduct = leftProduct.filter((name) => !GENERIC.has(name));
  // Two letters before a name are a series or a trade mark, no other product.
  const ownDevice = leftDevice.filter((name) => !GENERIC.has(name) && name.length > 2);
  if (strongCodes.length > 0)
    return ownProduct.length > 2 && ownDevice.length > 1 && telling.length === 0
      ? { fit: 'maybe', words }
      : { fit: 'same', words };
  if (telling.length === 0) return { fit: series.length > 0 && ownProduct.length <= 1 ? 'same' : 'maybe', words };
  if (codes.length > 0 && !(ownProduct.length > 1 && ownDevice.length > 1)) return { fit: 'same', words };
  const other: ModelFit = { fit: 'other', words: [] };
  if (clash(product, device, codes, series)) return other;
  // Both name numbers, and none agrees: only names that agree wholly are worth a question.
  if (codes.length === 0 && series.length === 0 && numbered(product) && device.codes.size > 0)
    return telling.length > 1 && ownProduct.length === 0 ? { fit: 'maybe', words } : other;
  if (ownProduct.length > 0 && ownDevice.length > 0)
    return alternative(product, telling, ownDevice) ? { fit: 'maybe', words } : other;
  // Each has words that the other has not: two kinds of one family, "Central Station" and "Telemetry Server".
  if (leftProduct.length > 0 && leftDevice.length > 0)
    return ownProduct.length + ownDevice.length > 0 || leftProduct.length > 1 || leftDevice.length > 1
      ? other
      : { fit: 'maybe', words };
  if (numbered(product) && device.codes.size === 0) return ownDevice.length > 0 ? other : { fit: 'maybe', words };
  return ownProduct.length > 0 ? { fit: 'maybe', words } : { fit: 'same', words };
}

const numbered = ({ codes, ranges }: ModelWords) => codes.size > 0 || ranges.length > 0;

/** Both name numbers of the same kind, and none agrees: "FlowMaster 5000" is no "FlowMaster 4100". */
function clash(product: ModelWords, device: ModelWords, codes: readonly string[], series: readonly string[]): boolean {
  if (codes.length > 0 || series.length > 0 || product.codes.size === 0 || device.codes.size === 0) return false;
  const kinds = (set: ReadonlySet<string>) => new Set([...set].map((code) => /^[a-z]*/.exec(code)?.[0] ?? ''));
  const own = kinds(product.codes);
  return [...kinds(device.codes)].some((kind) => own.has(kind));
}

/** A product that lists several names ("Pulsera and Endura"): one of them is enough to ask. */
function alternative(product: ModelWords, telling: readonly string[], ownDevice: readonly string[]): boolean {
  return telling.length >= 2 && ownDevice.length === 1 && product.names.size - telling.length <= 2;
}
