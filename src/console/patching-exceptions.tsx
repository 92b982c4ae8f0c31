/** The exceptions that hold now: who answers, why, what protects meanwhile, and when each opens again by itself. */

import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { Severity as Level } from '../core/records.ts';
import { api } from './api-client.ts';
import { useAnswer, useSession } from './api-queries.ts';
import { Empty, Problem, Waiting } from './notice.tsx';
import { Severity } from './severity.tsx';
import { texts } from './texts.ts';
import { localDate } from './time.tsx';

const t = texts.patching.exceptions;
interface ExceptionRow {
  readonly finding: string;
  readonly title: string;
  readonly asset: string;
  readonly severity: Level;
  readonly owner: string;
  readonly reason: string;
  readonly control: string;
  readonly until: string;
  readonly by: string;
}

export default function PatchingExceptions() {
  const { data, error, refetch } = useAnswer<{ items: readonly ExceptionRow[] }>('/v1/patching/exceptions');
  const [problem, setProblem] = useState<unknown>(null);
  const role = useSession()?.person?.role;
  const reopen = async (id: string) => {
    setProblem(null);
    await api.post(`/v1/findings/${encodeURIComponent(id)}/reopen`).catch(setProblem);
    await refetch();
  };
  if (!data) return error ? <Problem error={error} retry={() => void refetch()} /> : <Waiting rows={6} />;
  if (data.items.length === 0) return <Empty title={t.none}>{t.noneText}</Empty>;
  return (
    <section className="panel" aria-labelledby="exceptions">
      <h2 id="exceptions">{t.title}</h2>
      <Problem error={problem} />
      <div className="scroll-x">
        <table className="plain wide">
          <thead>
            <tr>
              {[t.finding, t.owner, t.reason, t.control, t.until, ''].map((head) => (
                <th key={head} scope="col">
                  {head || <span className="visually-hidden">{t.takeBack}</span>}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {data.items.map((one) => (
              <tr key={one.finding}>
                <th scope="row">
                  <Severity level={one.severity} />{' '}
                  <Link to="/findings" search={{ view: 'list', state: 'accepted', id: one.finding }}>
                    {one.title}
                  </Link>
                  <div className="dim">{one.asset}</div>
                </th>
                <td>
                  {one.owner} <div className="dim">{t.by(one.by)}</div>
                </td>
                <td>{one.reason}</td>
                <td>{one.control || '–'}</td>
                <td>{localDate(one.until)}</td>
                <td>
                  {role !== 'viewer' && (
                    <Button aria-label={t.takeBackOf(one.title)} onClick={() => void reopen(one.finding)}>
                      {t.takeBack}
                    </Button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
