/** A Unix machine's files (passwd, shadow, group, sshd_config, pam.d): one verdict for each account that can get a shell. */

import { membersOf, parsePasswd } from '../access-parse.ts';
import { asksSecondFactor, passwordAlonePasses } from './audit-pam.ts';
import { type AccountMark, type AuditInput, account } from './audit-record.ts';
import { settingsFor, sshdBlocks, sshFactor } from './audit-sshd.ts';

export interface UnixFiles {
  readonly host: string;
  readonly passwd?: string;
  readonly shadow?: string;
  readonly group?: string;
  readonly sshd?: string;
  /** Stack name → text. */
  readonly pam: ReadonlyMap<string, string>;
  readonly source: string;
}

const ADMIN_GROUPS = ['sudo', 'wheel', 'admin', 'root'];
const RANK = { none: 0, registered: 1, enforced: 2 } as const;

export function unixAccounts(files: UnixFiles, input: AuditInput): number {
  const stack = files.pam.get('sshd') ?? '';
  const pamAlone =
    stack === '' && files.pam.size === 0
      ? 'yes'
      : passwordAlonePasses(stack || (files.pam.get('common-auth') ?? files.pam.get('system-auth') ?? ''), files.pam);
  const blocks = files.sshd === undefined ? null : sshdBlocks(files.sshd);
  const service = `SSH ${files.host}`;
  if (files.passwd === undefined) {
    if (blocks === null && stack === '') return 0;
    // Without a list of accounts: those that the file names, and everybody else.
    const named = new Set(
      (blocks ?? []).flatMap((block) =>
        (block.criteria ?? [])
          .filter(([what, value]) => what === 'user' && !/[*?!,]/.test(value))
          .map(([, value]) => value),
      ),
    );
    for (const name of [...named, 'everybody else'])
      push(name, new Set(), {
        privileged: name === 'root' ? true : null,
        kind: name === 'everybody else' ? 'unknown' : undefined,
      });
    return named.size + 1;
  }
  const groupText = files.group ?? '';
  const groupsByUser = memberships(groupText);
  const admins = membersOf(groupText, ADMIN_GROUPS);
  const hashes = new Map(
    (files.shadow ?? '')
      .split('\n')
      .map((line) => line.split(':') as [string, string?])
      .map(([name, hash, ...rest]) => [name, { hash, rest }]),
  );
  const names = groupNames(groupText);
  let count = 0;
  for (const user of parsePasswd(files.passwd)) {
    const groups = new Set([
      ...(groupsByUser.get(user.name) ?? []),
      ...(names.get(user.gid) === undefined ? [] : [names.get(user.gid) as string]),
    ]);
    const held = hashes.get(user.name);
    const marks: AccountMark[] = held?.hash === '' ? ['empty-password'] : [];
    const locked = held?.hash !== undefined && /^[!*]/.test(held.hash);
    push(user.name, groups, {
      privileged: user.uid === 0 || admins.has(user.name),
      enabled: true,
      marks,
      locked,
      ...(held?.hash && !locked && { secretHash: held.hash }),
    });
    count++;
  }
  return count;

  function push(
    name: string,
    groups: ReadonlySet<string>,
    more: {
      privileged: boolean | null;
      enabled?: boolean;
      marks?: AccountMark[];
      locked?: boolean;
      kind?: 'unknown' | undefined;
      secretHash?: string;
    },
  ): void {
    if (blocks === null) {
      const asked = pamAlone === 'no' ? 'enforced' : pamAlone === 'when-none' ? 'registered' : 'none';
      input.accounts.push(
        account({
          service: `log-in ${files.host}`,
          name,
          factor: files.pam.size === 0 ? 'unknown' : more.locked ? 'unknown' : asked,
          source: files.source,
          privileged: more.privileged,
          enabled: more.enabled ?? null,
          external: false,
          marks: more.marks ?? [],
          why:
            files.pam.size === 0
              ? 'neither PAM nor sshd was exported'
              : `PAM: a password alone ${pamAlone === 'no' ? 'is refused' : pamAlone === 'when-none' ? 'is enough for whoever has registered nothing' : 'is enough'}`,
          ...(more.secretHash && { secretHash: more.secretHash }),
        }),
      );
      return;
    }
    const views = [false, true].map((elsewhere) => {
      const settings = settingsFor(blocks, name, groups, elsewhere);
      const root = (settings.get('permitrootlogin') ?? 'prohibit-password').toLowerCase();
      const noPassword = more.locked === true || (name === 'root' && root !== 'yes');
      if (name === 'root' && root === 'no') return { factor: 'enforced' as const, how: 'root cannot sign in by SSH' };
      const changed = noPassword
        ? new Map([...settings, ['passwordauthentication', 'no'], ['kbdinteractiveauthentication', 'no']])
        : settings;
      return sshFactor(changed, pamAlone);
    });
    const worst =
      (views[0] as (typeof views)[0]).factor === (views[1] as (typeof views)[0]).factor ||
      RANK[views[0]!.factor] < RANK[views[1]!.factor]
        ? views[0]!
        : views[1]!;
    // PAM asks in the console's stack, and SSH lets a password in beside it: the protocol goes around the factor.
    const around =
      worst.factor === 'none' &&
      /password/.test(worst.how) &&
      [...files.pam.values()].some((text) => asksSecondFactor(text, files.pam));
    const split = worst.factor === 'none' && views.some((view) => view.factor === 'enforced');
    input.accounts.push(
      account({
        service,
        name,
        factor: around || split ? 'bypassed' : worst.factor,
        protocol: around || split ? (/password/.test(worst.how) ? 'SSH password' : 'SSH key') : null,
        why: worst.how + (split ? ' from some addresses' : ''),
        privileged: more.privileged,
        enabled: more.enabled ?? null,
        external: null,
        marks: more.marks ?? [],
        source: files.source,
        ...(more.secretHash && { secretHash: more.secretHash }),
        ...(more.kind && { kind: more.kind }),
      }),
    );
  }
}

function memberships(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const line of text.split('\n').slice(0, 100_000)) {
    const [group, , , list] = line.split(':');
    if (!group) continue;
    for (const name of (list ?? '').split(',')) if (name !== '') found.set(name, [...(found.get(name) ?? []), group]);
  }
  return found;
}

function groupNames(text: string): Map<number, string> {
  return new Map(
    text
      .split('\n')
      .slice(0, 100_000)
      .map((line) => line.split(':'))
      .filter((parts) => parts.length >= 3)
      .map((parts) => [Number(parts[2]), parts[0] as string]),
  );
}
