/** Vendors as people write them: aliases, former names, misspellings, several in one. */

/** Companies that go by several names, or were bought; each maps to one word. */
const VENDORS: readonly (readonly [string, ...string[]])[] = [
  ['bd', 'becton dickinson', 'becton', 'carefusion', 'care fusion', 'cardinal alaris', 'bard', 'vyaire'],
  ['ge', 'general electric', 'gehc', 'ge healthcare', 'datex ohmeda', 'ohmeda', 'marquette'],
  ['bbraun', 'b braun', 'braun melsungen'],
  ['hillrom', 'hill rom', 'hillrom', 'welch allyn', 'mortara', 'eli'],
  ['baxter', 'gambro', 'hillrom', 'hill rom', 'welch allyn', 'mortara'],
  ['abbott', 'st jude', 'saint jude', 'thoratec', 'alere'],
  ['philips', 'phillips', 'respironics', 'capsule', 'carestream', 'lifeline', 'agilent healthcare'],
  ['siemens', 'healthineers', 'varian', 'siemens healthcare'],
  ['smiths', 'smiths medical', 'icu medical', 'hospira', 'deltec', 'icu'],
  ['fresenius', 'fresenius kabi', 'fresenius medical'],
  ['fujifilm', 'fuji', 'hitachi medical', 'hitachi healthcare'],
  ['canon', 'toshiba medical'],
  ['draeger', 'drager', 'draegerwerk', 'dragerwerk'],
  ['medtronic', 'covidien', 'minimed', 'nellcor', 'puritan bennett'],
  ['johnson', 'animas', 'ethicon', 'biosense', 'depuy', 'johnson johnson'],
  ['roche', 'roche diagnostics'],
  ['qualcomm', 'capsule', 'qualcomm life'],
  ['spacelabs', 'space labs', 'osi systems'],
  ['boston', 'boston scientific', 'guidant'],
  ['nihon', 'nihon kohden'],
  ['zoll', 'zoll medical'],
  ['mckesson', 'change healthcare'],
  ['merge', 'merative', 'ibm watson'],
  ['getinge', 'maquet', 'datascope'],
  ['beckman', 'danaher'],
  ['hologic', 'cytyc'],
  ['stryker', 'physio control'],
  ['mindray', 'zonare'],
];
/** For each name the groups that it belongs to: a company may have been bought twice. */
const GROUPS = new Map<string, Set<string>>();
for (const [vendor, ...names] of VENDORS)
  for (const name of [vendor, ...names]) GROUPS.set(name, (GROUPS.get(name) ?? new Set()).add(vendor));

const VENDOR_NOISE = new Set(
  (
    'inc corp corporation company co ltd llc gmbh ag oy oyj sa se plc kg bv nv ab as spa srl pty the and of & international ' +
    'technologies technology laboratories laboratory labs healthcare health medical systems system group holdings ' +
    'diagnostics life sciences solutions products devices limited incorporated scientific general electric company north america usa us europe'
  ).split(' '),
);
const TEXT_CHARS_MAX = 300;
const WORDS_MAX = 30;

/** Letters and digits of a text without accents; what was read in a wrong encoding loses its odd characters. */
export const plainWords = (text: string): string[] =>
  text
    .slice(0, TEXT_CHARS_MAX)
    .replace(/ß/g, 'ss')
    .replace(/ä/gi, 'ae')
    .replace(/ö/gi, 'oe')
    .replace(/ü/gi, 'ue')
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, ' ')
    .trim()
    .split(' ')
    .filter(Boolean)
    .slice(0, WORDS_MAX);

/** Hospitals have few vendors, and advisories name each of them again and again: each name, and each pair, is read once. */
const REMEMBERED_MAX = 50_000;
function remembered<T>(memory: Map<string, T>, key: string, make: () => T): T {
  const known = memory.get(key);
  if (known !== undefined) return known;
  const made = make();
  if (memory.size >= REMEMBERED_MAX) memory.clear();
  memory.set(key, made);
  return made;
}
const vendors = new Map<string, readonly string[]>();
const pairs = new Map<string, boolean>();
const ownWords = new Map<string, ReadonlySet<string>>();

/** The companies that a vendor's name may mean. */
export const vendorsOf = (text: string): readonly string[] =>
  remembered(vendors, text.slice(0, TEXT_CHARS_MAX), () => readVendors(text));

function readVendors(text: string): string[] {
  const words = plainWords(text);
  const all = ` ${words.join(' ')} `;
  const found = new Set<string>();
  for (const [name, vendors] of GROUPS) if (all.includes(` ${name} `)) for (const vendor of vendors) found.add(vendor);
  // "Silex Technology and GE Healthcare": the ones that are not known stand beside those that are.
  const several = /\band\b|[,/&]/.test(text.toLowerCase()) && found.size > 0;
  if (found.size > 0 && !several) return [...found];
  const own = words.filter((word) => !VENDOR_NOISE.has(word) && word.length > 1);
  if (several) return [...found, ...own];
  // A misspelt name of one that is known, of one word or of several.
  for (const [name, vendors] of GROUPS) if (misspelt(words, name)) for (const vendor of vendors) found.add(vendor);
  for (const word of own) found.add(word);
  return [...found];
}

function misspelt(words: readonly string[], name: string): boolean {
  const length = name.split(' ').length;
  const joined = name.replaceAll(' ', '');
  for (let i = 0; i + length <= words.length; i++) {
    const some = words.slice(i, i + length);
    if ((length > 1 || !VENDOR_NOISE.has(some[0] as string)) && nearlySame(some.join(''), joined)) return true;
  }
  return false;
}

/** All words that a vendor's names are made of: in a product's name they say nothing. */
export const vendorWords = (text: string): ReadonlySet<string> =>
  remembered(ownWords, text.slice(0, 2 * TEXT_CHARS_MAX), () => readVendorWords(text));

function readVendorWords(text: string): ReadonlySet<string> {
  const found = new Set([...vendorsOf(text), ...plainWords(text).filter((word) => !VENDOR_NOISE.has(word))]);
  for (const [vendor, ...names] of VENDORS)
    if (found.has(vendor)) for (const name of names) for (const word of name.split(' ')) found.add(word);
  return found;
}

export function sameVendor(a: string, b: string): boolean {
  const key = `${a.slice(0, TEXT_CHARS_MAX)}\n${b.slice(0, TEXT_CHARS_MAX)}`;
  return remembered(pairs, key, () => {
    const right = vendorsOf(b);
    return vendorsOf(a).some((left) => right.some((other) => left === other || nearlySame(left, other)));
  });
}

/** One letter more, less, other or changed with its neighbour in words of six and more; two in words of ten and more. */
export function nearlySame(a: string, b: string): boolean {
  const shorter = Math.min(a.length, b.length);
  if (shorter < 6 || Math.abs(a.length - b.length) > 2) return a === b;
  return distance(a, b) <= (shorter >= 10 ? 2 : 1);
}

/** Optimal string alignment distance. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min((last[j] as number) + 1, (row[j - 1] as number) + 1, (last[j - 1] as number) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, (before[j - 2] as number) + 1);
      row.push(best);
    }
    before = last;
    last = row;
  }
  return last[b.length] as number;
}
