/** Alerts of one rule that are to be kept silent: filters proposed from harmless ones, or one's own, with reason and end. */

import { Button, NativeSelect, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from './api-client.ts';
import { Problem } from './notice.tsx';
import type { Severity } from './severity.tsx';
import { detectionTexts } from './texts-detection.ts';
import { didIt } from './undo.ts';

const t = detectionTexts.rules;
const DAY_MS = 86_400_000;
export const SUPPRESSIONS = '/v1/detection/suppressions';
const OPS = ['equals', 'startswith', 'endswith', 'contains', 'cidr'] as const;

export interface RuleRow {
  readonly id: string;
  readonly title: string;
  readonly level: Parameters<typeof Severity>[0]['level'];
  readonly kind: string;
  readonly tags: readonly string[];
  readonly file: string;
  readonly enabled: boolean;
  readonly alerts: number;
  readonly suppressed: number;
  readonly real: number;
  readonly harmless: number;
  readonly precision: number | null;
  readonly quarantined: string | null;
}
interface Condition {
  readonly field: string;
  readonly op: string;
  readonly value: string;
}
export interface Suppression {
  readonly id: string;
  readonly rule: string | null;
  readonly conditions: readonly Condition[];
  readonly until: string;
  readonly owner: string;
  readonly reason: string;
  readonly count: number;
}
interface Tuned {
  readonly sentence: string;
  readonly proposals: readonly { readonly conditions: readonly Condition[]; readonly sentence: string }[];
}

export const conditionText = ({ field, op, value }: Condition): string => `${field} ${op} ${value}`;

/** Keeps alerts silent, says so, and can take it back. */
function useSilence(rule: string) {
  const client = useQueryClient();
  return async (conditions: readonly Condition[], days: number, reason: string): Promise<void> => {
    const until = new Date(Date.now() + days * DAY_MS).toISOString();
    const made = await api.post<Suppression>(SUPPRESSIONS, { rule, conditions, until, reason });
    const renew = () => client.invalidateQueries({ queryKey: ['answer', SUPPRESSIONS] });
    await renew();
    didIt(t.saidSilent, async () => {
      await api.delete(`${SUPPRESSIONS}/${made.id}`);
      await renew();
    });
  };
}

export function Quiet({ rule }: { rule: RuleRow }) {
  const silence = useSilence(rule.id);
  const [tuned, setTuned] = useState<Tuned | null>(null);
  const [days, setDays] = useState('90');
  const [reason, setReason] = useState('');
  const [own, setOwn] = useState<Condition>({ field: 'entity.address', op: 'equals', value: '' });
  const [missing, setMissing] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const guard = (work: () => Promise<void>) => {
    setError(null);
    work().catch(setError);
  };
  const use = (conditions: readonly Condition[], why: string) => guard(() => silence(conditions, Number(days), why));
  const submit = () => {
    setMissing(reason.trim() === '' || own.value.trim() === '');
    if (reason.trim() !== '' && own.value.trim() !== '')
      use([{ ...own, field: own.field.trim(), value: own.value.trim() }], reason.trim());
  };
  return (
    <section>
      <h3>{t.quiet}</h3>
      <p>
        <Button onClick={() => guard(async () => setTuned(await api.post('/v1/detection/tune', { rule: rule.id })))}>
          {t.tune}
        </Button>
      </p>
      {tuned && tuned.proposals.length === 0 && <p>{tuned.sentence}</p>}
      <ul className="plain-list">
        {tuned?.proposals.map((one) => (
          <li key={one.sentence}>
            {one.sentence}{' '}
            <Button onClick={() => use(one.conditions, reason.trim() || t.silentReason)}>{t.tuneUse(days)}</Button>
          </li>
        ))}
      </ul>
      <form
        className="inline-form"
        aria-label={t.quietOwn}
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <TextInput
          label={t.quietField}
          description={t.quietFieldHelp}
          value={own.field}
          maxLength={128}
          onChange={(event) => setOwn({ ...own, field: event.currentTarget.value })}
        />
        <NativeSelect
          label={t.quietOp}
          value={own.op}
          data={OPS.map((value) => ({ value, label: t.ops[value] }))}
          onChange={(event) => setOwn({ ...own, op: event.currentTarget.value })}
        />
        <TextInput
          label={t.quietValue}
          value={own.value}
          maxLength={1024}
          onChange={(event) => setOwn({ ...own, value: event.currentTarget.value })}
        />
        <NativeSelect
          label={t.quietDays}
          value={days}
          data={[...t.quietDurations]}
          onChange={(event) => setDays(event.currentTarget.value)}
        />
        <TextInput
          label={t.quietReason}
          value={reason}
          maxLength={400}
          error={missing ? t.quietMissing : undefined}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        <Button type="submit">{t.quietGo}</Button>
      </form>
      <Problem error={error} />
    </section>
  );
}
