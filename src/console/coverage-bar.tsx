/** How far one recommendation is true: covered solid, not covered dotted, unknown hatched, and the trend behind it. */

import { useId } from 'react';
import type { Coverage } from '../core/records.ts';
import type { TrendPoint } from './api-types.ts';
import { texts } from './texts.ts';

const WIDTH = 200;
const HEIGHT = 14;

export function percentOf(coverage: Pick<Coverage, 'covered' | 'in_scope'>): number {
  return coverage.in_scope === 0 ? 0 : Math.floor((coverage.covered / coverage.in_scope) * 100);
}

export function CoverageBar({ coverage }: { coverage: Coverage }) {
  const id = useId();
  const total = Math.max(1, coverage.covered + coverage.not_covered + coverage.unknown);
  const covered = (coverage.covered / total) * WIDTH;
  const missing = (coverage.not_covered / total) * WIDTH;
  const label =
    coverage.state === 'measured'
      ? texts.coverage.label(coverage.covered, coverage.not_covered, coverage.unknown, coverage.unit)
      : texts.coverage.none;
  return (
    <svg
      className="coverage-bar"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      <title>{label}</title>
      <defs>
        <pattern id={`${id}d`} width="5" height="5" patternUnits="userSpaceOnUse">
          <rect width="5" height="5" className="coverage-ground" />
          <circle cx="1.500" cy="1.500" r="0.900" className="coverage-dot" />
        </pattern>
        <pattern id={`${id}h`} width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <rect width="6" height="6" className="coverage-ground" />
          <rect width="2" height="6" className="coverage-hatch" />
        </pattern>
      </defs>
      {coverage.state === 'no-evidence' ? (
        <rect width={WIDTH} height={HEIGHT} fill={`url(#${id}h)`} />
      ) : (
        <>
          <rect width={covered} height={HEIGHT} className="coverage-covered" />
          <rect x={covered} width={missing} height={HEIGHT} fill={`url(#${id}d)`} />
          <rect
            x={covered + missing}
            width={Math.max(0, WIDTH - covered - missing)}
            height={HEIGHT}
            fill={`url(#${id}h)`}
          />
        </>
      )}
    </svg>
  );
}

/** Points of per cent over the days shown: a direction in a sign and in words. */
export function Trend({ points }: { points: readonly TrendPoint[] }) {
  if (points.length < 2) return <span className="dim">{texts.coverage.noTrend}</span>;
  const values = points.map(percentOf);
  const change = (values.at(-1) as number) - (values[0] as number);
  const step = 60 / (values.length - 1);
  const path = values.map(
    (value, index) => `${index === 0 ? 'M' : 'L'}${(index * step).toFixed(1)} ${(17 - value * 0.16).toFixed(1)}`,
  );
  const words = texts.coverage.trend(change, points.length);
  return (
    <span className="trend" title={words}>
      <svg viewBox="0 0 60 18" className="spark" aria-hidden="true">
        <path d={path.join('')} />
      </svg>
      <span aria-hidden="true">{change > 0 ? '↗' : change < 0 ? '↘' : '→'}</span>
      <span className="visually-hidden">{words}</span>
    </span>
  );
}

/** The numbers behind the bar and the spark. */
export function CoverageTable({ coverage, points }: { coverage: Coverage; points: readonly TrendPoint[] }) {
  return (
    <div className="coverage-tables">
      <table className="plain">
        <caption>{texts.coverage.measured(coverage.unit)}</caption>
        <tbody>
          {(['in_scope', 'covered', 'not_covered', 'unknown'] as const).map((key) => (
            <tr key={key}>
              <th scope="row">{texts.coverage.columns[key]}</th>
              <td className="number">{coverage[key].toLocaleString('en')}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {points.length > 1 && (
        <table className="plain">
          <caption>{texts.coverage.byDay}</caption>
          <thead>
            <tr>
              <th scope="col">{texts.coverage.day}</th>
              <th scope="col">{texts.coverage.columns.covered}</th>
              <th scope="col">{texts.coverage.columns.in_scope}</th>
              <th scope="col">{texts.coverage.columns.unknown}</th>
            </tr>
          </thead>
          <tbody>
            {points
              .slice(-7)
              .toReversed()
              .map((point) => (
                <tr key={point.day}>
                  <th scope="row">{point.day}</th>
                  <td className="number">{point.covered}</td>
                  <td className="number">{point.in_scope}</td>
                  <td className="number">{point.unknown}</td>
                </tr>
              ))}
          </tbody>
        </table>
      )}
    </div>
  );
}
