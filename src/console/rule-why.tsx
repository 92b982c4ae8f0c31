/** Why a rule fires on an event or does not: every predicate with what it saw, and the bytes that fulfilled it. */

import { Button, TextInput } from '@mantine/core';
import { useCallback, useEffect, useState } from 'react';
import { api } from './api-client.ts';
import { Problem } from './notice.tsx';
import { detectionTexts } from './texts-detection.ts';

const t = detectionTexts.rules;

interface Why {
  readonly what: string;
  readonly holds: boolean;
  readonly field: string | null;
  readonly asked: string | null;
  readonly value: string | null;
  readonly bytes: readonly [number, number] | null;
  readonly of: readonly Why[];
}
interface RuleWhy {
  readonly rule: string;
  readonly title: string;
  readonly sentence: string;
  readonly why: Why | null;
  readonly members: readonly RuleWhy[];
}

/** @param event the event that somebody came from: asked at once */
export function Explain({ rule, event: given }: { rule: { readonly id: string }; event: string }) {
  const [event, setEvent] = useState(given);
  const [answer, setAnswer] = useState<RuleWhy | null>(null);
  const [error, setError] = useState<unknown>(null);
  const ask = useCallback(
    (id: string) => {
      setError(null);
      api.post<RuleWhy>('/v1/detection/explain', { rule: rule.id, event: id }).then(setAnswer, setError);
    },
    [rule.id],
  );
  useEffect(() => {
    if (given !== '') ask(given);
  }, [given, ask]);
  return (
    <section>
      <h3>{t.explain}</h3>
      <form
        className="inline-form"
        aria-label={t.explain}
        onSubmit={(submitted) => {
          submitted.preventDefault();
          if (event.trim() !== '') ask(event.trim());
        }}
      >
        <TextInput
          label={t.explainEvent}
          value={event}
          maxLength={64}
          onChange={(change) => setEvent(change.currentTarget.value)}
        />
        <Button type="submit">{t.explainGo}</Button>
      </form>
      <Problem error={error} />
      {answer && <Answer answer={answer} />}
    </section>
  );
}

function Answer({ answer }: { answer: RuleWhy }) {
  return (
    <>
      <p>{answer.sentence}</p>
      {answer.why && (
        <ul>
          <Predicate why={answer.why} />
        </ul>
      )}
      {answer.members.map((member) => (
        <section key={member.rule}>
          <h4>{member.title}</h4>
          <Answer answer={member} />
        </section>
      ))}
    </>
  );
}

/** The value with the bytes marked that fulfilled the predicate. */
function Seen({ value, bytes }: Pick<Why, 'value' | 'bytes'>) {
  if (value === null) return <>{t.missing}</>;
  if (bytes === null) return <>{value}</>;
  const whole = new TextEncoder().encode(value);
  const part = (from: number, to?: number) => new TextDecoder().decode(whole.subarray(from, to));
  return (
    <>
      {part(0, bytes[0])}
      <mark>{part(bytes[0], bytes[1])}</mark>
      {part(bytes[1])} <span className="dim">{t.bytes(bytes[0], bytes[1])}</span>
    </>
  );
}

function Predicate({ why }: { why: Why }) {
  return (
    <li>
      <span aria-hidden="true">{why.holds ? '✓' : '✗'}</span>{' '}
      {why.what === 'test' ? (
        <span className="mono">
          {why.field} {why.asked} — <Seen value={why.value} bytes={why.bytes} />
        </span>
      ) : (
        why.what
      )}
      {why.of.length > 0 && (
        <ul>
          {why.of.map((one, i) => (
            // A tree that never changes its order.
            // biome-ignore lint/suspicious/noArrayIndexKey: predicates have no name of their own
            <Predicate key={i} why={one} />
          ))}
        </ul>
      )}
    </li>
  );
}
