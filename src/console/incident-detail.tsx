/** One incident: what happened, who and what, what to do about it, the timeline with the alerts, and the work on it. */

import { Button, NativeSelect, Textarea } from '@mantine/core';
import { type RefObject, useRef, useState } from 'react';
import type { Alert, Incident } from '../core/records.ts';
import { AlertBody } from './alert-detail.tsx';
import { useAnswer } from './api-queries.ts';
import type { IncidentAnswer } from './api-types.ts';
import { EntityChips } from './entity-chip.tsx';
import { IncidentResponses } from './incident-responses.tsx';
import { type IncidentWork, type Trouble, useIncidentWork, type Verdict } from './incident-work.ts';
import { useKeys } from './keys.ts';
import { Problem, Waiting } from './notice.tsx';
import { Severity } from './severity.tsx';
import { texts } from './texts.ts';
import { Moment } from './time.tsx';

const t = texts.incidents;

export function IncidentDetail({ id }: { id: string }) {
  const { data, error, refetch } = useAnswer<IncidentAnswer>(`/v1/incidents/${encodeURIComponent(id)}`);
  const work = useIncidentWork(data?.incident);
  const [closing, setClosing] = useState(false);
  const comment = useRef<HTMLTextAreaElement>(null);
  const able = work.may && data ? (work as IncidentWork) : null;
  const open = data?.incident.state === 'open';
  useKeys({
    a: able && open && !able.mine ? () => void able.assign('me') : undefined,
    c: able ? () => comment.current?.focus() : undefined,
    x: able && open ? () => setClosing(true) : undefined,
  });
  if (!data) return error ? <Problem error={error} retry={() => void refetch()} /> : <Waiting rows={12} />;
  const { incident, alerts } = data;
  return (
    <article className="detail">
      <Head incident={incident} />
      <TroubleNotice trouble={work.trouble} onHide={() => work.setTrouble(null)} />
      {able ? (
        <Buttons incident={incident} work={able} onClose={() => setClosing(true)} comment={comment} />
      ) : (
        <p className="dim">{t.viewer}</p>
      )}
      {closing && able && open && <CloseForm work={able} onDone={() => setClosing(false)} />}
      {incident.state === 'closed' && <ClosedNote incident={incident} />}
      <h3>{t.entities}</h3>
      <EntityChips entities={incident.entities} />
      <IncidentResponses incident={incident} />
      <Timeline incident={incident} alerts={alerts} />
      {able && <CommentForm work={able} input={comment} />}
    </article>
  );
}

function Head({ incident }: { incident: Incident }) {
  return (
    <header className="detail-head">
      <h2 tabIndex={-1}>{incident.title}</h2>
      <p>
        <Severity level={incident.severity} /> · {t.states[incident.state]} ·{' '}
        {incident.assignee_name ? t.ownedBy(incident.assignee_name) : t.nobody}
      </p>
      <dl className="facts">
        <div>
          <dt>{t.began}</dt>
          <dd>
            <Moment at={incident.first_event} />
          </dd>
        </div>
        <div>
          <dt>{t.last}</dt>
          <dd>
            <Moment at={incident.last_event} />
          </dd>
        </div>
        <div>
          <dt>{t.size}</dt>
          <dd>{t.sizeText(incident.alert_count, incident.event_count)}</dd>
        </div>
        {incident.tactics.length > 0 && (
          <div>
            <dt>{t.tactics}</dt>
            <dd>{incident.tactics.map(texts.tactic).join(', ')}</dd>
          </div>
        )}
      </dl>
    </header>
  );
}

function TroubleNotice({ trouble, onHide }: { trouble: Trouble | null; onHide: () => void }) {
  if (!trouble) return null;
  return (
    <div className="notice-stack">
      <Problem error={trouble.error} />
      <p>
        {t.notSaved} <Button onClick={trouble.again}>{t.doAgain}</Button>{' '}
        <Button onClick={onHide}>{texts.undo.hide}</Button>
      </p>
    </div>
  );
}

interface ButtonsProps {
  readonly incident: Incident;
  readonly work: IncidentWork;
  readonly onClose: () => void;
  readonly comment: RefObject<HTMLTextAreaElement | null>;
}

function Buttons({ incident, work, onClose, comment }: ButtonsProps) {
  if (incident.state === 'closed')
    return (
      <p className="buttons">
        <Button onClick={() => void work.reopen()}>{t.reopen}</Button>
      </p>
    );
  return (
    <p className="buttons">
      {work.mine ? (
        <Button onClick={() => void work.assign(null)}>{t.release}</Button>
      ) : (
        <Button variant="filled" onClick={() => void work.assign('me')}>
          {t.assign}&nbsp;<kbd>a</kbd>
        </Button>
      )}
      <Button onClick={() => comment.current?.focus()}>
        {t.comment}&nbsp;<kbd>c</kbd>
      </Button>
      <Button onClick={onClose}>
        {t.close}&nbsp;<kbd>x</kbd>
      </Button>
    </p>
  );
}

function CloseForm({ work, onDone }: { work: IncidentWork; onDone: () => void }) {
  const [reason, setReason] = useState('');
  const [verdict, setVerdict] = useState<Verdict>('harmless');
  const [missing, setMissing] = useState(false);
  const submit = async () => {
    if (reason.trim() === '') return setMissing(true);
    if (await work.close(reason.trim(), verdict)) onDone();
  };
  return (
    <form
      className="inline-form"
      aria-label={t.close}
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
      onKeyDown={(event) => {
        if (event.key === 'Escape') onDone();
        if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void submit();
      }}
    >
      <NativeSelect
        label={t.verdict}
        value={verdict}
        data={(['real', 'harmless', 'exercise'] as const).map((value) => ({ value, label: texts.verdicts[value] }))}
        onChange={(event) => setVerdict(event.currentTarget.value as Verdict)}
      />
      <Textarea
        label={t.reason}
        description={t.reasonHelp}
        value={reason}
        data-autofocus
        autoFocus
        maxLength={4000}
        error={missing ? t.reasonMissing : undefined}
        onChange={(event) => setReason(event.currentTarget.value)}
      />
      <p className="buttons">
        <Button type="submit" variant="filled">
          {t.closeNow}
        </Button>
        <Button onClick={onDone}>{texts.cancel}</Button>
      </p>
    </form>
  );
}

function ClosedNote({ incident }: { incident: Incident }) {
  return (
    <p className="notice">
      {t.closedAs} <strong>{incident.verdict ? texts.verdicts[incident.verdict] : '–'}</strong>
      {incident.close_reason && <>: {incident.close_reason}</>}{' '}
      {incident.closed_at && <Moment at={incident.closed_at} />}
    </p>
  );
}

type Moments =
  | { at: string; kind: 'alert'; alert: Alert }
  | { at: string; kind: 'comment'; by: string; text: string }
  | { at: string; kind: 'word'; text: string }
  | { at: string; kind: 'event' | 'file'; id: string; text: string };

/** What the server merges besides: events of the alerts, and what happened to watched files of the same hosts. */
interface Story {
  readonly items: readonly { time: string; kind: 'alert' | 'event' | 'file'; title: string; id: string }[];
}

function momentsOf(incident: Incident, alerts: readonly Alert[], story: Story | undefined): Moments[] {
  const moments: Moments[] = alerts.map((alert) => ({ at: alert.time, kind: 'alert', alert }));
  for (const { at, by, text } of incident.comments) moments.push({ at, kind: 'comment', by, text });
  moments.push({ at: incident.opened, kind: 'word', text: t.openedWord });
  if (incident.acknowledged_at)
    moments.push({ at: incident.acknowledged_at, kind: 'word', text: t.acknowledgedWord(incident.assignee_name) });
  if (incident.closed_at && incident.state === 'closed')
    moments.push({ at: incident.closed_at, kind: 'word', text: t.closedWord });
  for (const { time, kind, title, id } of story?.items ?? [])
    if (kind !== 'alert') moments.push({ at: time, kind, id, text: title });
  return moments.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
}

function Timeline({ incident, alerts }: { incident: Incident; alerts: readonly Alert[] }) {
  const [whole, setWhole] = useState(false);
  const story = useAnswer<Story>(`/v1/incidents/${incident.id}/timeline`, whole);
  const moments = momentsOf(incident, alerts, story.data);
  const first = moments.find((moment) => moment.kind === 'alert');
  return (
    <section aria-labelledby="timeline">
      <h3 id="timeline">{t.timeline}</h3>
      {!whole && <Button onClick={() => setWhole(true)}>{t.timelineWhole}</Button>}
      {whole && story.isPending && <Waiting rows={2} />}
      <Problem error={story.error} />
      <ol className="timeline">
        {moments.map((moment) => (
          <li
            key={`${moment.kind} ${moment.at} ${moment.kind === 'alert' ? moment.alert.id : 'id' in moment ? moment.id : moment.text}`}
          >
            <p className="timeline-time dim">
              <Moment at={moment.at} />
            </p>
            {moment.kind === 'alert' && (
              <details className="timeline-alert" open={moment === first}>
                <summary>
                  <Severity level={moment.alert.rule.level} /> {moment.alert.title}
                </summary>
                <AlertBody alert={moment.alert} level={4} />
              </details>
            )}
            {moment.kind === 'comment' && (
              <p>
                <strong>{moment.by}</strong>: <span className="said">{moment.text}</span>
              </p>
            )}
            {moment.kind === 'word' && <p>{moment.text}</p>}
            {(moment.kind === 'event' || moment.kind === 'file') && (
              <p>
                {moment.kind === 'file' ? t.timelineFile : t.timelineEvent} <span className="mono">{moment.text}</span>
              </p>
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}

function CommentForm({ work, input }: { work: IncidentWork; input: RefObject<HTMLTextAreaElement | null> }) {
  const [text, setText] = useState('');
  const submit = async () => {
    if (text.trim() === '') return input.current?.focus();
    if (await work.comment(text.trim())) setText('');
  };
  return (
    <form
      className="inline-form"
      aria-label={t.comment}
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <Textarea
        ref={input}
        label={t.comment}
        description={t.commentHelp}
        value={text}
        maxLength={4000}
        autosize={false}
        onChange={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void submit();
          if (event.key === 'Escape') event.currentTarget.blur();
        }}
      />
      <p className="buttons">
        <Button type="submit">{t.commentNow}</Button>
      </p>
    </form>
  );
}
