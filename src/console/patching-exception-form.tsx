/** The form of an exception: who answers for it, why, what protects meanwhile, and until when. */

import { Button, Textarea, TextInput } from '@mantine/core';
import { useState } from 'react';
import { api } from './api-client.ts';
import { Problem } from './notice.tsx';
import { texts } from './texts.ts';
import { didIt } from './undo.ts';

const t = texts.patching.exceptions;
const DAY_MS = 86_400_000;
const DAYS = 90;
const DAYS_MAX = 365;
const dayIn = (days: number) => new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 10);

/** @param what the findings themselves, or the action that closes them */
export function ExceptionForm({
  what,
  label,
  onDone,
}: {
  what: { readonly findings: readonly string[] } | { readonly action: string };
  label: string;
  onDone: () => void;
}) {
  const [form, setForm] = useState({ owner: '', reason: '', control: '', until: dayIn(DAYS) });
  const [tried, setTried] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const short = (text: string, least: number) => text.trim().length < least;
  const wrong = short(form.owner, 1) || short(form.reason, 3) || short(form.control, 3) || form.until === '';
  const submit = async () => {
    setTried(true);
    setError(null);
    if (wrong) return;
    try {
      const { accepted } = await api.post<{ accepted: number }>('/v1/patching/exceptions', {
        ...what,
        owner: form.owner.trim(),
        reason: form.reason.trim(),
        control: form.control.trim(),
        until: `${form.until}T00:00:00.000Z`,
      });
      didIt(t.done(accepted));
      onDone();
    } catch (problem) {
      setError(problem);
    }
  };
  const set = (key: keyof typeof form) => (event: { currentTarget: { value: string } }) =>
    setForm({ ...form, [key]: event.currentTarget.value });
  return (
    <form
      className="inline-form"
      aria-label={label}
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <TextInput
        label={t.owner}
        description={t.ownerHelp}
        value={form.owner}
        maxLength={200}
        error={tried && short(form.owner, 1) ? t.ownerMissing : undefined}
        onChange={set('owner')}
      />
      <Textarea
        label={t.reason}
        value={form.reason}
        maxLength={1500}
        error={tried && short(form.reason, 3) ? t.reasonMissing : undefined}
        onChange={set('reason')}
      />
      <Textarea
        label={t.control}
        description={t.controlHelp}
        value={form.control}
        maxLength={1500}
        error={tried && short(form.control, 3) ? t.controlMissing : undefined}
        onChange={set('control')}
      />
      <TextInput
        type="date"
        label={t.until}
        description={t.untilHelp}
        value={form.until}
        min={dayIn(1)}
        max={dayIn(DAYS_MAX)}
        error={tried && form.until === '' ? t.untilMissing : undefined}
        onChange={set('until')}
      />
      <Problem error={error} />
      <p className="buttons">
        <Button type="submit" variant="filled">
          {t.make}
        </Button>
        <Button onClick={onDone}>{texts.cancel}</Button>
      </p>
    </form>
  );
}
