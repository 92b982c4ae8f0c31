/** RPM versions as rpmvercmp orders them: `[epoch:]version[-release]`, with `~` before and `^` after the end. */

import { allDigits, compareDigits, compareLists, compareText, isDigit } from './version-order.ts';

export function compareRpm(a: string, b: string): number {
  const left = split(a.trim());
  const right = split(b.trim());
  return (
    compareDigits(left.epoch, right.epoch) ||
    comparePart(left.version, right.version) ||
    compareRelease(left.release, right.release)
  );
}

function split(text: string): { epoch: string; version: string; release: string | null } {
  const colon = text.indexOf(':');
  const hasEpoch = colon > 0 && allDigits(text.slice(0, colon));
  const rest = hasEpoch ? text.slice(colon + 1) : text;
  const dash = rest.lastIndexOf('-');
  return {
    epoch: hasEpoch ? text.slice(0, colon) : '0',
    version: dash < 0 ? rest : rest.slice(0, dash),
    release: dash < 0 ? null : rest.slice(dash + 1),
  };
}

function compareRelease(a: string | null, b: string | null): number {
  if (a === null || b === null) return (a === null ? 0 : 1) - (b === null ? 0 : 1);
  return comparePart(a, b);
}

const RANK_END = 1;

// rpmvercmp: "~" < end < "^" < letters < digits; what is none of these only separates.
function rank(token: string): number {
  if (token === '~') return 0;
  if (token === '^') return 2;
  return isDigit(token.charCodeAt(0)) ? 4 : 3;
}

const comparePart = (a: string, b: string) =>
  compareLists(tokens(a), tokens(b), compareToken, (item) => RANK_END - rank(item));

function compareToken(a: string, b: string): number {
  const order = rank(a) - rank(b);
  if (order !== 0) return order;
  return rank(a) === 4 ? compareDigits(a, b) : compareText(a, b);
}

const tokens = (text: string): string[] => text.match(/[0-9]+|[A-Za-z]+|~|\^/g) ?? [];
