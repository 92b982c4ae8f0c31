/** One plan: its calendar day by day, the state of each task, and whether what was claimed is proven. */

import { Button } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from './api-client.ts';
import { useAnswer, useSession } from './api-queries.ts';
import { Problem, Waiting } from './notice.tsx';
import type { PlanAnswer, ProofState, TaskRow } from './patching-types.ts';
import { texts } from './texts.ts';
import { Moment } from './time.tsx';

const t = texts.patching.plans;
const SHAPE: Readonly<Record<ProofState, string>> = {
  open: '○',
  claimed: '◐',
  proven: '●',
  'claimed, not proven': '◆',
};
const FORMATS = ['ical', 'csv', 'json', 'ansible-inventory', 'ansible-playbook'] as const;

export function PatchingPlan({ id }: { id: string }) {
  const client = useQueryClient();
  const path = `/v1/patching/plans/${encodeURIComponent(id)}`;
  const { data: plan, error, refetch } = useAnswer<PlanAnswer>(path, true, 15_000);
  const [problem, setProblem] = useState<unknown>(null);
  const role = useSession()?.person?.role;
  const send = async (to: string, body: object) => {
    setProblem(null);
    try {
      client.setQueryData(['answer', path], await api.post<PlanAnswer>(to, body));
    } catch (fault) {
      setProblem(fault);
    }
  };
  if (!plan) return error ? <Problem error={error} retry={() => void refetch()} /> : <Waiting rows={8} />;
  const mayApprove = plan.state === 'draft' && (role === 'lead' || role === 'administrator');
  return (
    <article className="stack">
      <p>
        <Link to="/patching" search={{ tab: 'plans' }}>
          {t.back}
        </Link>
      </p>
      <h2>{plan.name}</h2>
      <p>
        {plan.sentence}. <span className="dim">{t.states[plan.state]}</span>
      </p>
      <Problem error={problem} />
      <p className="line">
        {mayApprove && <Button onClick={() => void send(`${path}/approve`, {})}>{t.approve}</Button>}
        <span className="dim">{t.download}</span>
        {FORMATS.map((format) => (
          <a key={format} href={`${path}/export?format=${format}`} download>
            {t.exports[format]}
          </a>
        ))}
      </p>
      <Calendar tasks={plan.tasks} onDone={(task) => void send(`${path}/tasks`, { task: task.id, status: 'done' })} />
      {plan.unplaced.length > 0 && (
        <section className="panel" aria-labelledby="unplaced">
          <h3 id="unplaced">{t.unplaced(plan.unplaced.length)}</h3>
          <ul>
            {plan.unplaced.map((one) => (
              <li key={one.asset}>
                <strong>{one.asset}</strong>: {one.reason}. <span className="dim">{one.actions.join('; ')}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
    </article>
  );
}

/** A window that comes again carries its day in its name already. */
const headingOf = (day: string, window: string): string => (window.includes(day) ? window : `${day} · ${window}`);

function Calendar({ tasks, onDone }: { tasks: readonly TaskRow[]; onDone: (task: TaskRow) => void }) {
  const days = Map.groupBy(tasks, (task) => task.starts.slice(0, 10));
  return [...days].map(([day, list]) => (
    <section key={day} className="panel" aria-labelledby={`day-${day}`}>
      <h3 id={`day-${day}`}>{headingOf(day, list[0]?.window_name ?? '')}</h3>
      <div className="scroll-x">
        <table className="plain wide">
          <thead>
            <tr>
              <th scope="col">{t.when}</th>
              <th scope="col">{t.asset}</th>
              <th scope="col">{t.work}</th>
              <th scope="col">{t.deadline}</th>
              <th scope="col">{t.status}</th>
              <th scope="col">{t.proof}</th>
            </tr>
          </thead>
          <tbody>
            {list.map((task) => (
              <Row key={task.id} task={task} onDone={onDone} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  ));
}

function Row({ task, onDone }: { task: TaskRow; onDone: (task: TaskRow) => void }) {
  const { asset, proof } = task;
  return (
    <tr>
      <td>
        <Moment at={task.starts} />
      </td>
      <th scope="row">
        {asset.id ? (
          <Link to="/assets" search={{ id: asset.id }}>
            {asset.name}
          </Link>
        ) : (
          asset.name
        )}
        {asset.department && <span className="dim"> {asset.department}</span>}
      </th>
      <td>
        {task.actions.map((action) => (
          <div key={action.id} title={action.rollback}>
            {action.title}
          </div>
        ))}
        {task.reboot && <div className="dim">{t.reboot}</div>}
        {task.approval && <div className="dim">{task.approval}</div>}
      </td>
      <td>
        {task.due?.slice(0, 10) ?? '–'}
        {task.late_days > 0 && <div>{t.late(task.late_days)}</div>}
      </td>
      <td>
        {t.statuses[task.status]}{' '}
        {task.status === 'planned' && (
          <Button aria-label={t.doneOf(asset.name)} onClick={() => onDone(task)}>
            {t.done}
          </Button>
        )}
      </td>
      <td>
        <span aria-hidden="true">{SHAPE[proof.state]}</span> <strong>{t.proofs[proof.state]}</strong>
        <ul className="signals">
          {proof.signals
            .filter((one) => one.agrees !== null || proof.state !== 'open')
            .map((one) => (
              <li key={one.signal} className="dim">
                {one.agrees === null ? '?' : one.agrees ? '✓' : '✗'} {one.what}
              </li>
            ))}
        </ul>
      </td>
    </tr>
  );
}
