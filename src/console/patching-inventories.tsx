/** Inventories: one is brought as a file, with headings told where a table has unusual ones; and how fresh those of all assets are. */

import { Button, TextInput } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useRef, useState } from 'react';
import { api, withParams } from './api-client.ts';
import { useAnswer, useSession } from './api-queries.ts';
import { Empty, Problem, Waiting } from './notice.tsx';
import { texts } from './texts.ts';
import { Ago } from './time.tsx';

const t = texts.patching.inventories;
const PATH = '/v1/patching/inventories';
interface Taken {
  readonly assets: number;
  readonly created: number;
  readonly opened: number;
  readonly fixed: number;
  readonly judged: number;
  readonly merged: readonly { readonly asset: string; readonly reason: string }[];
  readonly unjudged: readonly { readonly host: string; readonly reason: string; readonly count: number }[];
  readonly faults: Readonly<Record<string, number>>;
}
interface StateRow {
  readonly asset: string;
  readonly name: string;
  readonly newest: string;
  readonly fresh: boolean;
  readonly sources: readonly string[];
  readonly judged: number;
  readonly reasons: readonly string[];
}

export default function PatchingInventories() {
  const { data, error, refetch } = useAnswer<{ items: readonly StateRow[] }>(PATH);
  const role = useSession()?.person?.role;
  return (
    <>
      {role !== 'viewer' && <Bring onTaken={() => void refetch()} />}
      <section className="panel" aria-labelledby="inventories">
        <h2 id="inventories">{t.title}</h2>
        <Problem error={error} />
        {!data && !error && <Waiting rows={6} />}
        {data?.items.length === 0 && (
          <Empty title={t.none} command={t.command}>
            {t.noneText}
          </Empty>
        )}
        {data && data.items.length > 0 && <States rows={data.items} />}
      </section>
    </>
  );
}

function States({ rows }: { rows: readonly StateRow[] }) {
  return (
    <div className="scroll-x">
      <table className="plain wide">
        <thead>
          <tr>
            {[t.asset, t.newest, t.sources, t.judged, t.unjudged].map((head) => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.asset}>
              <th scope="row">
                <Link to="/assets" search={{ id: row.asset }}>
                  {row.name}
                </Link>
              </th>
              <td>
                <Ago at={row.newest} />
                {!row.fresh && <div>{t.old}</div>}
              </td>
              <td>{row.sources.join(', ')}</td>
              <td>{row.judged.toLocaleString('en')}</td>
              <td>{row.reasons.join('; ') || '–'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Bring({ onTaken }: { onTaken: () => void }) {
  const file = useRef<HTMLInputElement>(null);
  const [form, setForm] = useState({ asset: '', release: '', columns: '' });
  const [state, setState] = useState<{ sent?: number; taken?: Taken; error?: unknown; missing?: boolean }>({});
  const take = async () => {
    const chosen = file.current?.files?.[0];
    if (chosen === undefined) return setState({ missing: true });
    setState({ sent: 0 });
    try {
      const path = withParams(PATH, {
        asset: form.asset.trim(),
        release: form.release.trim(),
        columns: form.columns.trim(),
      });
      const taken = await api.upload<Taken>(path, chosen, (part) => setState({ sent: Math.floor(part * 100) }));
      setState({ taken });
      onTaken();
    } catch (error) {
      setState({ error });
    }
  };
  const field = (key: keyof typeof form, label: string, description: string) => (
    <TextInput
      label={label}
      description={description}
      value={form[key]}
      maxLength={1000}
      onChange={(event) => setForm({ ...form, [key]: event.currentTarget.value })}
    />
  );
  return (
    <section className="panel" aria-labelledby="bring-inventory">
      <h2 id="bring-inventory">{t.bring}</h2>
      <p className="dim">{t.formats}</p>
      <form
        className="inline-form"
        aria-label={t.bring}
        onSubmit={(event) => {
          event.preventDefault();
          void take();
        }}
      >
        <label htmlFor="inventory-file">{t.file}</label>
        <input id="inventory-file" ref={file} type="file" aria-invalid={state.missing === true} />
        {state.missing && <p role="alert">{texts.patching.feeds.fileMissing}</p>}
        {field('asset', t.assetName, t.assetHelp)}
        {field('release', t.release, t.releaseHelp)}
        {field('columns', t.columns, t.columnsHelp)}
        <Problem error={state.error} />
        <p className="buttons">
          <Button type="submit" variant="filled" disabled={state.sent !== undefined}>
            {t.take}
          </Button>
        </p>
        <div role="status">
          {state.sent !== undefined && (state.sent < 100 ? texts.patching.feeds.sending(state.sent) : t.judging)}
          {state.taken && <Result taken={state.taken} />}
        </div>
      </form>
    </section>
  );
}

function Result({ taken }: { taken: Taken }) {
  const lines = [
    ...taken.merged.map((one) => `${one.asset}: ${one.reason}`),
    ...taken.unjudged.map((one) => t.notJudged(one.host, one.count, one.reason)),
    ...Object.entries(taken.faults).map(([what, count]) => t.notRead(what, count)),
  ].slice(0, 30);
  return (
    <>
      <p>{t.taken(taken.assets, taken.created, taken.judged, taken.opened, taken.fixed)}</p>
      <ul className="plain-list">
        {lines.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
    </>
  );
}
