/** The office's screen: how things stand, readable across a room, without a name, an address or anything else about a person. */

import { SEVERITY_SHAPE } from '../../core/records.ts';
import { useOverview } from '../api-queries.ts';
import type { Overview } from '../api-types.ts';
import { CoverageBar, percentOf } from '../coverage-bar.tsx';
import { useLive } from '../live.ts';
import { Problem, Stale, Waiting } from '../notice.tsx';
import { texts } from '../texts.ts';
import { useNow } from '../time.tsx';

export default function WallPage() {
  const { data, error, isError, dataUpdatedAt, refetch } = useOverview();
  if (!data) return isError ? <Problem error={error} retry={() => void refetch()} /> : <Waiting rows={12} />;
  return (
    <div className="wall">
      <WallHead overview={data} />
      <Stale since={dataUpdatedAt} failing={isError} />
      <ul className="wall-rows">
        {data.coverage.map((row) => (
          <li key={row.room}>
            <span>{texts.rooms[row.room].title}</span>
            <CoverageBar coverage={row} />
            <span className="number">{row.state === 'measured' && row.in_scope > 0 ? `${percentOf(row)} %` : '?'}</span>
          </li>
        ))}
      </ul>
      <p className="legend dim" aria-hidden="true">
        {texts.coverage.legend}
      </p>
    </div>
  );
}

function WallHead({ overview }: { overview: Overview }) {
  const perSec = useLive((state) => state.perSec) ?? overview.rate.now;
  const now = new Date(useNow());
  const incidents = overview.counts?.incidents ?? 0;
  const worst = overview.incident?.severity;
  return (
    <>
      <p className="wall-clock">
        <time dateTime={now.toISOString()}>
          {now.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })}{' '}
          <span className="dim">{now.toISOString().slice(11, 16)} UTC</span>
        </time>
      </p>
      <h1 className={worst === 'critical' ? 'wall-urgent' : undefined}>
        {worst && <span aria-hidden="true">{SEVERITY_SHAPE[worst]} </span>}
        {texts.wall.incidents(incidents, worst)}
      </h1>
      <p className="wall-facts">
        {texts.overview.sending(overview.sources.sending, overview.sources.total)} ·{' '}
        {texts.overview.rate(Math.round(perSec))} · {texts.overview.dueFindings(overview.due.findings)}
      </p>
      {overview.alarm !== null && <p className="wall-urgent">{texts.wall.alarm}</p>}
    </>
  );
}
