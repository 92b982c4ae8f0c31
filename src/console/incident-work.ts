/** What people do with an incident: shown at once, sent with the version that was read, undone with one key. */

import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useState } from 'react';
import type { Incident } from '../core/records.ts';
import { api, ProblemError } from './api-client.ts';
import { patchLists, useSession } from './api-queries.ts';
import type { IncidentAnswer } from './api-types.ts';
import { texts } from './texts.ts';
import { didIt } from './undo.ts';

export type Verdict = 'real' | 'harmless' | 'exercise';

type Change = {
  assign?: 'me' | null;
  comment?: string;
  close?: { reason: string; verdict: Verdict };
  reopen?: true;
};

export interface Trouble {
  readonly error: unknown;
  /** Tries the same on what is there now. */
  readonly again: () => void;
}

export function useIncidentWork(incident: Incident | undefined) {
  const client = useQueryClient();
  const me = useSession()?.person;
  const [trouble, setTrouble] = useState<Trouble | null>(null);

  const show = useCallback(
    (record: Incident) => {
      client.setQueryData<IncidentAnswer>(['answer', `/v1/incidents/${record.id}`], (old) =>
        old ? { ...old, incident: record } : old,
      );
      patchLists(client, '/v1/incidents', record);
    },
    [client],
  );

  /** Answers the incident as it is afterwards, or null when it was refused. */
  const send = useCallback(
    async (before: Incident, change: Change, preview: Partial<Incident>): Promise<Incident | null> => {
      setTrouble(null);
      show({ ...before, ...preview });
      const path = `/v1/incidents/${before.id}`;
      try {
        const after = await api.patch<Incident>(path, { version: before.version, ...change });
        show(after);
        void client.invalidateQueries({ queryKey: ['overview'] });
        return after;
      } catch (error) {
        show(before);
        let current = before;
        if (error instanceof ProblemError && error.status === 409) {
          const fresh = await api.get<IncidentAnswer>(path).catch(() => null);
          if (fresh) {
            current = fresh.incident;
            client.setQueryData(['answer', path], fresh);
            show(current);
          }
        }
        setTrouble({ error, again: () => void send(current, change, preview) });
        return null;
      }
    },
    [client, show],
  );

  if (!incident || !me) return { trouble, setTrouble, may: false as const };
  const now = () => new Date().toISOString() as Incident['opened'];
  const mine = incident.assignee === me.id;

  const assign = async (to: 'me' | null) => {
    const preview: Partial<Incident> =
      to === 'me'
        ? { assignee: me.id as Incident['assignee'] & string, assignee_name: me.display_name }
        : ({ assignee: undefined, assignee_name: undefined } as unknown as Partial<Incident>);
    const wasFree = incident.assignee === undefined;
    const after = await send(incident, { assign: to }, preview);
    if (!after) return;
    const back = to === 'me' ? (wasFree ? null : undefined) : ('me' as const);
    didIt(
      to === 'me' ? texts.incidents.assigned : texts.incidents.released,
      back === undefined ? undefined : async () => void (await send(after, { assign: back }, {})),
    );
  };
  const close = async (reason: string, verdict: Verdict) => {
    const preview = { state: 'closed' as const, close_reason: reason, verdict, closed_at: now() };
    const after = await send(incident, { close: { reason, verdict } }, preview);
    if (after) didIt(texts.incidents.closed, async () => void (await send(after, { reopen: true }, { state: 'open' })));
    return after !== null;
  };
  const reopen = async () => {
    const { close_reason: reason, verdict } = incident;
    const after = await send(incident, { reopen: true }, { state: 'open' });
    if (!after) return;
    didIt(
      texts.incidents.reopened,
      reason && verdict
        ? async () => void (await send(after, { close: { reason, verdict } }, { state: 'closed' }))
        : undefined,
    );
  };
  const comment = async (text: string) => {
    const comments = [...incident.comments, { by: me.display_name, at: now(), text }];
    const after = await send(incident, { comment: text }, { comments });
    if (after) didIt(texts.incidents.commented);
    return after !== null;
  };
  return { trouble, setTrouble, may: me.role !== 'viewer', mine, assign, close, reopen, comment };
}

export type IncidentWork = Extract<ReturnType<typeof useIncidentWork>, { mine: boolean }>;
