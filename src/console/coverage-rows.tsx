/** The nine recommendations as nine rows; each opens the numbers and the evidence behind it. */

import { Link } from '@tanstack/react-router';
import { useId, useState } from 'react';
import type { Coverage } from '../core/records.ts';
import type { TrendPoint } from './api-types.ts';
import { CopyLine } from './copy-line.tsx';
import { CoverageBar, CoverageTable, percentOf, Trend } from './coverage-bar.tsx';
import { texts } from './texts.ts';
import { Moment } from './time.tsx';

export function CoverageRows({ coverage, trend }: { coverage: readonly Coverage[]; trend: readonly TrendPoint[] }) {
  return (
    <>
      <p className="legend dim" aria-hidden="true">
        {texts.coverage.legend}
      </p>
      <ul className="coverage-rows">
        {coverage.map((row) => (
          <Row key={row.room} coverage={row} points={trend.filter((point) => point.room === row.room)} />
        ))}
      </ul>
    </>
  );
}

function Row({ coverage, points }: { coverage: Coverage; points: readonly TrendPoint[] }) {
  const [open, setOpen] = useState(false);
  const details = useId();
  const measured = coverage.state === 'measured';
  return (
    <li className="coverage-row">
      <div className="coverage-line">
        <button
          type="button"
          className="disclosure"
          aria-expanded={open}
          aria-controls={details}
          title={texts.rooms[coverage.room].asks}
          onClick={() => setOpen(!open)}
        >
          <span aria-hidden="true">{open ? '▾' : '▸'}</span> {texts.rooms[coverage.room].title}
        </button>
        <CoverageBar coverage={coverage} />
        <span className="coverage-percent number">
          {measured && coverage.in_scope > 0 ? `${percentOf(coverage)} %` : <span className="dim">?</span>}
        </span>
        {measured ? <Trend points={points} /> : <span />}
        <span className="coverage-next">
          {measured ? <Next coverage={coverage} /> : <span className="dim">{texts.coverage.none}</span>}
        </span>
      </div>
      {!measured && (
        <div className="coverage-first">
          <span>{coverage.next.title}</span>
          {coverage.next.command && <CopyLine text={coverage.next.command} />}
        </div>
      )}
      <div id={details} hidden={!open} className="coverage-details">
        {open && <Details coverage={coverage} points={points} />}
      </div>
    </li>
  );
}

function Next({ coverage }: { coverage: Coverage }) {
  const { title, finding } = coverage.next;
  if (finding)
    return (
      <Link to="/findings" search={{ id: finding, view: 'list' }}>
        {title}
      </Link>
    );
  return (
    <Link to="/findings" search={{ room: coverage.room }}>
      {title}
    </Link>
  );
}

function Details({ coverage, points }: { coverage: Coverage; points: readonly TrendPoint[] }) {
  return (
    <>
      <p>
        {texts.rooms[coverage.room].asks} {coverage.sentence}
      </p>
      <p className="dim">
        {coverage.measured_at ? (
          <>
            {texts.coverage.measuredAt} <Moment at={coverage.measured_at} />
          </>
        ) : (
          texts.coverage.neverMeasured
        )}
      </p>
      {coverage.state === 'measured' && <CoverageTable coverage={coverage} points={points} />}
      {coverage.next.command && coverage.state === 'measured' && <CopyLine text={coverage.next.command} />}
      {coverage.evidence.length > 0 && (
        <>
          <h3>{texts.coverage.evidence}</h3>
          <ul className="plain-list">
            {coverage.evidence.map((evidence) => (
              <li key={evidence.href + evidence.label}>
                {/* Evidence may lead to the API as well as to a page, so this is a plain link inside our own origin. */}
                <a href={ownPath(evidence.href)}>{evidence.label}</a>{' '}
                <span className="dim number">{evidence.count.toLocaleString('en')}</span>
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

/** Only paths of this desk: a record must not be able to lead elsewhere. */
function ownPath(href: string): string {
  return /^\/(?![/\\])/.test(href) ? href : '/';
}
