/** A response with its effect shown before it is confirmed; and a response’s record. */

import { Button, NativeSelect, TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from './api-client.ts';
import { useSession } from './api-queries.ts';
import { Problem, Waiting } from './notice.tsx';
import { texts } from './texts.ts';
import { responseTexts as t } from './texts-responses.ts';
import { Moment } from './time.tsx';
import { didIt } from './undo.ts';

export type ResponseKind = keyof typeof t.kinds;
export type ResponseState = keyof typeof t.states;

interface Preview {
  readonly touches: readonly string[];
  readonly affected: readonly { readonly what: string; readonly count: number }[];
  readonly disrupts: boolean;
  readonly reasons: readonly string[];
  readonly refused: string | null;
  readonly undo: string;
  readonly simulated: boolean;
}

export interface ResponseItem {
  readonly id: string;
  readonly kind: ResponseKind;
  readonly target: string;
  readonly reason: string;
  readonly incident?: string;
  readonly state: ResponseState;
  readonly simulated: boolean;
  readonly proposed_by: string;
  readonly proposed_at: string;
  readonly approved_by?: string;
  readonly approved_at?: string;
  readonly expires?: string;
  readonly ended_by?: string;
  readonly ended_at?: string;
  readonly preview: Preview;
  readonly done: readonly { readonly at: string; readonly what: string; readonly ok: boolean }[];
}

const LEADS = new Set(['lead', 'administrator']);
const ANALYSTS = new Set(['analyst', 'lead', 'administrator']);
export const useMayRespond = (): { analyst: boolean; lead: boolean } => {
  const role = useSession()?.person?.role ?? 'viewer';
  return { analyst: ANALYSTS.has(role), lead: LEADS.has(role) };
};

/** Sends a change, shows what was done, and reads every list of responses anew. */
export function useResponseWork() {
  const client = useQueryClient();
  const [error, setError] = useState<unknown>(null);
  const renew = () => {
    void client.invalidateQueries({ queryKey: ['list', '/v1/responses'] });
    void client.invalidateQueries({ predicate: ({ queryKey }) => String(queryKey[1]).startsWith('/v1/responses') });
  };
  const send = async (path: string, body: object): Promise<ResponseItem | null> => {
    setError(null);
    try {
      return await api.post<ResponseItem>(path, body);
    } catch (failure) {
      setError(failure);
      return null;
    } finally {
      renew();
    }
  };
  const undo = async (item: ResponseItem): Promise<void> => {
    if (await send(`/v1/responses/${item.id}/undo`, {})) didIt(t.saidUndone(item.target));
  };
  const decide = async (item: ResponseItem, verb: 'approve' | 'refuse'): Promise<void> => {
    const after = await send(`/v1/responses/${item.id}/${verb}`, {});
    if (after === null) return;
    if (verb === 'approve') didIt(t.saidApproved(item.target), () => undo(after));
    else didIt(t.saidRefused(item.target));
  };
  const propose = async (body: object): Promise<boolean> => {
    const made = await send('/v1/responses', body);
    if (made === null) return false;
    didIt(made.state === 'proposed' ? t.saidProposed(made.target) : t.saidActive(made.target), () => undo(made));
    return true;
  };
  return { error, propose, decide, undo };
}

export function PreviewBox({ preview }: { preview: Preview }) {
  const list = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? null : (
      <div>
        <dt>{title}</dt>
        <dd>
          <ul className="plain-list">
            {lines.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </dd>
      </div>
    );
  return (
    <dl className="facts facts-wide">
      {preview.refused !== null && list(t.preview.refused, [preview.refused])}
      {list(t.preview.touches, preview.touches)}
      {list(
        t.preview.affected,
        preview.affected.map(({ what, count }) => `${count} × ${what}`),
      )}
      {list(t.preview.careful, preview.reasons)}
      {list(t.preview.undo, [preview.undo])}
    </dl>
  );
}

function Effect({
  kind,
  target,
  onSeen,
}: {
  kind: ResponseKind;
  target: string;
  onSeen: (preview: Preview) => React.ReactNode;
}) {
  const { data, error, isFetching } = useQuery({
    queryKey: ['preview', kind, target],
    queryFn: () => api.post<Preview>('/v1/responses/preview', { kind, target }),
    retry: false,
    staleTime: 0,
    gcTime: 0,
  });
  if (error) return <Problem error={error} />;
  if (!data || isFetching) return <Waiting rows={4} />;
  return (
    <>
      <h4>{t.preview.title}</h4>
      <PreviewBox preview={data} />
      {data.simulated && <p className="notice">{t.preview.simulated}</p>}
      {onSeen(data)}
    </>
  );
}

interface ConfirmProps {
  readonly kind: ResponseKind;
  readonly target: string;
  readonly preview: Preview;
  readonly incident: string | undefined;
  readonly reason: string;
  readonly onDone: () => void;
}

function Confirm({ kind, target, preview, incident, reason: given, onDone }: ConfirmProps) {
  const [reason, setReason] = useState(given);
  const [minutes, setMinutes] = useState('240');
  const [missing, setMissing] = useState(false);
  const { lead } = useMayRespond();
  const { error, propose } = useResponseWork();
  const submit = async () => {
    if (reason.trim() === '') return setMissing(true);
    const body = { kind, target, reason: reason.trim(), duration_minutes: Number(minutes) };
    if (await propose(incident === undefined ? body : { ...body, incident })) onDone();
  };
  const waits = preview.disrupts && !lead;
  return (
    <form
      className="inline-form"
      aria-label={t.kinds[kind]}
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      {waits && <p className="notice">{t.preview.lead}</p>}
      <NativeSelect
        label={t.form.duration}
        value={minutes}
        data={[...t.form.durations]}
        onChange={(event) => setMinutes(event.currentTarget.value)}
      />
      <TextInput
        label={t.form.reason}
        description={t.form.reasonHelp}
        value={reason}
        maxLength={4000}
        error={missing ? t.form.reasonMissing : undefined}
        onChange={(event) => setReason(event.currentTarget.value)}
      />
      <Problem error={error} />
      <p className="buttons">
        <Button type="submit" variant="filled" disabled={preview.refused !== null}>
          {waits ? t.form.propose : t.form.now(t.kinds[kind], target)}
        </Button>
        <Button onClick={onDone}>{texts.cancel}</Button>
      </p>
    </form>
  );
}

/** The effect, and below it the confirmation. */
export function ResponseOrder(props: Omit<ConfirmProps, 'preview'>) {
  return (
    <section className="order" aria-label={t.preview.title}>
      <Effect
        key={`${props.kind} ${props.target}`}
        kind={props.kind}
        target={props.target}
        onSeen={(preview) => <Confirm {...props} preview={preview} />}
      />
    </section>
  );
}

/** What can be done with a response by whoever is signed in. */
export function ResponseButtons({ item }: { item: ResponseItem }) {
  const { analyst, lead } = useMayRespond();
  const { error, decide, undo } = useResponseWork();
  const mayUndo = item.state === 'active' && (item.kind === 'block' ? analyst : lead);
  if (!mayUndo && !(item.state === 'proposed' && analyst)) return null;
  return (
    <>
      <Problem error={error} />
      <p className="buttons">
        {item.state === 'proposed' && lead && (
          <>
            <Button variant="filled" onClick={() => void decide(item, 'approve')}>
              {t.approve}
            </Button>
            <Button onClick={() => void decide(item, 'refuse')}>{t.refuse}</Button>
          </>
        )}
        {(mayUndo || item.state === 'proposed') && <Button onClick={() => void undo(item)}>{t.undo}</Button>}
      </p>
    </>
  );
}

const Fact = ({ name, children }: { name: string; children: React.ReactNode }) => (
  <div>
    <dt>{name}</dt>
    <dd>{children}</dd>
  </div>
);

export function ResponseDetail({ item, packets }: { item: ResponseItem; packets: number | undefined }) {
  return (
    <article className="detail">
      <h2>
        {t.kinds[item.kind]}: <span className="mono">{item.target}</span>
      </h2>
      <p>
        {t.states[item.state]}
        {item.simulated && ` · ${t.simulated}`}
        {packets !== undefined && ` · ${t.dropped(packets)}`}
      </p>
      <ResponseButtons item={item} />
      <dl className="facts">
        <Fact name={t.reason}>{item.reason}</Fact>
        <Fact name={t.by}>
          {item.proposed_by} <Moment at={item.proposed_at} />
        </Fact>
        {item.approved_by !== undefined && item.approved_at !== undefined && (
          <Fact name={t.approvedBy}>
            {item.approved_by} <Moment at={item.approved_at} />
          </Fact>
        )}
        {item.expires !== undefined && item.state === 'active' && (
          <Fact name={t.ends}>
            <Moment at={item.expires} />
          </Fact>
        )}
        {item.ended_by !== undefined && item.ended_at !== undefined && (
          <Fact name={t.endedBy}>
            {item.ended_by} <Moment at={item.ended_at} />
          </Fact>
        )}
        {item.incident !== undefined && (
          <Fact name={t.incident}>
            <Link to="/incidents" search={{ id: item.incident }}>
              {item.incident}
            </Link>
          </Fact>
        )}
      </dl>
      {item.done.length > 0 && (
        <>
          <h3>{t.done}</h3>
          <ol className="timeline">
            {item.done.map(({ at, what, ok }) => (
              <li key={`${at} ${what}`}>
                <p className="timeline-time dim">
                  <Moment at={at} />
                </p>
                <p>
                  {what} {ok ? '' : <strong>({t.failedMark})</strong>}
                </p>
              </li>
            ))}
          </ol>
        </>
      )}
      <h3>{t.preview.title}</h3>
      <PreviewBox preview={item.preview} />
    </article>
  );
}
