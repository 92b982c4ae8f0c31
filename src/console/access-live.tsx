/** What happens at the gateway now: sessions that can be ended, what is held back, and break-glass to review. */

import { Button, Textarea } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { Rfc3339 } from '../core/time.ts';
import { api } from './api-client.ts';
import { useAnswer } from './api-queries.ts';
import { Problem } from './notice.tsx';
import { texts } from './texts.ts';
import { Ago } from './time.tsx';

const t = texts.access;
const REFRESH_MS = 5000;

interface Items<T> {
  readonly items: readonly T[];
}
interface SessionRow {
  readonly id: string;
  readonly account: string;
  readonly name: string;
  readonly address: string;
  readonly last_seen: Rfc3339;
  readonly factors: readonly string[];
  readonly locked: boolean;
  readonly emergency: string | null;
}

export function AccessSessions() {
  const path = '/v1/access/sessions';
  const client = useQueryClient();
  const { data, error } = useAnswer<Items<SessionRow>>(path, true, REFRESH_MS);
  const [problem, setProblem] = useState<unknown>(null);
  const end = async (id: string) => {
    setProblem(null);
    await api.delete(`${path}/${encodeURIComponent(id)}`).catch(setProblem);
    await client.invalidateQueries({ queryKey: ['answer', path] });
  };
  return (
    <section className="panel" aria-labelledby="access-sessions">
      <h2 id="access-sessions">{t.sessions.title}</h2>
      <Problem error={error ?? problem} />
      {data?.items.length === 0 && <p className="dim">{t.sessions.none}</p>}
      {data && data.items.length > 0 && (
        <div className="scroll-x">
          <table className="plain wide">
            <thead>
              <tr>
                <th scope="col">{t.sessions.person}</th>
                <th scope="col">{t.sessions.from}</th>
                <th scope="col">{t.sessions.factors}</th>
                <th scope="col">{t.sessions.seen}</th>
                <th scope="col">{t.sessions.end}</th>
              </tr>
            </thead>
            <tbody>
              {data.items.map((one) => (
                <tr key={one.id}>
                  <th scope="row">
                    {one.name} {one.locked && <span className="dim">{t.sessions.locked}</span>}{' '}
                    {one.emergency && <strong>{t.sessions.emergency}</strong>}
                  </th>
                  <td className="mono">{one.address}</td>
                  <td>{one.factors.join(' + ')}</td>
                  <td>
                    <Ago at={one.last_seen} />
                  </td>
                  <td>
                    <Button aria-label={t.sessions.endOf(one.name)} onClick={() => void end(one.id)}>
                      {t.sessions.end}
                    </Button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

interface HeldRow {
  readonly kind: string;
  readonly key: string;
  readonly failures: number;
  readonly until: Rfc3339;
}

export function AccessHeld() {
  const { data, error } = useAnswer<Items<HeldRow>>('/v1/access/held', true, REFRESH_MS);
  return (
    <section className="panel" aria-labelledby="access-held">
      <h2 id="access-held">{t.held.title}</h2>
      <Problem error={error} />
      <p className="dim">{t.held.lead}</p>
      {data?.items.length === 0 && <p>{t.held.none}</p>}
      {data && data.items.length > 0 && (
        <div className="scroll-x">
          <table className="plain wide">
            <thead>
              <tr>
                <th scope="col">{t.held.key}</th>
                <th scope="col">{t.held.what}</th>
                <th scope="col">{t.held.failures}</th>
                <th scope="col">{t.held.until}</th>
              </tr>
            </thead>
            <tbody>
              {data.items.map((one) => (
                <tr key={`${one.kind} ${one.key} ${one.until}`}>
                  <th scope="row" className="mono">
                    {one.key}
                  </th>
                  <td>{t.held.kinds[one.kind] ?? one.kind}</td>
                  <td>{one.failures}</td>
                  <td>
                    <Ago at={one.until} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

interface EmergencyRow {
  readonly id: string;
  readonly app: string;
  readonly person: string;
  readonly reason: string;
  readonly address: string;
  readonly asked: Rfc3339;
  readonly opened: Rfc3339 | null;
  readonly approvals: readonly string[];
  readonly reviewed: Rfc3339 | null;
  readonly reviewer: string | null;
  readonly note: string | null;
}

export function AccessEmergencies() {
  const path = '/v1/access/emergencies';
  const { data, error } = useAnswer<Items<EmergencyRow>>(path, true, REFRESH_MS);
  const items = data?.items ?? [];
  const waiting = items.filter((one) => one.opened !== null && one.reviewed === null).length;
  return (
    <section className="panel" aria-labelledby="access-emergencies">
      <h2 id="access-emergencies">{t.emergencies.title}</h2>
      <Problem error={error} />
      {data && (
        <p>
          {items.length === 0 ? (
            t.emergencies.none
          ) : waiting > 0 ? (
            <strong>{t.emergencies.waiting(waiting)}</strong>
          ) : (
            t.emergencies.done
          )}
        </p>
      )}
      <ul className="plain-list">
        {items.slice(0, 50).map((one) => (
          <li key={one.id}>
            <Emergency item={one} path={path} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function Emergency({ item, path }: { item: EmergencyRow; path: string }) {
  const client = useQueryClient();
  const [note, setNote] = useState('');
  const [problem, setProblem] = useState<unknown>(null);
  const save = async () => {
    setProblem(null);
    await api.post(`${path}/${encodeURIComponent(item.id)}/review`, { note: note.trim() }).catch(setProblem);
    await client.invalidateQueries({ queryKey: ['answer', path] });
  };
  const title = item.opened
    ? t.emergencies.opened(item.person, item.app)
    : t.emergencies.asked(item.person, item.app, item.approvals.length);
  return (
    <>
      <p>
        <strong>{title}</strong> <Ago at={item.opened ?? item.asked} /> <span className="mono">{item.address}</span>
      </p>
      <p>
        {t.emergencies.reason}: {item.reason}
      </p>
      {item.reviewed && (
        <p className="dim">
          {t.emergencies.reviewed(item.reviewer ?? '')}: {item.note}
        </p>
      )}
      {item.opened && !item.reviewed && (
        <form
          className="inline-form"
          onSubmit={(event) => {
            event.preventDefault();
            void save();
          }}
        >
          <Textarea
            label={t.emergencies.review}
            value={note}
            required
            minLength={3}
            maxLength={2000}
            onChange={(event) => setNote(event.currentTarget.value)}
          />
          <Problem error={problem} />
          <p className="buttons">
            <Button type="submit" variant="filled">
              {t.emergencies.save}
            </Button>
          </p>
        </form>
      )}
    </>
  );
}
