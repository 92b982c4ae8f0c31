/** The shell around responses: looks up, decides with pure steps, stores with the audit entry, and lets the worker carry out. */

import {
  type ArchiveReader,
  AsepsisError,
  audited,
  type Caller,
  type Clock,
  type Config,
  type Role,
  type Store,
} from '../../core/index.ts';
import type { Protected } from './response-allow.ts';
import { type Actor, approved, proposed, refused, undone } from './response-decide.ts';
import { namedOf, previewOf, targetOf } from './response-preview.ts';
import type { Preview, Proposal, ResponseRecord } from './response-schema.ts';
import { insertResponse, nextNumber, readResponse, replaceResponse } from './response-store.ts';

const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz';

export interface ResponseParts {
  readonly store: Store;
  readonly archive: Pick<ArchiveReader, 'search' | 'histogram'>;
  readonly clock: Clock;
  readonly config: Config;
  readonly random: (n: number) => Uint8Array;
  readonly exercise: boolean;
  readonly machine: () => Promise<readonly Protected[]>;
  /** Lets the worker look at what changed; resolves when it has. Nothing on the command line: the desk looks by itself. */
  readonly carryOut: () => Promise<void>;
}

/** Who asks, from where. `request` is null on the command line: whoever may open the data folder. */
export interface Asking {
  readonly request: { readonly caller: Caller | null; readonly ip: string } | null;
  readonly name: string;
  readonly role: Role;
}

export interface ResponseService {
  preview(proposal: Pick<Proposal, 'kind' | 'target'>, asking: Asking): Promise<Preview>;
  propose(proposal: Proposal, asking: Asking): Promise<ResponseRecord>;
  approve(id: string, asking: Asking): Promise<ResponseRecord>;
  refuse(id: string, asking: Asking): Promise<ResponseRecord>;
  undo(id: string, asking: Asking): Promise<ResponseRecord>;
  get(id: string): Promise<ResponseRecord | null>;
}

function newResponseId(nowMs: number, random: Uint8Array): string {
  let time = '';
  for (let i = 0, rest = nowMs; i < 10; i++) {
    time = CROCKFORD.charAt(rest % 32) + time;
    rest = Math.floor(rest / 32);
  }
  return `rsp_${time}${[...random.subarray(0, 16)].map((byte) => CROCKFORD.charAt(byte & 31)).join('')}`;
}

const describe = (response: ResponseRecord): string =>
  `${response.kind} ${response.target} for ${Math.round(response.duration_sec / 60)} min, ${response.state}${response.simulated ? ', simulated' : ''}: ${response.reason}`;

export function createResponses(parts: ResponseParts): ResponseService {
  const { store, clock, config } = parts;
  // Budget and numbers are read and then written: one after the other.
  let queue: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const next = queue.then(work, work);
    queue = next.catch(() => {});
    return next;
  };

  const preview = async (proposal: Pick<Proposal, 'kind' | 'target'>, asking: Asking): Promise<Preview> =>
    previewOf(
      {
        store,
        archive: parts.archive,
        config,
        nowMs: clock.now(),
        machine: await parts.machine(),
        caller: asking.request?.ip ?? null,
        callerNames: asking.request?.caller?.kind === 'person' ? [asking.request.caller.name] : [],
      },
      proposal,
    );

  const audit = (inside: Store, asking: Asking, action: string, target: string, detail: string, denied = false) =>
    audited({ store: inside, clock }, asking.request, {
      action: `response.${action}`,
      target,
      detail,
      ...(asking.request === null ? { actor: asking.name } : {}),
      ...(denied ? { outcome: 'denied' as const } : {}),
    });

  const change = (
    id: string,
    asking: Asking,
    action: 'approve' | 'refuse' | 'undo',
    step: (response: ResponseRecord, by: Actor) => Promise<Parameters<typeof replaceResponse>[3]>,
  ): Promise<ResponseRecord> =>
    inTurn(async () => {
      const known = await readResponse(store, id);
      if (known === null) throw new AsepsisError('NOT_FOUND', 'There is no such response.');
      const next = await step(known.response, asking);
      await store.transaction(async (inside) => {
        if ((await replaceResponse(inside, clock, known.version, next)) === null)
          throw new AsepsisError('CONFLICT', 'Somebody else changed this response meanwhile.');
        await audit(inside, asking, action, id, describe(next.response));
      });
      await parts.carryOut();
      return (await readResponse(store, id))?.response ?? next.response;
    });

  return {
    preview,
    propose: (proposal, asking) =>
      inTurn(async () => {
        const target = targetOf(proposal);
        const seen = await preview(proposal, asking);
        if (seen.refused !== null) {
          await audit(store, asking, 'propose', target, `${proposal.kind}: ${seen.refused}`, true);
          throw new AsepsisError('RESPONSE_REFUSED', seen.refused);
        }
        const stored = await store.transaction(async (inside) => {
          const made = proposed({
            id: newResponseId(clock.now(), parts.random(16)),
            number: await nextNumber(inside),
            proposal,
            target,
            named: namedOf(proposal, target),
            preview: seen,
            by: asking,
            nowMs: clock.now(),
            config: config.responses,
            exercise: parts.exercise,
          });
          await audit(inside, asking, 'propose', made.response.id, describe(made.response));
          return insertResponse(inside, clock, made);
        });
        await parts.carryOut();
        return (await readResponse(store, stored.response.id))?.response ?? stored.response;
      }),
    approve: (id, asking) =>
      change(id, asking, 'approve', async (response, by) =>
        approved(response, await preview(response, asking), by, clock.now()),
      ),
    refuse: (id, asking) => change(id, asking, 'refuse', async (response, by) => refused(response, by, clock.now())),
    undo: (id, asking) => change(id, asking, 'undo', async (response, by) => undone(response, by, clock.now())),
    get: async (id) => (await readResponse(store, id))?.response ?? null,
  };
}
