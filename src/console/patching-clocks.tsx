/** On a finding of patching: every clock with its reason, pauses with theirs, and the exception that stops care for it for a time. */

import { Button, Textarea } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { Finding } from '../core/records.ts';
import { api } from './api-client.ts';
import { useAnswer, useSession } from './api-queries.ts';
import { useKeys } from './keys.ts';
import { Problem, Waiting } from './notice.tsx';
import { ExceptionForm } from './patching-exception-form.tsx';
import { texts } from './texts.ts';
import { Moment } from './time.tsx';

const t = texts.patching.clocks;
interface ClocksAnswer {
  readonly clocks: readonly {
    readonly rule: 'kev' | 'bod-26-04' | 'cyber-essentials' | 'local';
    readonly starts: string;
    readonly due: string;
    readonly paused_due: string;
    readonly why: string;
  }[];
  readonly due: string | null;
  readonly ssvc: string;
  readonly assumed: readonly string[];
  readonly pauses: readonly {
    readonly id: string;
    readonly from: string;
    readonly to: string | null;
    readonly reason: string;
    readonly by: string;
  }[];
}

export function PatchingClocks({ finding }: { finding: Finding }) {
  const client = useQueryClient();
  const path = `/v1/patching/findings/${encodeURIComponent(finding.id)}/clocks`;
  const { data, error } = useAnswer<ClocksAnswer>(path);
  const role = useSession()?.person?.role;
  const lead = role === 'lead' || role === 'administrator';
  const [form, setForm] = useState<'pause' | 'exception' | null>(null);
  const mayAsk = lead && finding.state === 'open';
  useKeys({ x: mayAsk ? () => setForm('exception') : undefined });
  const renew = async () => {
    setForm(null);
    await client.invalidateQueries({ queryKey: ['answer', path] });
    await client.invalidateQueries({ queryKey: ['answer', `/v1/findings/${finding.id}`] });
    void client.invalidateQueries({ queryKey: ['list', '/v1/findings'] });
  };
  if (!data) return error ? <Problem error={error} /> : <Waiting rows={3} />;
  const running = data.pauses.find((pause) => pause.to === null);
  return (
    <section aria-labelledby="clocks">
      <h3 id="clocks">{t.title}</h3>
      {data.clocks.length === 0 ? <p className="dim">{t.none}</p> : <ClockTable clocks={data.clocks} />}
      {data.clocks.length > 0 && <p className="dim">{t.ssvc(data.ssvc, data.assumed)}</p>}
      {data.pauses.length > 0 && (
        <ul className="plain-list">
          {data.pauses.map((pause) => (
            <li key={pause.id}>
              {t.paused} <Moment at={pause.from} /> – {pause.to === null ? t.now : <Moment at={pause.to} />}:{' '}
              {pause.reason} <span className="dim">{pause.by}</span>
            </li>
          ))}
        </ul>
      )}
      {mayAsk && form === null && (
        <p className="buttons">
          {running ? (
            <Resume finding={finding.id} onDone={() => void renew()} />
          ) : (
            data.clocks.length > 0 && <Button onClick={() => setForm('pause')}>{t.pause}</Button>
          )}
          <Button onClick={() => setForm('exception')}>
            {t.exception}&nbsp;<kbd>x</kbd>
          </Button>
        </p>
      )}
      {form === 'pause' && (
        <PauseForm finding={finding.id} onDone={() => void renew()} onCancel={() => setForm(null)} />
      )}
      {form === 'exception' && (
        <ExceptionForm what={{ findings: [finding.id] }} label={t.exception} onDone={() => void renew()} />
      )}
    </section>
  );
}

function ClockTable({ clocks }: { clocks: ClocksAnswer['clocks'] }) {
  return (
    <div className="scroll-x">
      <table className="plain wide">
        <thead>
          <tr>
            <th scope="col">{t.due}</th>
            <th scope="col">{t.rule}</th>
            <th scope="col">{t.why}</th>
          </tr>
        </thead>
        <tbody>
          {clocks.map((clock) => (
            <tr key={clock.rule}>
              <td>
                {clock.paused_due.slice(0, 10)}
                {clock.paused_due !== clock.due && <div className="dim">{t.without(clock.due.slice(0, 10))}</div>}
              </td>
              <th scope="row">{t.rules[clock.rule]}</th>
              <td>{clock.why}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const pausesOf = (finding: string) => `/v1/patching/findings/${encodeURIComponent(finding)}/pauses`;

function PauseForm({ finding, onDone, onCancel }: { finding: string; onDone: () => void; onCancel: () => void }) {
  const [reason, setReason] = useState('');
  const [tried, setTried] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const submit = async () => {
    setTried(true);
    if (reason.trim().length < 3) return;
    try {
      await api.post(pausesOf(finding), { reason: reason.trim() });
      onDone();
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <form
      className="inline-form"
      aria-label={t.pause}
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <p className="dim">{t.pauseHelp}</p>
      <Textarea
        label={t.reason}
        value={reason}
        maxLength={1000}
        error={tried && reason.trim().length < 3 ? t.reasonMissing : undefined}
        onChange={(event) => setReason(event.currentTarget.value)}
      />
      <Problem error={error} />
      <p className="buttons">
        <Button type="submit" variant="filled">
          {t.pauseNow}
        </Button>
        <Button onClick={onCancel}>{texts.cancel}</Button>
      </p>
    </form>
  );
}

function Resume({ finding, onDone }: { finding: string; onDone: () => void }) {
  const [error, setError] = useState<unknown>(null);
  const resume = async () => {
    try {
      await api.post(pausesOf(finding), { end: true });
      onDone();
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <>
      <Problem error={error} />
      <Button onClick={() => void resume()}>{t.resume}</Button>
    </>
  );
}
