/** What a response would touch, and who uses it: looked up before anything is done, and again when it is approved. */

import {
  type ArchiveReader,
  AsepsisError,
  allRecords,
  type Config,
  type EventRecord,
  type Store,
} from '../../core/index.ts';
import { type AddressRange, bitsOf, blockedRange, contains, parseRange, rangeText } from './response-address.ts';
import { ALWAYS_PROTECTED, type Protected, protectedOf, whyProtected } from './response-allow.ts';
import { blocksLastHour } from './response-decide.ts';
import type { Preview, Proposal } from './response-schema.ts';
import { responsesSince } from './response-store.ts';

const DAY_MS = 86_400_000;
/** Who uses an address or account is asked of the last week: a weekly round or a night shift shows up in it. */
const LOOK_BACK_MS = 7 * DAY_MS;
const SAMPLE = 200;
const NAMES_SHOWN = 5;

export interface PreviewDeps {
  readonly store: Store;
  readonly archive: Pick<ArchiveReader, 'search' | 'histogram'>;
  readonly config: Config;
  readonly nowMs: number;
  /** Addresses of this machine, its gateways and its name servers. */
  readonly machine: readonly Protected[];
  /** Address of the one who asks; null on the command line. */
  readonly caller: string | null;
  /** Account names of the one who asks. */
  readonly callerNames: readonly string[];
}

/** All that holds always, with the reason of each. */
export async function protectedNow(deps: PreviewDeps): Promise<Protected[]> {
  const { responses, http } = deps.config;
  const lists: Protected[] = [
    ...ALWAYS_PROTECTED,
    ...deps.machine,
    ...protectedOf(deps.caller === null ? [] : [deps.caller], 'the address from which you are signed in'),
    ...protectedOf(
      (await deps.store.people.sessions(null)).map((session) => session.address),
      'somebody is signed in to this desk from there',
    ),
    ...protectedOf(http.trusted_proxies, 'a proxy in front of this desk'),
    ...protectedOf(responses.monitoring, 'monitoring'),
    ...protectedOf(responses.partners, 'a partner'),
  ];
  for await (const asset of allRecords((page) => deps.store.assets.list({ class: 'medical' }, page)))
    lists.push(...protectedOf(asset.addresses, `the medical device ${asset.name}`));
  for await (const asset of allRecords((page) => deps.store.assets.list({}, page)))
    if (asset.criticality === 'life-sustaining' || asset.criticality === 'diagnostic')
      lists.push(...protectedOf(asset.addresses, `the clinical system ${asset.name}`));
  return [...lists, ...protectedOf(responses.own_ranges, 'a network of your own')];
}

/** The target in its canonical form. */
export function targetOf(proposal: Pick<Proposal, 'kind' | 'target'>): string {
  const text = proposal.target.trim();
  if (proposal.kind !== 'block') {
    // What a program gets as an argument: no option, no path, no control characters.
    if (!/^[\p{L}\p{N}_.][\p{L}\p{N}_.@\\$+ -]{0,127}$/u.test(text))
      throw new AsepsisError('BAD_REQUEST', 'target is no account name.');
    return text;
  }
  const range = parseRange(text);
  if (range === null)
    throw new AsepsisError('BAD_REQUEST', 'target is no address and no range such as 203.0.113.0/24.');
  return rangeText(blockedRange(range));
}

/** The single address that was asked for, where more than it is blocked. */
export function namedOf(proposal: Pick<Proposal, 'kind' | 'target'>, target: string): string | null {
  const range = proposal.kind === 'block' ? parseRange(proposal.target.trim()) : null;
  return range !== null && range.prefix === bitsOf(range) && rangeText(range) !== target ? rangeText(range) : null;
}

const phrase = (text: string): string => `"${text.replaceAll(/["\\]/g, (c) => `\\${c}`)}"`;

async function counted(deps: PreviewDeps, query: string): Promise<number> {
  const fromMs = deps.nowMs - LOOK_BACK_MS;
  const buckets = await deps.archive.histogram({ query, fromMs, toMs: deps.nowMs + 1 }, LOOK_BACK_MS + 1);
  return buckets.reduce((sum, bucket) => sum + bucket.count, 0);
}

async function sample(deps: PreviewDeps, query: string): Promise<readonly EventRecord[]> {
  const fromMs = deps.nowMs - LOOK_BACK_MS;
  return (await deps.archive.search({ query, fromMs, toMs: deps.nowMs + 1, limit: SAMPLE })).items;
}

function distinct(events: readonly EventRecord[], column: string): string[] {
  return [...new Set(events.map((event) => String(event.ocsf[column] ?? '')).filter((value) => value !== ''))];
}

const few = (names: readonly string[]): string =>
  names.slice(0, NAMES_SHOWN).join(', ') +
  (names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : '');

type Findings = Pick<Preview, 'touches' | 'affected' | 'reasons' | 'refused' | 'undo'>;

async function blockFindings(deps: PreviewDeps, range: AddressRange): Promise<Findings> {
  const text = rangeText(range);
  const single = range.prefix === bitsOf(range);
  const query = `(src_ip:${phrase(text)} OR dst_ip:${phrase(text)})`;
  const all = await counted(deps, query);
  const good = await sample(deps, `src_ip:${phrase(text)} AND class_uid:3002 AND outcome:success`);
  const users = distinct(good, 'user');
  const affected = [{ what: `events with ${text} in the last 7 days`, count: all }];
  const reasons: string[] = [];
  if (good.length > 0) {
    affected.push({ what: `log-ins that succeeded from there: ${few(users)}`, count: good.length });
    reasons.push(`Accounts signed in from there: ${few(users)}. Is each of them the attacker?`);
  }
  for await (const asset of allRecords((page) => deps.store.assets.list({}, page))) {
    const own = asset.addresses.some((address) => {
      const inner = parseRange(address);
      return inner !== null && contains(range, inner);
    });
    if (!own || affected.length >= 12) continue;
    affected.push({ what: `the asset ${asset.name}`, count: 1 });
    reasons.push(`${asset.name} is one of your own assets.`);
  }
  const wide = range.version === 4 ? !single : range.prefix < 64;
  if (wide) reasons.push(`${text} is a whole network: others than the attacker may be in it.`);
  return {
    touches: [
      ...(deps.config.responses.nftables.enabled
        ? [`nftables on this host: packets from and to ${text} are dropped (table inet asepsis)`]
        : []),
      `Bouncers that ask this desk for decisions drop ${text} too`,
    ],
    affected,
    reasons,
    refused: whyProtected(range, await protectedNow(deps)),
    undo: 'The address is taken out of the set and out of the decisions, at once and for all bouncers with their next question.',
  };
}

async function accountFindings(deps: PreviewDeps, kind: Proposal['kind'], account: string): Promise<Findings> {
  const query = `(user:${phrase(account)} OR target_user:${phrase(account)})`;
  const all = await counted(deps, query);
  const good = await sample(deps, `user:${phrase(account)} AND class_uid:3002 AND outcome:success`);
  const known = (await deps.store.accounts.list({ text: account }, { limit: 50 })).items.filter(
    (one) => one.name.toLowerCase() === account.toLowerCase(),
  );
  const { responses } = deps.config;
  // `HOSP\svc`, `svc@hosp.example` and `svc` in full-width letters may all be the one that is protected.
  const bare = (name: string): string =>
    (name.normalize('NFKC').toLowerCase().split('\\').at(-1) as string).split('@')[0] as string;
  const same = (name: string): boolean => bare(name) === bare(account);
  const places = distinct(good, 'host');
  let refused: string | null = null;
  if (all === 0 && known.length === 0)
    refused = `No event and no directory names the account ${account}: is it spelt right?`;
  else if (responses.protected_accounts.some(same)) refused = `${account} is protected by the configuration.`;
  else if (deps.callerNames.some(same)) refused = `${account} is your own account.`;
  else if (kind === 'disable-account' && responses.disable_account.length === 0)
    refused = 'No command is configured that disables an account (responses.disable_account).';
  return {
    touches: [
      kind === 'disable-account'
        ? `Runs ${[...responses.disable_account.slice(0, 1), '…', account].join(' ')} on this host`
        : `Sessions of ${account} at the gateway end; it has to sign in again`,
    ],
    affected: [
      { what: `events of ${account} in the last 7 days`, count: all },
      ...(good.length > 0 ? [{ what: `log-ins that succeeded, on ${few(places)}`, count: good.length }] : []),
      ...known.slice(0, 5).map((one) => ({ what: `account at ${one.service}`, count: 1 })),
    ],
    reasons: [
      kind === 'disable-account'
        ? `Whoever works as ${account} cannot sign in until it is undone.`
        : `Whoever works as ${account} is interrupted and has to sign in again.`,
    ],
    refused,
    undo:
      kind === 'disable-account'
        ? responses.enable_account.length > 0
          ? `Runs ${responses.enable_account[0]} for ${account}.`
          : 'By hand: no command that enables it again is configured (responses.enable_account).'
        : 'Nothing has to be undone: who signs in again has a new session.',
  };
}

/** Everything a person should know before a response is approved. Throws only for a target that is none. */
export async function previewOf(deps: PreviewDeps, proposal: Pick<Proposal, 'kind' | 'target'>): Promise<Preview> {
  const target = targetOf(proposal);
  const found =
    proposal.kind === 'block'
      ? await blockFindings(deps, parseRange(target) as AddressRange)
      : await accountFindings(deps, proposal.kind, target);
  let { refused } = found;
  if (proposal.kind === 'block' && refused === null) {
    const recent = await responsesSince(deps.store, deps.nowMs - DAY_MS);
    const used = blocksLastHour(
      recent.map(({ response }) => response),
      deps.nowMs,
    );
    const most = deps.config.responses.blocks_per_hour_max;
    if (used >= most) refused = `The budget of ${most} blocks an hour is used up.`;
  }
  return {
    touches: found.touches.map((text) => text.slice(0, 512)),
    affected: found.affected.slice(0, 16).map(({ what, count }) => ({ what: what.slice(0, 512), count })),
    disrupts: found.reasons.length > 0,
    reasons: found.reasons.slice(0, 16).map((text) => text.slice(0, 512)),
    refused: refused?.slice(0, 512) ?? null,
    undo: found.undo.slice(0, 512),
    simulated: deps.config.responses.mode === 'simulate',
  };
}
