/** The health of feeds: what is here, how old, and what failed. */

import { Button } from '@mantine/core';
import { useState } from 'react';
import { api } from './api-client.ts';
import { useAnswer, useSession } from './api-queries.ts';
import { Empty, Problem, Waiting } from './notice.tsx';
import { FeedBundle } from './patching-bundle.tsx';
import { texts } from './texts.ts';
import { Ago } from './time.tsx';

const t = texts.patching.feeds;
interface FeedsAnswer {
  readonly generation: number | null;
  readonly from: string | null;
  readonly running: string | null;
  readonly last: { readonly what: string; readonly sentence: string; readonly failed: boolean } | null;
  readonly trusted: readonly string[];
  readonly items: readonly {
    readonly id: string;
    readonly feed: string;
    readonly date: string;
    readonly version: string;
    readonly fetched: string;
    readonly entries: number;
    readonly faults: number;
    readonly stale: boolean;
    readonly failed: string | null;
  }[];
}

export default function PatchingFeeds() {
  const { data, error, refetch } = useAnswer<FeedsAnswer>('/v1/patching/feeds', true, 2_000);
  const [problem, setProblem] = useState<unknown>(null);
  const role = useSession()?.person?.role;
  const lead = role === 'lead' || role === 'administrator';
  const start = async (what: 'update' | 'rollback') => {
    setProblem(null);
    await api.post(`/v1/patching/feeds/${what}`).catch(setProblem);
    await refetch();
  };
  if (!data) return error ? <Problem error={error} retry={() => void refetch()} /> : <Waiting rows={6} />;
  return (
    <>
      <section className="panel" aria-labelledby="feeds">
        <h2 id="feeds">{texts.patching.tabs.feeds}</h2>
        <Problem error={problem} />
        <p className="line">
          {data.generation !== null && <span>{t.generation(data.generation, data.from ?? '')}</span>}
          {lead && (
            <Button disabled={data.running !== null} onClick={() => void start('update')}>
              {t.update}
            </Button>
          )}
          {lead && (data.generation ?? 0) > 1 && (
            <Button disabled={data.running !== null} onClick={() => void start('rollback')}>
              {t.back}
            </Button>
          )}
        </p>
        <p role="status">{stateOf(data)}</p>
        {data.items.length === 0 ? (
          <Empty title={t.none} command={t.command}>
            {t.noneText}
          </Empty>
        ) : (
          <div className="scroll-x">
            <table className="plain wide">
              <thead>
                <tr>
                  <th scope="col">{t.feed}</th>
                  <th scope="col">{t.date}</th>
                  <th scope="col">{t.fetched}</th>
                  <th scope="col">{t.entries}</th>
                  <th scope="col">{t.state}</th>
                </tr>
              </thead>
              <tbody>
                {data.items.map((one) => (
                  <tr key={one.id}>
                    <th scope="row">
                      {one.feed} <span className="dim">{one.id}</span>
                    </th>
                    <td>
                      {one.date.slice(0, 10)}{' '}
                      <span className="dim">{one.version === 'unknown' ? '' : one.version}</span>
                    </td>
                    <td>
                      <Ago at={one.fetched} />
                    </td>
                    <td>
                      {one.entries.toLocaleString('en')}
                      {one.faults > 0 && <span className="dim"> {t.faults(one.faults)}</span>}
                    </td>
                    <td>{one.failed ? t.failed(one.failed) : one.stale ? t.stale : t.fresh}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
      {lead && <FeedBundle data={data} onStarted={() => void refetch()} />}
    </>
  );
}

function stateOf({ running, last }: FeedsAnswer): string {
  if (running !== null) return t.running(running);
  if (last === null) return '';
  return last.failed ? t.lastFailed(last.what, last.sentence) : t.last(last.what, last.sentence);
}
