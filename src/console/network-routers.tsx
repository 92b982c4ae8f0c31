/** Routers that captures showed: verdict, reasons, and the word of somebody who knows better. */

import { Button, NativeSelect, TextInput } from '@mantine/core';
import { useState } from 'react';
import { api } from './api-client.ts';
import { useAnswer, useSession } from './api-queries.ts';
import { Empty, Problem, Waiting } from './notice.tsx';
import { texts } from './texts.ts';
import { Ago } from './time.tsx';

type Verdict = 'consumer' | 'professional' | 'unknown';
interface Router {
  readonly mac: string;
  readonly addresses: readonly string[];
  readonly vendor: string | null;
  readonly verdict: Verdict;
  readonly reasons: readonly string[];
  readonly seen: string;
  readonly override: { readonly verdict: Verdict; readonly owner: string; readonly reason: string } | null;
}

const t = texts.network.routers;
const SHAPES: Readonly<Record<Verdict, string>> = { consumer: '▲', professional: '–', unknown: '▨' };

export function NetworkRouters() {
  const answer = useAnswer<{ items: readonly Router[] }>('/v1/network/routers');
  const role = useSession()?.person?.role;
  if (answer.error) return <Problem error={answer.error} retry={() => void answer.refetch()} />;
  if (!answer.data) return <Waiting rows={4} />;
  const { items } = answer.data;
  if (items.length === 0) return <Empty title={t.none}>{t.noneText}</Empty>;
  const count = (verdict: Verdict) => items.filter((router) => router.verdict === verdict).length;
  return (
    <>
      <p>{t.sentence(count('consumer'), count('unknown'))}</p>
      <ul className="router-list">
        {items.map((router) => (
          <li key={router.mac} className="panel">
            <RouterCard
              router={router}
              may={role !== undefined && role !== 'viewer'}
              changed={() => void answer.refetch()}
            />
          </li>
        ))}
      </ul>
    </>
  );
}

function RouterCard({ router, may, changed }: { router: Router; may: boolean; changed: () => void }) {
  return (
    <article>
      <h2>
        <span aria-hidden="true">{SHAPES[router.verdict]}</span> {router.addresses[0] ?? router.mac} ·{' '}
        {t.verdicts[router.verdict]}
      </h2>
      <dl className="facts">
        <div>
          <dt>{t.vendor}</dt>
          <dd>{router.vendor ?? t.noVendor}</dd>
        </div>
        <div>
          <dt>{t.addresses}</dt>
          <dd className="mono">{[router.mac, ...router.addresses].join(', ')}</dd>
        </div>
        <div>
          <dt>{t.reasons}</dt>
          <dd>{router.reasons.join('; ')}</dd>
        </div>
        <div>
          <dt>{t.seen}</dt>
          <dd>
            <Ago at={router.seen} />
          </dd>
        </div>
      </dl>
      {router.override && (
        <p>{t.said(router.override.owner, t.verdicts[router.override.verdict], router.override.reason)}</p>
      )}
      {may && <Override router={router} changed={changed} />}
    </article>
  );
}

function Override({ router, changed }: { router: Router; changed: () => void }) {
  const [verdict, setVerdict] = useState<Verdict>(router.verdict);
  const [reason, setReason] = useState('');
  const [error, setError] = useState<unknown>(null);
  const send = async (said: Verdict | null) => {
    setError(null);
    try {
      await api.post(`/v1/network/routers/${router.mac}/verdict`, { verdict: said, reason });
      changed();
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <form
      className="inline-form"
      onSubmit={(event) => {
        event.preventDefault();
        void send(verdict);
      }}
    >
      <NativeSelect
        label={t.override}
        value={verdict}
        data={Object.entries(t.verdicts).map(([value, label]) => ({ value, label }))}
        onChange={(event) => setVerdict(event.currentTarget.value as Verdict)}
      />
      <TextInput
        label={t.why}
        value={reason}
        maxLength={500}
        onChange={(event) => setReason(event.currentTarget.value)}
      />
      <Button type="submit">{t.keep}</Button>
      {router.override && <Button onClick={() => void send(null)}>{t.takeBack}</Button>}
      <Problem error={error} />
    </form>
  );
}
