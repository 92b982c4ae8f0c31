/** CRAN and Hackage versions: lists of numbers; where one ends first, the longer one is newer. */

import { compareDigits, compareLists } from './version-order.ts';

/** R's `package_version`: numbers separated by "." or "-". Haskell's versions (PVP) follow the same order. */
export function compareCran(a: string, b: string): number {
  return compareLists(numbers(a), numbers(b), compareDigits, () => -1);
}

const numbers = (version: string): string[] => version.match(/[0-9]+/g) ?? [];
