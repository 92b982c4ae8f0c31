/** The local policy as data: which rules count, days by severity and by what an asset is for, and what is assumed. */

import { Button, Checkbox, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from './api-client.ts';
import { useAnswer, useSession } from './api-queries.ts';
import { Problem, Waiting } from './notice.tsx';
import { texts } from './texts.ts';
import { didIt } from './undo.ts';

const t = texts.patching.policy;
const PATH = '/v1/patching/policy';
const SEVERITIES = ['critical', 'high', 'medium', 'low'] as const;
const TABLES = ['days', 'life_sustaining', 'diagnostic', 'contain_days'] as const;
const RULES = ['kev_date', 'bod_26_04', 'cyber_essentials'] as const;
const ASSUMED = ['exposed', 'automatable', 'total_impact'] as const;
type Days = Readonly<Record<(typeof SEVERITIES)[number], number | null>>;
type Policy = {
  readonly name: string;
  readonly assume: Readonly<Record<(typeof ASSUMED)[number], boolean>>;
  readonly end_of_life_days: number | null;
} & Readonly<Record<(typeof TABLES)[number], Days>> &
  Readonly<Record<(typeof RULES)[number], boolean>>;

export default function PatchingPolicy() {
  const { data, error, refetch } = useAnswer<Policy>(PATH);
  if (!data) return error ? <Problem error={error} retry={() => void refetch()} /> : <Waiting rows={8} />;
  return <PolicyForm key={JSON.stringify(data)} policy={data} />;
}

function PolicyForm({ policy }: { policy: Policy }) {
  const client = useQueryClient();
  const [form, setForm] = useState(policy);
  const [error, setError] = useState<unknown>(null);
  const role = useSession()?.person?.role;
  const readOnly = role !== 'lead' && role !== 'administrator';
  const save = async () => {
    setError(null);
    try {
      client.setQueryData(['answer', PATH], await api.post<Policy>(PATH, form));
      didIt(t.saved);
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <section className="panel" aria-labelledby="policy">
      <h2 id="policy">{t.title}</h2>
      <p className="dim">{t.text}</p>
      <Problem error={error} />
      <form
        aria-label={t.title}
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <fieldset disabled={readOnly} className="stack bare">
          <TextInput
            label={t.name}
            value={form.name}
            maxLength={100}
            onChange={(event) => setForm({ ...form, name: event.currentTarget.value })}
          />
          {RULES.map((rule) => (
            <Checkbox
              key={rule}
              label={t.rules[rule]}
              checked={form[rule]}
              onChange={(event) => setForm({ ...form, [rule]: event.currentTarget.checked })}
            />
          ))}
          <DayTable form={form} setForm={setForm} />
          <TextInput
            type="number"
            label={t.endOfLife}
            value={form.end_of_life_days ?? ''}
            min={0}
            max={3650}
            onChange={(event) => setForm({ ...form, end_of_life_days: daysOf(event.currentTarget.value) })}
          />
          <h3>{t.assume}</h3>
          {ASSUMED.map((what) => (
            <Checkbox
              key={what}
              label={t.assumed[what]}
              checked={form.assume[what]}
              onChange={(event) =>
                setForm({ ...form, assume: { ...form.assume, [what]: event.currentTarget.checked } })
              }
            />
          ))}
        </fieldset>
        <p className="buttons">
          {!readOnly && (
            <Button type="submit" variant="filled">
              {t.save}
            </Button>
          )}
          <a href={PATH} target="_blank" rel="noreferrer">
            {t.asData}
          </a>
        </p>
        {readOnly && <p className="dim">{t.leadOnly}</p>}
      </form>
    </section>
  );
}

const daysOf = (value: string): number | null => (value === '' ? null : Math.max(0, Math.trunc(Number(value))));

function DayTable({ form, setForm }: { form: Policy; setForm: (next: Policy) => void }) {
  return (
    <div className="scroll-x">
      <table className="plain wide">
        <thead>
          <tr>
            <th scope="col">{t.daysFor}</th>
            {SEVERITIES.map((severity) => (
              <th key={severity} scope="col">
                {texts.severity[severity]}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {TABLES.map((table) => (
            <tr key={table}>
              <th scope="row">{t.tables[table]}</th>
              {SEVERITIES.map((severity) => (
                <td key={severity}>
                  <TextInput
                    type="number"
                    aria-label={t.daysOf(t.tables[table], texts.severity[severity])}
                    value={form[table][severity] ?? ''}
                    min={0}
                    max={3650}
                    onChange={(event) =>
                      setForm({
                        ...form,
                        [table]: { ...form[table], [severity]: daysOf(event.currentTarget.value) },
                      })
                    }
                  />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
