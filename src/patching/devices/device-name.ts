/** Vendors and models as people write them: aliases, misspellings, "MX800/700/600"; how well a device fits a product. */

/** Companies that go by several names, or were bought; each maps to one word. */
const VENDORS: Readonly<Record<string, string>> = {
  'becton dickinson': 'bd',
  becton: 'bd',
  carefusion: 'bd',
  'care fusion': 'bd',
  bd: 'bd',
  'general electric': 'ge',
  gehc: 'ge',
  ge: 'ge',
  'b braun': 'bbraun',
  bbraun: 'bbraun',
  'hill rom': 'hillrom',
  hillrom: 'hillrom',
  'welch allyn': 'hillrom',
  baxter: 'baxter',
  'st jude': 'abbott',
  abbott: 'abbott',
  philips: 'philips',
  phillips: 'philips',
  siemens: 'siemens',
  healthineers: 'siemens',
  smiths: 'smiths',
  'icu medical': 'icu',
  hospira: 'icu',
  fresenius: 'fresenius',
  fujifilm: 'fujifilm',
  fuji: 'fujifilm',
};
const VENDOR_NOISE = new Set([
  'inc',
  'corp',
  'corporation',
  'company',
  'co',
  'ltd',
  'llc',
  'gmbh',
  'ag',
  'oy',
  'sa',
  'plc',
  'the',
  'and',
  'of',
  'international',
  'technologies',
  'technology',
  'laboratories',
  'healthcare',
  'health',
  'medical',
  'systems',
  'group',
  'holdings',
]);
const MODEL_NOISE = new Set([
  'the',
  'and',
  'with',
  'for',
  'of',
  'a',
  'an',
  'all',
  'series',
  'model',
  'models',
  'system',
  'systems',
  'device',
  'devices',
  'software',
  'version',
  'versions',
  'product',
  'products',
  'family',
  'unit',
  'units',
  'medical',
  'patient',
  'based',
  'option',
]);
const TEXT_CHARS_MAX = 300;
const TOKENS_MAX = 60;

const words = (text: string) =>
  text
    .slice(0, TEXT_CHARS_MAX)
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, ' ')
    .trim()
    .split(' ')
    .filter(Boolean);

/** The companies that a vendor's name may mean. */
export function vendorsOf(text: string): string[] {
  const all = ` ${words(text).join(' ')} `;
  const found = new Set<string>();
  for (const [name, vendor] of Object.entries(VENDORS)) if (all.includes(` ${name} `)) found.add(vendor);
  if (found.size > 0) return [...found];
  for (const word of words(text)) if (!VENDOR_NOISE.has(word) && word.length > 1) found.add(word);
  return [...found];
}

export function sameVendor(a: string, b: string): boolean {
  const right = vendorsOf(b);
  return vendorsOf(a).some((left) =>
    right.some((other) => left === other || (Math.min(left.length, other.length) >= 6 && nearlySame(left, other))),
  );
}

/** One letter more, less or other. */
function nearlySame(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false;
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  const [left, right] = [a.slice(at), b.slice(at)];
  return left.slice(1) === right.slice(1) || left.slice(1) === right || left === right.slice(1);
}

export interface ModelWords {
  /** Tokens with a digit: "mx800". */
  readonly codes: ReadonlySet<string>;
  readonly names: ReadonlySet<string>;
}

export function modelWords(text: string, vendor: string): ModelWords {
  const codes = new Set<string>();
  const names = new Set<string>();
  const own = new Set([...vendorsOf(vendor), ...words(vendor)]);
  for (const group of text
    .slice(0, TEXT_CHARS_MAX)
    .toLowerCase()
    .split(/[\s,;()|]+/)) {
    let letters = '';
    for (const part of group.split('/')) {
      const code = part.replace(/[^a-z0-9]+/g, '');
      if (codes.size + names.size >= TOKENS_MAX) break;
      if (/[0-9]/.test(code)) {
        // "MX800/700": the second one has the letters of the first.
        codes.add(/^[0-9]+$/.test(code) && letters !== '' ? letters + code : code);
        letters = /^[a-z]+(?=[0-9])/.exec(code)?.[0] ?? letters;
      } else
        for (const word of words(part))
          if (!MODEL_NOISE.has(word) && !own.has(word) && word.length > 1) names.add(word);
    }
  }
  return { codes, names };
}

export interface ModelFit {
  readonly fit: 'same' | 'maybe' | 'other';
  readonly words: readonly string[];
}

export function fitModel(product: ModelWords, device: ModelWords): ModelFit {
  const codes = [...device.codes].filter((code) => product.codes.has(code));
  const names = [...device.names].filter((name) => product.names.has(name));
  const shared = [...names, ...codes];
  if (shared.length === 0) return { fit: 'other', words: [] };
  // A number alone, or one common name of many, is a coincidence.
  if (names.length === 0 && codes.every((code) => code.length < 4 || /^[0-9]{4}$/.test(code)))
    return { fit: product.names.size === 0 && device.names.size === 0 ? 'same' : 'maybe', words: shared };
  if (codes.length > 0) return { fit: 'same', words: shared };
  if (product.codes.size > 0 && device.codes.size > 0) {
    const kinds = (set: ReadonlySet<string>) => new Set([...set].map((code) => code.replace(/[0-9]+/g, '0')));
    const kindsOfProduct = kinds(product.codes);
    return [...kinds(device.codes)].some((kind) => kindsOfProduct.has(kind))
      ? { fit: 'other', words: [] }
      : { fit: 'maybe', words: shared };
  }
  const whole = [...product.names].every((name) => device.names.has(name));
  if (whole && product.codes.size === 0) return { fit: 'same', words: shared };
  return names.length * 2 >= Math.min(product.names.size, device.names.size)
    ? { fit: 'maybe', words: shared }
    : { fit: 'other', words: [] };
}
