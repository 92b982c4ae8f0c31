/** The query field with its language at hand, the position of a fault, and the time range. */

import { Button, NativeSelect, TextInput } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import type { ProblemError } from './api-client.ts';
import { useFilters } from './filters.ts';
import { useKeys } from './keys.ts';
import { texts } from './texts.ts';
import { localTime } from './time.tsx';
import { RANGES, type RangeName, type TimeRange } from './time-range.ts';

const t = texts.events;

interface QueryBarProps {
  readonly wrong: ProblemError | null;
  readonly range: TimeRange;
  readonly onAsk: () => void;
}

export function QueryBar({ wrong, range, onAsk }: QueryBarProps) {
  const [filters, setFilters] = useFilters();
  const [query, setQuery] = useState(filters.query ?? '');
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => setQuery(filters.query ?? ''), [filters.query]);
  useKeys({ '/': () => input.current?.focus() });
  const ask = (text: string) => {
    setQuery(text);
    onAsk();
    setFilters({ query: text.trim(), id: undefined });
  };
  return (
    <div className="query">
      <search>
        <form
          className="query-form"
          onSubmit={(event) => {
            event.preventDefault();
            ask(query);
          }}
        >
          <TextInput
            ref={input}
            className="query-field"
            classNames={{ input: 'mono' }}
            label={t.query}
            placeholder={t.placeholder}
            value={query}
            maxLength={2000}
            spellCheck={false}
            autoComplete="off"
            error={wrong ? <Fault query={filters.query ?? ''} wrong={wrong} /> : undefined}
            onChange={(event) => setQuery(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === 'Escape') event.currentTarget.blur();
            }}
          />
          <NativeSelect
            label={t.range}
            value={range.name ?? 'fixed'}
            data={[
              ...(range.name === null ? [{ value: 'fixed', label: t.fixed }] : []),
              ...(Object.keys(RANGES) as RangeName[]).map((value) => ({ value, label: t.ranges[value] })),
            ]}
            onChange={(event) => {
              onAsk();
              const value = event.currentTarget.value;
              if (value !== 'fixed') setFilters({ range: value, from: undefined, to: undefined });
            }}
          />
          <Button type="submit" variant="filled">
            {t.search}
          </Button>
        </form>
      </search>
      {range.name === null && (
        <p className="dim">
          {t.between(localTime(new Date(range.fromMs).toISOString()), localTime(new Date(range.toMs).toISOString()))}{' '}
          <Button onClick={() => setFilters({ range: '24h', from: undefined, to: undefined })}>{t.backToDay}</Button>
        </p>
      )}
      <details className="query-help">
        <summary>{t.help}</summary>
        <ul>
          {t.examples.map(([example, means]) => (
            <li key={example}>
              <button type="button" className="example mono" onClick={() => ask(example)}>
                {example}
              </button>{' '}
              <span className="dim">{means}</span>
            </li>
          ))}
        </ul>
      </details>
    </div>
  );
}

/** The fault in words, and the query with the place marked. */
function Fault({ query, wrong }: { query: string; wrong: ProblemError }) {
  const at = wrong.position;
  return (
    <>
      {wrong.message || wrong.title} {wrong.advice}
      {at !== null && (
        <span className="fault mono">
          {query.slice(0, at)}
          <mark>{query.slice(at, at + 1) || '⎵'}</mark>
          {query.slice(at + 1)}
        </span>
      )}
    </>
  );
}
