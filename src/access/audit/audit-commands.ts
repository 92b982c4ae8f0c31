/** `asepsis access audit`: exports of identity systems in, one finding for each account and weakness out. */

import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { Client } from 'ldapts';
import {
  AsepsisError,
  type Clock,
  EXIT,
  type Finding,
  publicFinding,
  rfc3339,
  SEVERITY_SHAPE,
  type Store,
  severityRank,
  type Terminal,
} from '../../core/index.ts';
import { auditCoverage, judge, observations, POLICIES, passing, type Verdict } from './audit-judge.ts';
import { keepAudit } from './audit-keep.ts';
import { directoryAccounts, type Entry } from './audit-ldif.ts';
import { readExports } from './audit-read.ts';
import type { AuditInput } from './audit-record.ts';

export interface AuditDeps {
  readonly openStore: (dataDir: string) => Promise<Store>;
  readonly clock: Clock;
  /** Adds what the installation itself knows. */
  readonly join: (input: AuditInput, store: Store, dataDir: string, exercise: boolean) => Promise<void>;
}

interface Options {
  readonly json?: boolean;
  readonly accounts?: boolean;
  readonly coverage?: boolean;
  readonly external?: readonly string[];
  readonly host?: string;
  readonly data?: string;
  readonly exercise?: boolean;
  readonly ldap?: string;
  readonly bindDn?: string;
  readonly passwordFile?: string;
  readonly base?: string;
  readonly ca?: string;
}

const LDAP_PAGE = 500;

export function auditCommands(access: Command, terminal: Terminal, deps: AuditDeps): void {
  access
    .command('audit')
    .description(
      'who has no second factor: exports of Entra, Active Directory, Google, Okta, Keycloak, FreeIPA, sshd, PAM, VPN, RADIUS',
    )
    .argument('[files...]', 'exports, or folders of them; a machine’s etc folder')
    .option('--ldap <url>', 'reads a directory live: ldaps://…')
    .option('--bind-dn <dn>', 'who reads it')
    .option('--password-file <file>', 'the file with the reader’s password')
    .option('--base <dn>', 'where the accounts are')
    .option('--ca <file>', 'the authority of the directory’s certificate')
    .option('--external <services...>', 'services that can be reached from the internet, by their name here')
    .option('--host <name>', 'the machine whose etc files these are')
    .option('-d, --data <folder>', 'keeps accounts and findings in this installation')
    .option('--exercise', 'with --data: marks what is kept as part of an exercise')
    .option('--json', 'one finding a line')
    .option('--accounts', 'with --json: one verdict for each account and service instead')
    .option('--coverage', 'with --json: the coverage and the policies that it answers to instead')
    .action(async (files: string[], o: Options) => {
      process.exitCode = await audit(files, o, terminal, deps);
    });
}

async function audit(files: readonly string[], o: Options, terminal: Terminal, deps: AuditDeps): Promise<number> {
  if (files.length === 0 && o.ldap === undefined && o.data === undefined)
    throw new AsepsisError('BAD_REQUEST', 'Name at least one export, or a directory with --ldap.');
  const input = await readExports(files, o.host === undefined ? {} : { host: o.host });
  if (o.ldap !== undefined) await readLive(o, input);
  for (const [what, count] of input.faults) terminal.say(`Not read: ${what}${count > 1 ? ` (${count}×)` : ''}`);
  const store = o.data === undefined ? null : await deps.openStore(o.data);
  if (store !== null && o.data !== undefined) await deps.join(input, store, o.data, o.exercise === true);
  if (input.accounts.length === 0)
    throw new AsepsisError('INPUT_UNREADABLE', 'No account was found in any of the exports.');
  const nowMs = deps.clock.now();
  const verdicts = judge(input, { nowMs, ...(o.external && { external: o.external }) });
  const seen = observations(verdicts, nowMs);
  const findings =
    store === null ? seen.map((one) => passing(one, nowMs)) : await kept(store, verdicts, seen, o, nowMs);
  print(o, terminal, verdicts, findings);
  summary(verdicts, terminal);
  return findings.some((one) => one.state === 'open') ? EXIT.findings : EXIT.clean;
}

async function kept(
  store: Store,
  verdicts: readonly Verdict[],
  seen: ReturnType<typeof observations>,
  o: Options,
  nowMs: number,
): Promise<readonly Finding[]> {
  try {
    return await keepAudit(store, verdicts, seen, { nowMs, exercise: o.exercise === true });
  } finally {
    await store.close();
  }
}

function print(o: Options, terminal: Terminal, verdicts: readonly Verdict[], findings: readonly Finding[]) {
  if (o.json && o.accounts) {
    for (const one of verdicts)
      terminal.out(
        `${JSON.stringify({
          account: one.name,
          service: one.service,
          verdict: one.factor,
          protocol: one.protocol,
          kind: one.kind,
          privileged: one.privileged,
          external: one.external,
          enabled: one.enabled,
          stale: one.stale,
          never_used: one.neverUsed,
          marks: one.marks,
          last_sign_in: one.lastSignInMs ? rfc3339(one.lastSignInMs) : null,
          why: one.why,
          source: one.source,
        })}\n`,
      );
    return;
  }
  if (o.json && o.coverage)
    return terminal.out(`${JSON.stringify({ coverage: auditCoverage(verdicts), policies: POLICIES })}\n`);
  const sorted = findings.toSorted((a, b) => severityRank(a.severity) - severityRank(b.severity));
  let text = '';
  for (const finding of sorted) {
    text += o.json
      ? `${JSON.stringify(publicFinding(finding))}\n`
      : `${SEVERITY_SHAPE[finding.severity]} ${finding.severity.padEnd(11)} ${plain(finding.title)}\n    ${plain(finding.evidence[0]?.what ?? '')}\n`;
    if (text.length > 1 << 20) {
      terminal.out(text);
      text = '';
    }
  }
  terminal.out(text);
}

/** What an export brings must not steer the terminal. */
const plain = (text: string): string => text.replace(/\p{Cc}/gu, '?');

function summary(verdicts: readonly Verdict[], terminal: Terminal): void {
  const coverage = auditCoverage(verdicts);
  const line = (
    title: string,
    { accounts, enforced, unknown }: { accounts: number; enforced: number; unknown: number },
  ) =>
    accounts > 0 &&
    terminal.say(
      `${title}: ${enforced} of ${accounts} accounts must show a second factor${unknown > 0 ? `, of ${unknown} it is not known` : ''}.`,
    );
  line('External and privileged', coverage.external_privileged);
  line('External', coverage.external);
  line('Privileged', coverage.privileged);
  line('All', coverage.all);
}

/** A directory read live, in pages, with nothing but search. */
async function readLive(o: Options, input: AuditInput): Promise<void> {
  if (o.bindDn === undefined || o.passwordFile === undefined || o.base === undefined)
    throw new AsepsisError('BAD_REQUEST', 'A live directory needs --bind-dn, --password-file and --base.');
  const url = new URL(o.ldap as string);
  const local = url.hostname === 'localhost' || url.hostname.startsWith('127.');
  if (url.protocol !== 'ldaps:' && !local) throw new AsepsisError('BAD_REQUEST', 'A password goes over ldaps:// only.');
  const client = new Client({
    url: o.ldap as string,
    timeout: 30_000,
    connectTimeout: 10_000,
    ...(url.protocol === 'ldaps:' && {
      tlsOptions: { rejectUnauthorized: true, ...(o.ca && { ca: [readFileSync(o.ca)] }) },
    }),
  });
  try {
    await client.bind(o.bindDn, readFileSync(o.passwordFile, 'utf8').trim());
    const { searchEntries } = await client.search(o.base, {
      scope: 'sub',
      filter:
        '(|(objectClass=person)(objectClass=posixAccount)(objectClass=groupOfNames)(objectClass=group)(cn=ipaConfig)(objectClass=ipatoken))',
      paged: { pageSize: LDAP_PAGE },
      attributes: [
        '*',
        'lastLogonTimestamp',
        'msDS-KeyCredentialLink',
        'memberOf',
        'createTimestamp',
        'authTimestamp',
        'pwdAccountLockedTime',
        'nsAccountLock',
        'krbLastSuccessfulAuth',
      ],
    });
    const entries: Entry[] = searchEntries.map(
      (entry) =>
        new Map(
          Object.entries(entry).map(([name, value]) => [
            name.toLowerCase(),
            (Array.isArray(value) ? value : [value])
              .map((one) => (Buffer.isBuffer(one) ? one.toString('utf8') : String(one)))
              .slice(0, 2000),
          ]),
        ),
    );
    directoryAccounts(entries, input, url.hostname);
    input.formats.set(o.ldap as string, 'LDAP');
  } catch (error) {
    throw new AsepsisError('INPUT_UNREADABLE', `${o.ldap}: ${(error as Error).message}.`, { cause: error });
  } finally {
    await client.unbind().catch(() => {});
  }
}
