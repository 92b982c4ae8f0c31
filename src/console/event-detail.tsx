/** One event: the raw record, the normalised columns that pivot, and the original fields. */

import { Button, TextInput } from '@mantine/core';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import type { EventRecord } from '../core/records.ts';
import { useAnswer } from './api-queries.ts';
import { CopyLine } from './copy-line.tsx';
import { queryValue } from './entity-chip.tsx';
import { Problem, Waiting } from './notice.tsx';
import { texts } from './texts.ts';
import { detectionTexts } from './texts-detection.ts';
import { Moment, utc } from './time.tsx';

const t = texts.events;
const why = detectionTexts.rules;

/** From an event to the rule that somebody expected to fire on it. */
function AskRule({ event }: { event: string }) {
  const navigate = useNavigate();
  const { data } = useAnswer<{ readonly items: readonly { readonly id: string; readonly title: string }[] }>(
    '/v1/detection/rules',
  );
  const [name, setName] = useState('');
  const [unknown, setUnknown] = useState(false);
  const rules = data?.items ?? [];
  const go = () => {
    const wanted = name.trim().toLowerCase();
    const rule = rules.find(({ id, title }) => id.toLowerCase() === wanted || title.toLowerCase() === wanted);
    setUnknown(rule === undefined);
    if (rule) void navigate({ to: '/rules', search: { id: rule.id, event } });
  };
  return (
    <form
      className="inline-form"
      aria-label={why.whyEvent}
      onSubmit={(submitted) => {
        submitted.preventDefault();
        go();
      }}
    >
      <TextInput
        label={why.whyEvent}
        description={why.whyHelp}
        value={name}
        list="rules-by-title"
        maxLength={200}
        error={unknown ? why.whyUnknown : undefined}
        onChange={(change) => setName(change.currentTarget.value)}
      />
      <datalist id="rules-by-title">
        {rules.map(({ id, title }) => (
          <option key={id} value={title} />
        ))}
      </datalist>
      <Button type="submit">{why.explainGo}</Button>
    </form>
  );
}

export function EventDetail({ id }: { id: string }) {
  const { data: event, error, refetch } = useAnswer<EventRecord>(`/v1/events/${encodeURIComponent(id)}`);
  if (!event) return error ? <Problem error={error} retry={() => void refetch()} /> : <Waiting rows={12} />;
  const show = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
  return (
    <article className="detail">
      <header className="detail-head">
        <h2>{t.one}</h2>
        <p>
          <Moment at={event.time} /> <span className="dim">{utc(event.time)}</span>
        </p>
      </header>
      {event.marks.length > 0 && <p className="notice">{t.marks(event.marks)}</p>}
      <h3>{t.raw}</h3>
      <pre className="raw">{event.raw}</pre>
      <h3>{t.normalised}</h3>
      <table className="plain wide">
        <thead>
          <tr>
            <th scope="col">{t.column}</th>
            <th scope="col">{t.value}</th>
          </tr>
        </thead>
        <tbody>
          {Object.entries(event.ocsf).map(([column, value]) => (
            <tr key={column}>
              <th scope="row" className="mono">
                {column}
              </th>
              <td className="mono">
                {column === 'message' ? (
                  value
                ) : (
                  <Link to="/events" search={{ query: `${column}:${queryValue(String(value))}`, range: '24h' }}>
                    {value}
                  </Link>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <h3>{t.fields}</h3>
      <table className="plain wide">
        <thead>
          <tr>
            <th scope="col">{t.field}</th>
            <th scope="col">{t.value}</th>
          </tr>
        </thead>
        <tbody>
          {Object.entries(event.fields).map(([field, value]) => (
            <tr key={field}>
              <th scope="row" className="mono">
                {field}
              </th>
              <td className="mono">{show(value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <h3>{t.about}</h3>
      <dl className="facts">
        <div>
          <dt>{t.received}</dt>
          <dd>
            <Moment at={event.received} />
          </dd>
        </div>
        <div>
          <dt>{t.format}</dt>
          <dd className="mono">{event.format}</dd>
        </div>
        <div>
          <dt>{t.source}</dt>
          <dd>
            <Link to="/sources" search={{ id: event.source }} className="mono">
              {event.source}
            </Link>
          </dd>
        </div>
      </dl>
      <CopyLine text={event.id} label={t.id} />
      <AskRule event={event.id} />
    </article>
  );
}
