/** Versions of products that follow no published rules: runs of digits by their number, runs of letters by their text. */

const KEYS_MAX = 64;

interface Part {
  readonly number: boolean;
  readonly text: string;
}

function partsOf(version: string): Part[] {
  const found: Part[] = [];
  for (const match of version.toLowerCase().matchAll(/[0-9]+|[a-z]+/g)) {
    if (found.length >= KEYS_MAX) break;
    const number = /^[0-9]/.test(match[0]);
    found.push({ number, text: number ? match[0].replace(/^0+(?=[0-9])/, '') : match[0] });
  }
  // "v2.3" and "2.3" are the same, and so are "2.3" and "2.3.0".
  if (found.length > 1 && found[0]?.text === 'v') found.shift();
  while (found.length > 1 && found.at(-1)?.text === '0') found.pop();
  return found;
}

/** A letter before a number is older ("1.0rc1 < 1.0.1"); a missing part is older than a number, newer than a pre-release word. */
export function compareGeneric(a: string, b: string): number {
  const left = partsOf(a);
  const right = partsOf(b);
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const order = comparePart(left[i], right[i]);
    if (order !== 0) return order;
  }
  return 0;
}

const PRE = /^(?:a|alpha|b|beta|rc|pre|preview|dev|snapshot|m)$/;

/** Pre-release words < nothing < other words < numbers: one order for all, so that it is total. */
const rank = (part: Part | undefined): number =>
  part === undefined ? 1 : part.number ? 3 : PRE.test(part.text) ? 0 : 2;

function comparePart(a: Part | undefined, b: Part | undefined): number {
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if (a === undefined || b === undefined) return 0;
  if (a.number && a.text.length !== b.text.length) return a.text.length - b.text.length;
  return a.text < b.text ? -1 : a.text > b.text ? 1 : 0;
}
