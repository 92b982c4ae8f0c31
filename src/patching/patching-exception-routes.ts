/** Exceptions: findings that stay open until a day because somebody answers for them, with what protects meanwhile. */

import { Type } from 'typebox';
import {
  AsepsisError,
  audited,
  closed,
  type FindingId,
  FindingIdSchema,
  listOf,
  rfc3339,
  type TypedApp,
} from '../core/index.ts';
import type { PatchingDeps } from './patching-routes.ts';

const tags = ['patching'];
const DAY_MS = 86_400_000;
const EXCEPTION_DAYS_MAX = 366;
const FINDINGS_MAX = 5_000;
const SHOWN_MAX = 500;
/** Between the reason and the control, where a finding keeps both as one text. */
const MEANWHILE = ' Until then: ';

const Exception = Type.Object({
  finding: Type.String(),
  title: Type.String(),
  asset: Type.String(),
  severity: Type.String(),
  owner: Type.String(),
  reason: Type.String(),
  control: Type.String(),
  until: Type.String(),
  by: Type.String(),
});

export function exceptionRoutes(app: TypedApp, { services, desk }: PatchingDeps): void {
  const { store, clock } = services;
  app.get(
    '/v1/patching/exceptions',
    {
      config: { access: 'viewer' },
      schema: { summary: 'The exceptions that hold now', tags, response: { 200: listOf(Exception) } },
    },
    async () => {
      const { items } = await store.findings.list({ room: 'patching', state: 'accepted' }, { limit: SHOWN_MAX });
      const held = items.flatMap((one) => (one.accepted ? [{ ...one, accepted: one.accepted }] : []));
      return {
        items: held
          .map(({ id, title, asset, severity, accepted }) => {
            const at = accepted.reason.lastIndexOf(MEANWHILE);
            return {
              finding: id,
              title,
              asset: asset.name,
              severity,
              owner: accepted.owner,
              reason: at < 0 ? accepted.reason : accepted.reason.slice(0, at),
              control: at < 0 ? '' : accepted.reason.slice(at + MEANWHILE.length),
              until: accepted.until,
              by: accepted.by,
            };
          })
          .sort((a, b) => (a.until < b.until ? -1 : 1)),
        next: null,
      };
    },
  );
  app.post(
    '/v1/patching/exceptions',
    {
      config: { access: 'lead' },
      schema: {
        summary:
          'An exception for findings, or for all of an action, until a day: owner, reason, compensating control; it opens again by itself',
        tags,
        body: Type.Object(
          {
            findings: Type.Array(FindingIdSchema, { maxItems: 1000, default: [] }),
            action: Type.Optional(Type.String({ maxLength: 250, description: 'Instead of findings' })),
            owner: Type.String({ minLength: 1, maxLength: 200 }),
            reason: Type.String({ minLength: 3, maxLength: 1500 }),
            control: Type.String({ minLength: 3, maxLength: 1500, description: 'What protects meanwhile' }),
            until: Type.String({ format: 'date-time', maxLength: 32 }),
          },
          closed,
        ),
        response: { 200: Type.Object({ accepted: Type.Integer(), until: Type.String(), missing: Type.Integer() }) },
      },
    },
    async (request) => {
      const { action, owner, reason, control } = request.body;
      const now = clock.now();
      const until = Date.parse(request.body.until);
      if (!(until > now && until <= now + EXCEPTION_DAYS_MAX * DAY_MS))
        throw new AsepsisError('BAD_REQUEST', '"until" lies in the future, at most a year from now.');
      // What was accepted or opened a moment ago counts.
      desk.forget();
      const named = action === undefined ? null : (await desk.actions()).find((one) => one.id === action);
      if (named === undefined) throw new AsepsisError('NOT_FOUND', 'That action does not wait any more.');
      const findings = named === null ? request.body.findings : named.findings;
      if (findings.length === 0 || findings.length > FINDINGS_MAX)
        throw new AsepsisError('BAD_REQUEST', `Name findings or an action, of at most ${FINDINGS_MAX} findings.`);
      const by = request.caller?.name ?? 'unknown';
      const acceptance = { owner, reason: `${reason}${MEANWHILE}${control}`, until: rfc3339(until), by };
      let accepted = 0;
      for (const one of findings) {
        const known = await store.findings.get(one as FindingId);
        if (known?.room !== 'patching' || known.state === 'fixed') continue;
        if (await store.findings.accept(one as FindingId, acceptance, rfc3339(now))) accepted++;
      }
      await audited(services, request, {
        action: 'patching.exception',
        detail: `${accepted} findings until ${rfc3339(until).slice(0, 10)}, owner ${owner}: ${reason}. Control: ${control}`,
      });
      desk.forget();
      return { accepted, until: rfc3339(until), missing: findings.length - accepted };
    },
  );
}
