/** What to do first: actions by the risk that they take away, each with its reason; some or all go into a plan. */

import { Button, Checkbox } from '@mantine/core';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useAnswer, useSession } from './api-queries.ts';
import { Empty, Problem, Waiting } from './notice.tsx';
import { takeChosen } from './patching-chosen.ts';
import { ExceptionForm } from './patching-exception-form.tsx';
import type { ActionRow } from './patching-types.ts';
import { Severity } from './severity.tsx';
import { texts } from './texts.ts';
import { Ago } from './time.tsx';

const t = texts.patching.actions;

export default function PatchingActions() {
  const navigate = useNavigate();
  const { data, error, refetch } = useAnswer<{ items: readonly ActionRow[] }>('/v1/patching/actions', true, 60_000);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  if (!data) return error ? <Problem error={error} retry={() => void refetch()} /> : <Waiting rows={10} />;
  if (data.items.length === 0)
    return (
      <Empty title={t.none} command={t.command}>
        {t.noneText}
      </Empty>
    );
  const toggle = (id: string, on: boolean) => {
    const next = new Set(chosen);
    if (on) next.add(id);
    else next.delete(id);
    setChosen(next);
  };
  const plan = () => {
    takeChosen([...chosen]);
    void navigate({ to: '/patching', search: { tab: 'plans' } });
  };
  return (
    <>
      <p className="line">
        <Button onClick={plan}>{chosen.size > 0 ? t.plan : t.planAll}</Button>
        {chosen.size > 0 && <span className="dim">{t.chosen(chosen.size)}</span>}
      </p>
      <ol className="action-list">
        {data.items.map((action) => (
          <li key={action.id} className="panel">
            <h2>
              <Checkbox
                aria-label={t.choose(action.title)}
                checked={chosen.has(action.id)}
                onChange={(event) => toggle(action.id, event.currentTarget.checked)}
              />{' '}
              <Severity level={action.worst} /> {action.title}
            </h2>
            <p>
              <Link to="/findings" search={{ view: 'list', room: 'patching', text: action.title.slice(0, 40) }}>
                {action.why}
              </Link>
            </p>
            <p className="dim">
              {t.kinds[action.kind]}
              {action.reboot && ` · ${t.reboot}`} · {action.due ? <Ago at={action.due} /> : t.noDue} · {action.example}
            </p>
            <details>
              <summary>{t.rollback}</summary>
              <p>{action.how}</p>
              <p className="mono">{action.rollback}</p>
            </details>
            <ActionException action={action} onDone={() => void refetch()} />
          </li>
        ))}
      </ol>
    </>
  );
}

/** For all findings of an action at once, where it cannot be done for a while. */
function ActionException({ action, onDone }: { action: ActionRow; onDone: () => void }) {
  const [open, setOpen] = useState(false);
  const role = useSession()?.person?.role;
  if (role !== 'lead' && role !== 'administrator') return null;
  const label = texts.patching.exceptions.of(action.title);
  if (!open)
    return (
      <p>
        <Button aria-label={label} onClick={() => setOpen(true)}>
          {texts.patching.clocks.exception}
        </Button>
      </p>
    );
  const done = () => {
    setOpen(false);
    onDone();
  };
  return <ExceptionForm what={{ action: action.id }} label={label} onDone={done} />;
}
