/** `--columns host=Computer,name=Product` as pairs. */

import { InvalidArgumentError } from 'commander';

export function columnPairs(text: string): Record<string, string> {
  const pairs = text.split(',').map((pair) => pair.split('=', 2).map((part) => part.trim()));
  if (pairs.some(([left, right]) => !left || !right))
    throw new InvalidArgumentError('Write pairs such as host=Computer,name=Product.');
  return Object.fromEntries(pairs as [string, string][]);
}
