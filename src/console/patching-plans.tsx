/** Plans: maintenance windows and times of no work, the list of plans, and one plan with its tasks and their proof. */

import { Button, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from './api-client.ts';
import { useAnswer } from './api-queries.ts';
import { useFilters } from './filters.ts';
import { Empty, Problem, Waiting } from './notice.tsx';
import { chosenActions, takeChosen } from './patching-chosen.ts';
import { PatchingPairs } from './patching-pairs.tsx';
import { PatchingPlan } from './patching-plan.tsx';
import type { PlanAnswer, PlanRow, WindowRow } from './patching-types.ts';
import { texts } from './texts.ts';
import { Ago, Moment } from './time.tsx';

const t = texts.patching.plans;
const PATHS = { windows: '/v1/patching/windows', blackouts: '/v1/patching/blackouts' } as const;
const PLANS = '/v1/patching/plans';

export default function PatchingPlans() {
  const [filters] = useFilters();
  if (filters.id !== undefined) return <PatchingPlan key={filters.id} id={filters.id} />;
  return (
    <>
      <NewPlan />
      <PlanList />
      <Times kind="windows" title={t.title} />
      <Times kind="blackouts" title={t.blackouts} />
      <PatchingPairs />
    </>
  );
}

function NewPlan() {
  const client = useQueryClient();
  const [, setFilters] = useFilters();
  const [name, setName] = useState('');
  const [error, setError] = useState<unknown>(null);
  const chosen = chosenActions();
  const make = async () => {
    setError(null);
    try {
      const plan = await api.post<PlanAnswer>(PLANS, {
        name: name.trim() || new Date().toISOString().slice(0, 10),
        windows: [],
        actions: chosen,
      });
      takeChosen([]);
      await client.invalidateQueries({ queryKey: ['answer', PLANS] });
      setFilters({ id: plan.id });
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <section className="panel" aria-labelledby="new-plan">
      <h2 id="new-plan">{t.make}</h2>
      <Problem error={error} />
      <form
        className="line line-end"
        onSubmit={(event) => {
          event.preventDefault();
          void make();
        }}
      >
        <TextInput
          label={t.planName}
          value={name}
          maxLength={120}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <Button type="submit">{t.make}</Button>
        {chosen.length > 0 && <span className="dim">{texts.patching.actions.chosen(chosen.length)}</span>}
      </form>
    </section>
  );
}

function PlanList() {
  const { data, error } = useAnswer<{ items: readonly PlanRow[] }>(PLANS);
  return (
    <section className="panel" aria-labelledby="plans">
      <h2 id="plans">{t.list}</h2>
      <Problem error={error} />
      {!data && !error && <Waiting rows={3} />}
      {data?.items.length === 0 && <Empty title={t.none}>{t.noneText}</Empty>}
      {data && data.items.length > 0 && (
        <ul className="plain-list">
          {data.items.map((plan) => (
            <li key={plan.id}>
              <Link to="/patching" search={{ tab: 'plans', id: plan.id }}>
                {plan.name}
              </Link>{' '}
              <span className="dim">
                {t.states[plan.state]} · {t.tasks(plan.tasks)}
                {plan.unplaced > 0 && ` · ${t.unplaced(plan.unplaced)}`} · {plan.by} · <Ago at={plan.created} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Times({ kind, title }: { kind: keyof typeof PATHS; title: string }) {
  const client = useQueryClient();
  const { data, error } = useAnswer<{ items: readonly WindowRow[] }>(PATHS[kind]);
  const [problem, setProblem] = useState<unknown>(null);
  const refresh = () => client.invalidateQueries({ queryKey: ['answer', PATHS[kind]] });
  const remove = async (id: string) => {
    setProblem(null);
    await api.delete(`${PATHS[kind]}/${encodeURIComponent(id)}`).catch(setProblem);
    await refresh();
  };
  return (
    <section className="panel" aria-labelledby={kind}>
      <h2 id={kind}>{title}</h2>
      <Problem error={error ?? problem} />
      {data?.items.length === 0 &&
        (kind === 'windows' ? (
          <Empty title={t.windowNone}>{t.windowNoneText}</Empty>
        ) : (
          <p className="dim">{t.blackoutNone}</p>
        ))}
      <ul className="plain-list">
        {data?.items.map((one) => (
          <li key={one.id} className="line">
            <strong>{one.name}</strong> <Moment at={one.starts} /> – <Moment at={one.ends} />
            {one.repeat_days !== null && <span className="dim"> {t.every(one.repeat_days)}</span>}
            <span className="dim">
              {[...one.scope.departments, ...one.scope.classes, ...one.scope.assets].join(', ') || t.allScope}
            </span>
            <Button aria-label={t.remove(one.name)} onClick={() => void remove(one.id)}>
              {t.removeShort}
            </Button>
          </li>
        ))}
      </ul>
      <AddTime kind={kind} onAdded={() => void refresh()} />
    </section>
  );
}

const localNow = (plusHours: number) => {
  const at = new Date(Date.now() + plusHours * 3_600_000);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
};

const OPTIONAL = new Set<string>(['repeat', 'departments', 'classes', 'assets']);
const listOf = (text: string): string[] =>
  text
    .split(',')
    .map((one) => one.trim())
    .filter(Boolean);

function AddTime({ kind, onAdded }: { kind: keyof typeof PATHS; onAdded: () => void }) {
  const [form, setForm] = useState({
    name: '',
    starts: localNow(1),
    ends: localNow(5),
    repeat: '',
    parallel: '4',
    departments: '',
    classes: '',
    assets: '',
  });
  const [error, setError] = useState<unknown>(null);
  const field = (key: keyof typeof form, label: string, type = 'text') => (
    <TextInput
      key={key}
      label={label}
      type={type}
      value={form[key]}
      maxLength={1000}
      required={!OPTIONAL.has(key)}
      onChange={(event) => setForm({ ...form, [key]: event.currentTarget.value })}
    />
  );
  const add = async () => {
    setError(null);
    try {
      await api.post(PATHS[kind], {
        name: form.name.trim(),
        starts: new Date(form.starts).toISOString(),
        ends: new Date(form.ends).toISOString(),
        repeat_days: form.repeat === '' ? null : Number(form.repeat),
        ...(kind === 'windows' ? { parallel: Number(form.parallel) } : {}),
        scope: {
          departments: listOf(form.departments),
          classes: listOf(form.classes),
          assets: listOf(form.assets),
        },
      });
      setForm({ ...form, name: '' });
      onAdded();
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <details>
      <summary>{kind === 'windows' ? t.addWindow : t.addBlackout}</summary>
      <Problem error={error} />
      <form
        className="filters"
        onSubmit={(event) => {
          event.preventDefault();
          void add();
        }}
      >
        {field('name', t.name)}
        {field('starts', t.starts, 'datetime-local')}
        {field('ends', t.ends, 'datetime-local')}
        {field('repeat', t.repeat, 'number')}
        {kind === 'windows' && field('parallel', t.parallel, 'number')}
        {field('departments', t.departments)}
        {field('classes', t.classes)}
        {field('assets', t.assets)}
        <Button type="submit">{t.add}</Button>
      </form>
    </details>
  );
}
