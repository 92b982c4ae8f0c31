/** On an incident: what would stop it, one button each, with the effect before the confirmation; and what was done so far. */

import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { Incident } from '../core/records.ts';
import { useAnswer } from './api-queries.ts';
import type { Page } from './api-types.ts';
import { type ResponseItem, type ResponseKind, ResponseOrder, useMayRespond } from './response-form.tsx';
import { responseTexts as t } from './texts-responses.ts';
import { Ago } from './time.tsx';

const SHOWN = 3;

interface Choice {
  readonly kind: ResponseKind;
  readonly target: string;
  readonly label: string;
}

function choicesOf(incident: Incident): Choice[] {
  const values = (type: string, role?: string) =>
    incident.entities
      .filter((one) => one.type === type && (role === undefined || one.role === role))
      .map((one) => one.value);
  const accounts = values('account').slice(0, SHOWN);
  return [
    ...values('address', 'attacker')
      .slice(0, SHOWN)
      .map((target) => ({ kind: 'block' as const, target, label: t.onIncident.block(target) })),
    ...accounts.map((target) => ({ kind: 'disable-account' as const, target, label: t.onIncident.disable(target) })),
    ...accounts.map((target) => ({ kind: 'revoke-sessions' as const, target, label: t.onIncident.sessions(target) })),
  ];
}

export function IncidentResponses({ incident }: { incident: Incident }) {
  const { analyst } = useMayRespond();
  const [chosen, setChosen] = useState<Choice | null>(null);
  const past = useAnswer<Page<ResponseItem>>(`/v1/responses?incident=${incident.id}&limit=50`);
  const choices = incident.state === 'open' && analyst ? choicesOf(incident) : [];
  const items = past.data?.items ?? [];
  if (choices.length === 0 && items.length === 0) return null;
  return (
    <section aria-labelledby="stop-it">
      <h3 id="stop-it">{t.onIncident.title}</h3>
      {items.length > 0 && (
        <ul className="plain-list">
          {items.map((item) => (
            <li key={item.id}>
              <Link to="/responses" search={{ id: item.id }}>
                {t.kinds[item.kind]}: <span className="mono">{item.target}</span>
              </Link>{' '}
              <span className="dim">
                {t.states[item.state]}
                {item.simulated && `, ${t.simulated}`},{' '}
                <Ago at={item.ended_at ?? item.approved_at ?? item.proposed_at} />
              </span>
            </li>
          ))}
        </ul>
      )}
      {choices.length > 0 && (
        <p className="buttons">
          {choices.map((choice) => (
            <Button
              key={choice.label}
              aria-expanded={chosen?.label === choice.label}
              onClick={() => setChosen(chosen?.label === choice.label ? null : choice)}
            >
              {choice.label}
            </Button>
          ))}
        </p>
      )}
      {chosen && (
        <ResponseOrder
          key={chosen.label}
          kind={chosen.kind}
          target={chosen.target}
          incident={incident.id}
          reason={t.onIncident.reason(incident.title).slice(0, 500)}
          onDone={() => setChosen(null)}
        />
      )}
    </section>
  );
}
