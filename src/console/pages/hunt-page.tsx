/** Hunt: a rule or a list of indicators over all archived events, with progress; and the lists that new events are compared with. */

import { Button, Checkbox, NativeSelect, Textarea, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../api-client.ts';
import { useAnswer } from '../api-queries.ts';
import { optionsOf, PageTop } from '../list-page.tsx';
import { Empty, Problem } from '../notice.tsx';
import { useMayRespond } from '../response-form.tsx';
import { texts } from '../texts.ts';
import { detectionTexts } from '../texts-detection.ts';
import { Ago } from '../time.tsx';
import { didIt } from '../undo.ts';

const t = detectionTexts.hunt;
const RENEW_MS = 3000;
const KINDS = ['indicators', 'rule'] as const;

interface Hunt {
  readonly id: string;
  readonly name: string;
  readonly state: keyof typeof t.states;
  readonly started: string;
  readonly parts: number;
  readonly parts_done: number;
  readonly alerts: number;
  readonly sentence: string;
}
interface Indicators {
  readonly total: number;
  readonly hits: number;
  readonly sources: readonly { readonly source: string; readonly count: number; readonly patterns: number }[];
}
const HUNTS = '/v1/hunts?limit=50';
const LISTS = '/v1/indicators?limit=1';

export default function HuntPage() {
  const hunts = useAnswer<{ readonly items: readonly Hunt[] }>(HUNTS, true, RENEW_MS);
  const lists = useAnswer<Indicators>(LISTS, true, 15_000);
  const items = hunts.data?.items ?? [];
  const { analyst, lead } = useMayRespond();
  return (
    <div className="page">
      <PageTop
        title={t.page}
        answer={
          hunts.isPending || lists.isPending
            ? texts.loading
            : t.answer({
                running: items.filter(({ state }) => state === 'running' || state === 'waiting').length,
                indicators: lists.data?.total ?? 0,
                hits: lists.data?.hits ?? 0,
              })
        }
      />
      <Problem error={hunts.error ?? lists.error} />
      {analyst && <NewHunt mayKeep={lead} />}
      {hunts.data && items.length === 0 ? (
        <Empty title={t.none} command={t.noneCommand}>
          {t.noneText}
        </Empty>
      ) : (
        <Hunts items={items} mayStop={analyst} />
      )}
      {lists.data && lists.data.sources.length > 0 && <Lists lists={lists.data} mayRemove={lead} />}
    </div>
  );
}

function Hunts({ items, mayStop }: { items: readonly Hunt[]; mayStop: boolean }) {
  const client = useQueryClient();
  const stop = async (id: string) => {
    await api.post(`/v1/hunts/${id}/stop`);
    await client.invalidateQueries({ queryKey: ['answer', HUNTS] });
  };
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard (WCAG 2.1.1)
    <section className="panel scroll-x" tabIndex={0} aria-label={t.page}>
      <table className="plain wide">
        <thead>
          <tr>
            <th scope="col">{t.columns.name}</th>
            <th scope="col">{t.columns.state}</th>
            <th scope="col" className="number">
              {t.columns.parts}
            </th>
            <th scope="col" className="number">
              {t.columns.alerts}
            </th>
            <th scope="col">{t.columns.started}</th>
          </tr>
        </thead>
        <tbody>
          {items.map((hunt) => (
            <tr key={hunt.id}>
              <th scope="row">
                {hunt.name} <span className="hunt-said">{hunt.sentence}</span>
              </th>
              <td>
                {t.states[hunt.state]}{' '}
                {mayStop && (hunt.state === 'running' || hunt.state === 'waiting') && (
                  <Button onClick={() => void stop(hunt.id)}>{t.stop}</Button>
                )}
              </td>
              <td className="number">{t.progress(hunt.parts_done, hunt.parts)}</td>
              <td className="number">
                {hunt.alerts === 0 ? 0 : <Link to="/alerts">{hunt.alerts.toLocaleString('en')}</Link>}
              </td>
              <td>
                <Ago at={hunt.started} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function NewHunt({ mayKeep }: { mayKeep: boolean }) {
  const client = useQueryClient();
  const [kind, setKind] = useState<(typeof KINDS)[number]>('indicators');
  const [name, setName] = useState('');
  const [text, setText] = useState('');
  const [keep, setKeep] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const start = async () => {
    setError(null);
    try {
      const said = name.trim() === '' ? t.kinds[kind] : name.trim();
      if (keep && kind === 'indicators') {
        const body = { text, source: said };
        const got = await api.post<{ added: number; allowed_count: number }>('/v1/indicators/import', body);
        didIt(t.saidImported(got.added, got.allowed_count));
      }
      await api.post('/v1/hunts', { kind, text, name: said });
      setText('');
      didIt(t.saidStarted(said));
    } catch (failure) {
      setError(failure);
    }
    await client.invalidateQueries({ queryKey: ['answer'] });
  };
  return (
    <details className="new-response">
      <summary>{t.newTitle}</summary>
      <form
        aria-label={t.newTitle}
        onSubmit={(event) => {
          event.preventDefault();
          if (text.trim() !== '') void start();
        }}
      >
        <div className="inline-form">
          <NativeSelect
            label={t.kind}
            value={kind}
            data={optionsOf(KINDS, t.kinds)}
            onChange={(event) => setKind(event.currentTarget.value as (typeof KINDS)[number])}
          />
          <TextInput
            label={t.name}
            value={name}
            maxLength={200}
            onChange={(event) => setName(event.currentTarget.value)}
          />
        </div>
        <Textarea
          label={t.text}
          description={t.textHelp}
          value={text}
          rows={8}
          spellCheck={false}
          classNames={{ input: 'mono' }}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        {mayKeep && kind === 'indicators' && (
          <Checkbox
            size="md"
            label={t.keep}
            checked={keep}
            onChange={(event) => setKeep(event.currentTarget.checked)}
          />
        )}
        <Problem error={error} />
        <p className="buttons">
          <Button type="submit">{t.start}</Button>
        </p>
      </form>
    </details>
  );
}

function Lists({ lists, mayRemove }: { lists: Indicators; mayRemove: boolean }) {
  const client = useQueryClient();
  const remove = async (source: string) => {
    const { removed } = await api.delete<{ removed: number }>(`/v1/indicators?source=${encodeURIComponent(source)}`);
    await client.invalidateQueries({ queryKey: ['answer', LISTS] });
    didIt(t.saidRemoved(removed));
  };
  return (
    <section className="panel" aria-label={t.lists}>
      <h2>{t.lists}</h2>
      <ul className="plain-list">
        {lists.sources.map(({ source, count, patterns }) => (
          <li key={source}>
            {source} <span className="dim">{t.list(count + patterns)}</span>{' '}
            {mayRemove && (
              <Button aria-label={`${t.remove}: ${source}`} onClick={() => void remove(source)}>
                {t.remove}
              </Button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
