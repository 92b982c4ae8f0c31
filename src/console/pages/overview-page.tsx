/** The first page: is something happening now, what to do next, and how we know. */

import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { lazy, Suspense, useEffect, useMemo } from 'react';
import type { FindingAction } from '../../core/store-port.ts';
import { useOverview } from '../api-queries.ts';
import type { Overview } from '../api-types.ts';
import { CoverageRows } from '../coverage-rows.tsx';
import { entityQuery } from '../entity-chip.tsx';
import { PageTop } from '../list-page.tsx';
import { seedRates, useLive } from '../live.ts';
import { Empty, Problem, Stale, Waiting } from '../notice.tsx';
import { Severity } from '../severity.tsx';
import { texts } from '../texts.ts';
import { Ago, duration, useNow } from '../time.tsx';

const Chart = lazy(() => import('../chart.tsx'));

export default function OverviewPage() {
  const { data, error, isError, dataUpdatedAt, refetch } = useOverview();
  const rates = data?.rate.per_sec;
  useEffect(() => {
    if (rates) seedRates(rates);
  }, [rates]);
  if (!data) {
    return (
      <div className="page">
        <PageTop title={texts.pages.overview} answer={texts.loading} />
        {isError ? <Problem error={error} retry={() => void refetch()} /> : <Waiting rows={16} />}
      </div>
    );
  }
  return (
    <div className="page">
      <PageTop title={texts.pages.overview} answer={<Answer overview={data} />} />
      <Stale since={dataUpdatedAt} failing={isError} />
      <div className="overview">
        <section aria-labelledby="recommendations" className="panel">
          <h2 id="recommendations">{texts.overview.recommendations}</h2>
          <CoverageRows coverage={data.coverage} trend={data.trend} />
        </section>
        <div className="overview-side">
          <Pulse overview={data} />
          <Sources sources={data.sources} />
          <Attackers attackers={data.attackers} />
          <Due due={data.due} />
        </div>
        <section aria-labelledby="actions" className="panel overview-actions">
          <h2 id="actions">{texts.overview.actions}</h2>
          <Actions actions={data.actions} />
        </section>
      </div>
    </div>
  );
}

function Answer({ overview }: { overview: Overview }) {
  return (
    <>
      <span className={overview.incident ? 'needs-you' : undefined}>{overview.sentence}</span>{' '}
      {overview.incident && (
        <Button
          variant="filled"
          renderRoot={(props) => <Link to="/incidents" search={{ id: overview.incident?.id }} {...props} />}
        >
          {texts.overview.openIncident}
        </Button>
      )}
    </>
  );
}

function Pulse({ overview }: { overview: Overview }) {
  const rates = useLive((state) => state.rates);
  const perSec = useLive((state) => state.perSec) ?? overview.rate.now;
  const p99 = useLive((state) => state.alertP99Ms) ?? overview.rate.alert_p99_ms;
  const now = useNow();
  const values = rates.length > 0 ? rates : overview.rate.per_sec;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the time axis moves when a value comes, not with the clock
  const times = useMemo(() => values.map((_, index) => Math.round(now / 1000) - values.length + 1 + index), [values]);
  return (
    <section aria-labelledby="pulse" className="panel">
      <h2 id="pulse">{texts.overview.events}</h2>
      <p>
        <Link to="/events" search={{ range: '1h' }}>
          {texts.overview.rate(Math.round(perSec))}
        </Link>
        {p99 !== null && <span className="dim"> · {texts.overview.p99(p99)}</span>}
      </p>
      <Suspense fallback={<Waiting rows={4} />}>
        <Chart
          times={times}
          values={values}
          kind="line"
          label={texts.overview.chart}
          unit={texts.overview.unit}
          height={130}
        />
      </Suspense>
    </section>
  );
}

function Sources({ sources }: { sources: Overview['sources'] }) {
  return (
    <section aria-labelledby="sources" className="panel">
      <h2 id="sources">{texts.pages.sources}</h2>
      {sources.total === 0 ? (
        <Empty title={texts.sources.none} command={texts.sources.firstCommand}>
          {texts.sources.noneText}
        </Empty>
      ) : (
        <>
          <p>
            <Link to="/sources">{texts.overview.sending(sources.sending, sources.total)}</Link>
          </p>
          <ul className="plain-list">
            {sources.silent.slice(0, 5).map((source) => (
              <li key={source.id}>
                <span aria-hidden="true">◌</span>{' '}
                <Link to="/sources" search={{ id: source.id }}>
                  {source.name}
                </Link>{' '}
                <span className="dim">{texts.overview.silent(duration(source.silent_sec))}</span>
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

function Attackers({ attackers }: { attackers: Overview['attackers'] }) {
  return (
    <section aria-labelledby="attackers" className="panel">
      <h2 id="attackers">{texts.overview.attackers}</h2>
      {attackers.length === 0 && <p className="dim">{texts.overview.noAttackers}</p>}
      <ul className="plain-list">
        {attackers.map((attacker) => (
          <li key={attacker.address}>
            <Link
              to="/events"
              search={{ query: entityQuery({ type: 'address', value: attacker.address }), range: '24h' }}
              className="mono"
            >
              {attacker.address}
            </Link>{' '}
            → {attacker.targets.join(', ') || texts.overview.unknownTarget}{' '}
            <span className="dim">{texts.overview.tries(attacker.tries)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Due({ due }: { due: Overview['due'] }) {
  return (
    <section aria-labelledby="due" className="panel">
      <h2 id="due">{texts.overview.due}</h2>
      {due.findings + due.exceptions === 0 && <p className="dim">{texts.overview.nothingDue}</p>}
      <ul className="plain-list">
        {due.findings > 0 && (
          <li>
            <Link to="/findings" search={{ view: 'list', state: 'open' }}>
              {texts.overview.dueFindings(due.findings)}
            </Link>
          </li>
        )}
        {due.exceptions > 0 && (
          <li>
            <Link to="/findings" search={{ view: 'list', state: 'accepted' }}>
              {texts.overview.dueExceptions(due.exceptions)}
            </Link>
          </li>
        )}
      </ul>
    </section>
  );
}

function Actions({ actions }: { actions: readonly FindingAction[] }) {
  if (actions.length === 0)
    return (
      <Empty title={texts.findings.none} command="asepsis check">
        {texts.findings.noneText}
      </Empty>
    );
  return (
    <ol className="actions">
      {actions.map((action) => (
        <li key={`${action.room} ${action.title}`}>
          <Severity level={action.worst} />
          <Link to="/findings" search={{ fix: action.title, view: 'list' }}>
            {action.title}
          </Link>
          <span className="dim">
            {texts.findings.closes(action.findings, action.assets)} · {texts.effort(action.effort)}
            {action.disrupts && ` · ${texts.findings.disrupts}`}
            {action.due && (
              <>
                {' · '}
                {texts.findings.due} <Ago at={action.due} />
              </>
            )}
          </span>
        </li>
      ))}
    </ol>
  );
}
