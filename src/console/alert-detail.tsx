/** One alert: why it fired with the words marked in the raw event, what usually explains it, and what to do. */

import { Link } from '@tanstack/react-router';
import { createElement, type ReactNode } from 'react';
import type { Alert, EventRecord } from '../core/records.ts';
import { useAnswer } from './api-queries.ts';
import { EntityChips } from './entity-chip.tsx';
import { markWords } from './mark-words.ts';
import { Problem, Waiting } from './notice.tsx';
import { texts } from './texts.ts';
import { detectionTexts } from './texts-detection.ts';
import { Moment } from './time.tsx';

const t = texts.alerts;
const SHOWN_EVENTS = 20;

/** Text with the words that a rule found, marked. */
function Marked({ text, words }: { text: string; words: readonly string[] }) {
  return (
    <>
      {markWords(text, words).map((part) =>
        part.marked ? <mark key={part.at}>{part.text}</mark> : <span key={part.at}>{part.text}</span>,
      )}
    </>
  );
}

function RawEvent({ id, words }: { id: string; words: readonly string[] }) {
  const { data, error } = useAnswer<EventRecord>(`/v1/events/${encodeURIComponent(id)}`);
  if (error) return <Problem error={error} />;
  if (!data) return <Waiting rows={2} />;
  return (
    <pre className="raw">
      <Marked text={data.raw} words={words} />
    </pre>
  );
}

/** The parts of an alert below its title; `level` is the rank of its headings on the page. */
export function AlertBody({ alert, level }: { alert: Alert; level: 3 | 4 }) {
  const heading = (text: ReactNode) => createElement(`h${level}`, null, text);
  const words = alert.matched.flatMap((match) => (match.words.length > 0 ? match.words : [match.value]));
  const event = alert.matched.find((match) => match.event)?.event ?? alert.events[0];
  return (
    <div className="alert-body">
      <p className="dim">
        {alert.rule.title} {texts.terms(alert.rule.tags)} · {t.from(alert.source.name)} · <Moment at={alert.time} />
      </p>
      {heading(t.entities)}
      <EntityChips entities={alert.entities} />
      {heading(t.why)}
      {alert.rule.description && <p>{alert.rule.description}</p>}
      <dl className="matched">
        {alert.matched.map((match) => (
          <div key={`${match.field} ${match.value} ${match.event ?? ''}`}>
            <dt className="mono">{match.field}</dt>
            <dd className="mono">
              <Marked text={match.value} words={match.words} />
            </dd>
          </div>
        ))}
      </dl>
      {event && <RawEvent id={event} words={words} />}
      {event && (
        <p>
          <Link to="/rules" search={{ id: alert.rule.id, event }}>
            {detectionTexts.rules.whyFired}
          </Link>
        </p>
      )}
      <Events alert={alert} />
      {alert.rule.false_positives.length > 0 && (
        <>
          {heading(t.harmless)}
          <ul>
            {alert.rule.false_positives.map((text) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
        </>
      )}
      {alert.rule.response && (
        <>
          {heading(t.todo)}
          <p>{alert.rule.response}</p>
        </>
      )}
    </div>
  );
}

function Events({ alert }: { alert: Alert }) {
  if (alert.events.length === 0) return null;
  return (
    <p className="dim">
      {t.events(alert.event_count)}{' '}
      {alert.events.slice(0, SHOWN_EVENTS).map((id, index) => (
        <span key={id}>
          <Link to="/events" search={{ id, range: '30d' }} aria-label={t.event(index + 1)}>
            {index + 1}
          </Link>{' '}
        </span>
      ))}
    </p>
  );
}
