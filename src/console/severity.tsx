/** Severity as word, shape and colour: no sign stands alone. */

import type { Severity as Level } from '../core/records.ts';
import { texts } from './texts.ts';

const SHAPES: Readonly<Record<Level, string>> = { critical: '◆', high: '▲', medium: '●', low: '○', information: '–' };

export function Severity({ level }: { level: Level }) {
  return (
    <span className={`severity severity-${level}`}>
      <span aria-hidden="true">{SHAPES[level]}</span>
      <span>{texts.severity[level]}</span>
    </span>
  );
}
