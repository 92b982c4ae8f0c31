/** Errors with their remedy, stale data that says so, and empty pages that teach. */

import { Button, Skeleton } from '@mantine/core';
import type { ReactNode } from 'react';
import { ProblemError } from './api-client.ts';
import { CopyLine } from './copy-line.tsx';
import { texts } from './texts.ts';
import { duration, useNow } from './time.tsx';

/** What went wrong and what to do; stays until it is mended. */
export function Problem({ error, retry }: { error: unknown; retry?: (() => void) | undefined }) {
  if (!error) return null;
  const problem = error instanceof ProblemError ? error : null;
  const title = problem?.title ?? texts.problem.unexpected;
  const detail = problem ? problem.message : error instanceof Error ? error.message : '';
  return (
    <div role="alert" className="notice notice-problem">
      <p>
        <strong>{title}.</strong> {detail} {problem?.advice}
      </p>
      {retry && <Button onClick={retry}>{texts.problem.again}</Button>}
    </div>
  );
}

/** Shown when an answer on screen could not be renewed. */
export function Stale({ since, failing }: { since: number; failing: boolean }) {
  const now = useNow();
  if (!failing || since === 0) return null;
  return (
    <p className="notice" role="status">
      {texts.stale(duration((now - since) / 1000))}
    </p>
  );
}

export function Empty({
  title,
  children,
  command,
}: {
  title: string;
  children?: ReactNode;
  command?: string | undefined;
}) {
  return (
    <div className="empty">
      <p>
        <strong>{title}</strong>
      </p>
      {children && <p className="dim">{children}</p>}
      {command && <CopyLine text={command} />}
    </div>
  );
}

/** Grey rows where content will be. */
export function Waiting({ rows = 8 }: { rows?: number }) {
  return (
    <div className="waiting" aria-busy="true">
      <span className="visually-hidden" role="status">
        {texts.loading}
      </span>
      {Array.from({ length: rows }, (_, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: placeholders have nothing else to be told apart by
        <Skeleton key={index} height={16} width={`${94 - ((index * 17) % 40)}%`} />
      ))}
    </div>
  );
}
