/** Redundancy pairs: assets that stand in for each other, from inventories and as people name them. */

import { Button, TextInput } from '@mantine/core';
import { useState } from 'react';
import { api } from './api-client.ts';
import { useAnswer } from './api-queries.ts';
import { Problem } from './notice.tsx';
import { texts } from './texts.ts';

const t = texts.patching.pairs;
const PATH = '/v1/patching/pairs';
interface PairRow {
  readonly id: string | null;
  readonly name: string;
  readonly assets: readonly string[];
}

export function PatchingPairs() {
  const { data, error, refetch } = useAnswer<{ items: readonly PairRow[] }>(PATH);
  const [form, setForm] = useState({ name: '', assets: '' });
  const [problem, setProblem] = useState<unknown>(null);
  const act = async (work: () => Promise<unknown>) => {
    setProblem(null);
    try {
      await work();
    } catch (fault) {
      setProblem(fault);
    }
    await refetch();
  };
  const add = () =>
    act(async () => {
      const assets = form.assets
        .split(',')
        .map((one) => one.trim())
        .filter(Boolean);
      await api.post(PATH, { name: form.name.trim(), assets });
      setForm({ name: '', assets: '' });
    });
  return (
    <section className="panel" aria-labelledby="pairs">
      <h2 id="pairs">{t.title}</h2>
      <p className="dim">{t.text}</p>
      <Problem error={error ?? problem} />
      {data?.items.length === 0 && <p className="dim">{t.none}</p>}
      <ul className="plain-list">
        {data?.items.map((pair) => (
          <li key={pair.id ?? `listed ${pair.name}`} className="line">
            <strong>{pair.name}</strong> {pair.assets.join(', ')}
            {pair.id === null ? (
              <span className="dim">{t.listed}</span>
            ) : (
              <Button
                aria-label={t.remove(pair.name)}
                onClick={() => void act(() => api.delete(`${PATH}/${encodeURIComponent(pair.id ?? '')}`))}
              >
                {texts.patching.plans.removeShort}
              </Button>
            )}
          </li>
        ))}
      </ul>
      <details>
        <summary>{t.add}</summary>
        <form
          className="filters"
          aria-label={t.add}
          onSubmit={(event) => {
            event.preventDefault();
            void add();
          }}
        >
          <TextInput
            label={t.name}
            value={form.name}
            maxLength={120}
            required
            onChange={(event) => setForm({ ...form, name: event.currentTarget.value })}
          />
          <TextInput
            label={t.assets}
            value={form.assets}
            maxLength={2000}
            required
            onChange={(event) => setForm({ ...form, assets: event.currentTarget.value })}
          />
          <Button type="submit">{texts.patching.plans.add}</Button>
        </form>
      </details>
    </section>
  );
}
