/** The orders that every version comparator is put together from; each is total, so that what they make is total too. */

/** Below zero, zero, above zero: as `Array.sort` wants it. */
export type Compare<T> = (a: T, b: T) => number;

export const compareText: Compare<string> = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/** Digits as a number of any length, without the cost and the limits of making one; "" is zero. */
export function compareDigits(a: string, b: string): number {
  const left = withoutZeros(a);
  const right = withoutZeros(b);
  return left.length - right.length || compareText(left, right);
}

export function withoutZeros(digits: string): string {
  let at = 0;
  while (at < digits.length && digits.charCodeAt(at) === 48) at++;
  return at === 0 ? digits : digits.slice(at);
}

/** Item by item; where one list ends first, `end` says how its end compares with the other's item. */
export function compareLists<T>(a: readonly T[], b: readonly T[], items: Compare<T>, end: (item: T) => number): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const order = items(a[i] as T, b[i] as T);
    if (order !== 0) return order;
  }
  if (a.length > shared) return -end(a[shared] as T);
  if (b.length > shared) return end(b[shared] as T);
  return 0;
}

export const isDigit = (code: number) => code >= 48 && code <= 57;
export const isLower = (code: number) => code >= 97 && code <= 122;
export const isAlpha = (code: number) => isLower(code | 32);
export const allDigits = (text: string) => text !== '' && /^[0-9]+$/.test(text);

/** Runs of digits and runs of letters, everything else between them left out. */
export function runsOf(text: string): string[] {
  return text.match(/[0-9]+|[A-Za-z]+/g) ?? [];
}
