/** One finding: the weakness, its evidence, the fix, and accepting it for a time with an owner and a reason. */

import { Button, Textarea, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { Evidence, Finding } from '../core/records.ts';
import { api } from './api-client.ts';
import { patchLists, useAnswer, useSession } from './api-queries.ts';
import { CopyLine } from './copy-line.tsx';
import { useKeys } from './keys.ts';
import { Problem, Waiting } from './notice.tsx';
import { PatchingClocks } from './patching-clocks.tsx';
import { Severity } from './severity.tsx';
import { texts } from './texts.ts';
import { localDate, Moment } from './time.tsx';
import { didIt } from './undo.ts';

const t = texts.findings;
const DAY_MS = 86_400_000;
const ACCEPT_DAYS = 90;
const ACCEPT_DAYS_MAX = 365;

interface Acceptance {
  readonly owner: string;
  readonly reason: string;
  readonly until: string;
}

function useFindingWork(finding: Finding | undefined) {
  const client = useQueryClient();
  const [error, setError] = useState<unknown>(null);
  const send = async (path: string, body: unknown): Promise<boolean> => {
    setError(null);
    try {
      const after = await api.post<Finding>(path, body);
      client.setQueryData(['answer', `/v1/findings/${after.id}`], after);
      patchLists(client, '/v1/findings', after);
      void client.invalidateQueries({ queryKey: ['overview'] });
      return true;
    } catch (problem) {
      setError(problem);
      return false;
    }
  };
  const path = `/v1/findings/${finding?.id ?? ''}`;
  const accept = async (acceptance: Acceptance) => {
    const done = await send(`${path}/accept`, acceptance);
    if (done) didIt(t.acceptedDone, async () => void (await send(`${path}/reopen`, {})));
    return done;
  };
  const reopen = async () => {
    const before = finding?.accepted;
    if (!(await send(`${path}/reopen`, {}))) return;
    const undo = before
      ? async () =>
          void (await send(`${path}/accept`, { owner: before.owner, reason: before.reason, until: before.until }))
      : undefined;
    didIt(t.reopenedDone, undo);
  };
  return { error, accept, reopen };
}

export function FindingDetail({ id }: { id: string }) {
  const { data: finding, error, refetch } = useAnswer<Finding>(`/v1/findings/${encodeURIComponent(id)}`);
  const role = useSession()?.person?.role;
  const work = useFindingWork(finding);
  const [accepting, setAccepting] = useState(false);
  const patching = finding?.room === 'patching';
  // Patching has exceptions, which say as well what protects meanwhile.
  const mayAccept = !patching && (role === 'lead' || role === 'administrator') && finding?.state === 'open';
  useKeys({ x: mayAccept ? () => setAccepting(true) : undefined });
  if (!finding) return error ? <Problem error={error} retry={() => void refetch()} /> : <Waiting rows={12} />;
  return (
    <article className="detail">
      <header className="detail-head">
        <h2>{finding.title}</h2>
        <p>
          <Severity level={finding.severity} /> · {t.states[finding.state]} · {texts.rooms[finding.room].title} ·{' '}
          <span className="mono">{finding.kind}</span>
        </p>
      </header>
      <Problem error={work.error} />
      {finding.detail && <p>{finding.detail}</p>}
      <Facts finding={finding} />
      <h3>{t.fix}</h3>
      <p>
        <strong>{finding.fix.title}</strong>
      </p>
      <p className="said">{finding.fix.how}</p>
      <p className="dim">
        {texts.effort(finding.fix.effort)}
        {finding.fix.disrupts && ` · ${t.disrupts}`} ·{' '}
        <Link to="/findings" search={{ fix: finding.fix.title, view: 'list' }}>
          {t.sameFix}
        </Link>
      </p>
      {finding.accepted && finding.state === 'accepted' && (
        <p className="notice">
          {t.acceptedBy(finding.accepted.owner, localDate(finding.accepted.until))}: {finding.accepted.reason}
        </p>
      )}
      <p className="buttons">
        {mayAccept && !accepting && (
          <Button onClick={() => setAccepting(true)}>
            {t.accept}&nbsp;<kbd>x</kbd>
          </Button>
        )}
        {finding.state === 'accepted' && role !== 'viewer' && (
          <Button onClick={() => void work.reopen()}>{t.reopen}</Button>
        )}
      </p>
      {patching && finding.state !== 'fixed' && <PatchingClocks finding={finding} />}
      {finding.state === 'open' && !patching && !mayAccept && <p className="dim">{t.leadOnly}</p>}
      {accepting && mayAccept && <AcceptForm accept={work.accept} onDone={() => setAccepting(false)} />}
      <h3>{t.evidence}</h3>
      <EvidenceList evidence={finding.fixed_by ? [...finding.evidence, finding.fixed_by] : finding.evidence} />
    </article>
  );
}

function Facts({ finding }: { finding: Finding }) {
  return (
    <dl className="facts">
      <div>
        <dt>{t.asset}</dt>
        <dd>
          {finding.asset.id ? (
            <Link to="/assets" search={{ id: finding.asset.id }}>
              {finding.asset.name}
            </Link>
          ) : (
            finding.asset.name
          )}
        </dd>
      </div>
      <div>
        <dt>{t.firstSeen}</dt>
        <dd>
          <Moment at={finding.first_seen} />
        </dd>
      </div>
      <div>
        <dt>{t.lastSeen}</dt>
        <dd>
          <Moment at={finding.last_seen} />
        </dd>
      </div>
      {finding.due && (
        <div>
          <dt>{t.dueColumn}</dt>
          <dd>
            <Moment at={finding.due} />
          </dd>
        </div>
      )}
      {finding.reopened > 0 && (
        <div>
          <dt>{t.history}</dt>
          <dd>{t.cameBack(finding.reopened)}</dd>
        </div>
      )}
    </dl>
  );
}

function EvidenceList({ evidence }: { evidence: readonly Evidence[] }) {
  return (
    <ul className="evidence">
      {evidence.map((item) => (
        <li key={`${item.seen} ${item.what}`}>
          <p>{item.what}</p>
          <p className="dim">
            {t.seen} <Moment at={item.seen} />
            {item.event && (
              <>
                {' · '}
                <Link to="/events" search={{ id: item.event, range: '30d' }}>
                  {t.event}
                </Link>
              </>
            )}
          </p>
          {item.data && (
            <dl className="matched">
              {Object.entries(item.data).map(([key, value]) => (
                <div key={key}>
                  <dt className="mono">{key}</dt>
                  <dd className="mono">{String(value)}</dd>
                </div>
              ))}
            </dl>
          )}
          {item.command && <CopyLine text={item.command} />}
        </li>
      ))}
    </ul>
  );
}

function AcceptForm({ accept, onDone }: { accept: (acceptance: Acceptance) => Promise<boolean>; onDone: () => void }) {
  const day = (days: number) => new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 10);
  const [owner, setOwner] = useState('');
  const [reason, setReason] = useState('');
  const [until, setUntil] = useState(day(ACCEPT_DAYS));
  const [tried, setTried] = useState(false);
  const submit = async () => {
    setTried(true);
    if (owner.trim() === '' || reason.trim().length < 3 || until === '') return;
    if (await accept({ owner: owner.trim(), reason: reason.trim(), until: `${until}T00:00:00.000Z` })) onDone();
  };
  return (
    <form
      className="inline-form"
      aria-label={t.accept}
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <TextInput
        label={t.owner}
        description={t.ownerHelp}
        value={owner}
        autoFocus
        maxLength={256}
        error={tried && owner.trim() === '' ? t.ownerMissing : undefined}
        onChange={(event) => setOwner(event.currentTarget.value)}
      />
      <Textarea
        label={t.reason}
        description={t.reasonHelp}
        value={reason}
        maxLength={4000}
        error={tried && reason.trim().length < 3 ? t.reasonMissing : undefined}
        onChange={(event) => setReason(event.currentTarget.value)}
      />
      <TextInput
        type="date"
        label={t.until}
        description={t.untilHelp}
        value={until}
        min={day(1)}
        max={day(ACCEPT_DAYS_MAX)}
        error={tried && until === '' ? t.untilMissing : undefined}
        onChange={(event) => setUntil(event.currentTarget.value)}
      />
      <p className="buttons">
        <Button type="submit" variant="filled">
          {t.acceptNow}
        </Button>
        <Button onClick={onDone}>{texts.cancel}</Button>
      </p>
    </form>
  );
}
