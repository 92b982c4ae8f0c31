/** Settings and the state of the machinery: rules in force, the pipeline's position, retention and notifications. */

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { DeskDeps } from './desk-deps.ts';

export function deskSettings(deps: DeskDeps): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get(
      '/v1/pipeline',
      {
        config: { access: 'viewer' },
        schema: {
          summary: 'Where the pipeline stands in the stream',
          tags: ['desk'],
          response: {
            200: Type.Object({
              events: Type.Integer(),
              seq: Type.Integer(),
              durable_seq: Type.Integer(),
              last_seq: Type.Integer(),
              per_sec: Type.Number(),
              lag_ms: Type.Number(),
            }),
          },
        },
      },
      async () => {
        const { events, seq, durableSeq, perSec, lagMs } = deps.pipeline();
        const { lastSeq } = await deps.stream.stats();
        return { events, seq, durable_seq: durableSeq, last_seq: lastSeq, per_sec: perSec, lag_ms: lagMs };
      },
    );
    app.get(
      '/v1/rules',
      {
        config: { access: 'viewer' },
        schema: {
          summary: 'Detection rules in force, and files that were refused with the reason',
          tags: ['detection'],
          response: {
            200: Type.Object({
              items: Type.Array(
                Type.Object({
                  id: Type.String(),
                  title: Type.String(),
                  level: Type.String(),
                  tags: Type.Array(Type.String()),
                  description: Type.String(),
                }),
              ),
              refused: Type.Array(Type.Object({ file: Type.String(), line: Type.Integer(), reason: Type.String() })),
              note: Type.Union([Type.String(), Type.Null()]),
              next: Type.Null(),
            }),
          },
        },
      },
      async () => {
        const { rules, refused, note } = deps.pipeline();
        return {
          items: rules.map((rule) => ({ ...rule, tags: [...rule.tags] })),
          refused: [...refused],
          note,
          next: null,
        };
      },
    );
    app.get(
      '/v1/settings',
      {
        config: { access: 'viewer' },
        schema: {
          summary: 'What is configured, without secrets',
          tags: ['desk'],
          response: {
            200: Type.Object({
              archive: Type.Object({ retention_days: Type.Integer() }),
              stream: Type.Object({ retention_hours: Type.Integer(), retention_mb: Type.Integer() }),
              notify: Type.Object({
                level: Type.String(),
                webhook: Type.Union([Type.String(), Type.Null()]),
                email: Type.Array(Type.String()),
              }),
              store: Type.String(),
              listeners: Type.Array(Type.Object({ name: Type.String(), address: Type.String() })),
              outbox: Type.Array(
                Type.Object({
                  channel: Type.String(),
                  attempts: Type.Integer(),
                  last_error: Type.Union([Type.String(), Type.Null()]),
                }),
              ),
            }),
          },
        },
      },
      async () => {
        const { archive, stream, notify } = deps.config;
        const waiting = await deps.store.outbox.list(50);
        return {
          archive: { retention_days: archive.retention_days },
          stream: { retention_hours: stream.retention_hours, retention_mb: stream.retention_mb },
          notify: {
            level: String(notify.level),
            webhook: notify.webhook ? originOnly(notify.webhook.url) : null,
            email: notify.email ? [...notify.email.to] : [],
          },
          store: deps.store.kind,
          listeners: [...deps.listeners()],
          outbox: waiting.map(({ channel, attempts, last_error }) => ({ channel, attempts, last_error })),
        };
      },
    );
  };
}

/** Webhook addresses often carry a secret in their path: only the origin is shown. */
function originOnly(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : 'not a URL';
}
