/** The top of a list page: heading, the answer in a sentence, filters, search, and what has arrived meanwhile. */

import { Button, NativeSelect, TextInput } from '@mantine/core';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { useFilters } from './filters.ts';
import { useKeys } from './keys.ts';
import { texts } from './texts.ts';

const TYPING_MS = 300;

export function PageTop({ title, answer, children }: { title: string; answer: ReactNode; children?: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Asepsis`;
  }, [title]);
  return (
    <div className="page-top">
      <div className="page-title">
        <h1>{title}</h1>
        <p className="answer">{answer}</p>
      </div>
      {children && <div className="filters">{children}</div>}
    </div>
  );
}

/** A filter by free text; `/` goes there. */
export function TextFilter({ label }: { label: string }) {
  const [filters, setFilters] = useFilters();
  const input = useRef<HTMLInputElement>(null);
  const [value, setValue] = useState(filters.text ?? '');
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => setValue(filters.text ?? ''), [filters.text]);
  useEffect(() => () => clearTimeout(timer.current), []);
  useKeys({ '/': () => input.current?.focus() });
  return (
    <TextInput
      ref={input}
      type="search"
      label={label}
      value={value}
      maxLength={256}
      onChange={(event) => {
        const text = event.currentTarget.value;
        setValue(text);
        clearTimeout(timer.current);
        timer.current = setTimeout(() => setFilters({ text, id: undefined }, true), TYPING_MS);
      }}
      onKeyDown={(event) => {
        if (event.key === 'Escape') event.currentTarget.blur();
      }}
    />
  );
}

export function SelectFilter({
  name,
  label,
  options,
  otherwise = '',
}: {
  name: 'state' | 'severity' | 'room' | 'assignee' | 'class' | 'from';
  label: string;
  options: readonly { value: string; label: string }[];
  /** The value that counts when the address says nothing. */
  otherwise?: string;
}) {
  const [filters, setFilters] = useFilters();
  return (
    <NativeSelect
      label={label}
      value={filters[name] ?? otherwise}
      data={[...options]}
      onChange={(event) => setFilters({ [name]: event.currentTarget.value, id: undefined })}
    />
  );
}

export const optionsOf = <T extends string>(values: readonly T[], names: Readonly<Record<T, string>>) =>
  values.map((value) => ({ value, label: names[value] }));

/** A filter that has no field of its own (an entity, a rule, a fix): shown, and taken away by a click. */
export function Applied({ name, label }: { name: 'entity' | 'rule' | 'asset' | 'fix' | 'kind'; label: string }) {
  const [filters, setFilters] = useFilters();
  const value = filters[name];
  if (value === undefined) return null;
  return (
    <Button onClick={() => setFilters({ [name]: undefined })} aria-label={texts.filters.remove(label, value)}>
      {label}: {value} ×
    </Button>
  );
}

/** Into an empty list what is new comes by itself: there is nothing under the cursor that could jump. */
export function useTakeIntoEmpty(
  count: number,
  list: { loading: boolean; items: readonly unknown[] },
  take: () => void,
): void {
  const due = count > 0 && !list.loading && list.items.length === 0;
  const latest = useRef(take);
  latest.current = take;
  useEffect(() => {
    if (due) latest.current();
  }, [due]);
}

/** "12 new": taken in when the reader says so. */
export function NewPill({ count, onTake }: { count: number; onTake: () => void }) {
  return (
    <div aria-live="polite" className="pill-place">
      {count > 0 && (
        <button type="button" className="pill" onClick={onTake}>
          {texts.table.fresh(count)}
        </button>
      )}
    </div>
  );
}
