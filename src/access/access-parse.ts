/** Reads what decides about log-ins on a Unix machine: sshd's effective settings, PAM stacks, accounts and groups. */

export type SshdSettings = ReadonlyMap<string, string>;

/**
 * Lines `keyword value` as `sshd -T` prints them (keywords in lower case). The same reader takes sshd_config(5), where
 * the first value of a keyword counts and `Match` blocks end what holds for everybody.
 */
export function parseSshd(text: string): SshdSettings {
  const settings = new Map<string, string>();
  for (const line of text.split('\n').slice(0, 10_000)) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const gap = trimmed.search(/[\s=]/);
    if (gap < 0) continue;
    const keyword = trimmed.slice(0, gap).toLowerCase();
    if (keyword === 'match') break;
    const value = trimmed
      .slice(gap + 1)
      .replace(/^[\s=]+/, '')
      .replace(/^"(.*)"$/, '$1');
    if (!settings.has(keyword)) settings.set(keyword, value);
  }
  return settings;
}

/** How a stranger may sign in by SSH. */
export interface SshVerdict {
  readonly passwordAlone: boolean;
  readonly secondFactor: boolean;
  readonly rootByPassword: boolean;
  readonly emptyPasswords: boolean;
}

/** sshd_config(5): defaults of OpenSSH 9; Debian sets KbdInteractiveAuthentication to no. */
export function judgeSshd(settings: SshdSettings, pamSecondFactor: boolean): SshVerdict {
  const value = (keyword: string, otherwise: string) => (settings.get(keyword) ?? otherwise).toLowerCase();
  const password = value('passwordauthentication', 'yes') === 'yes';
  const keyboard = value('kbdinteractiveauthentication', value('challengeresponseauthentication', 'yes')) === 'yes';
  const pam = value('usepam', 'no') === 'yes';
  const lists = value('authenticationmethods', 'any').split(/\s+/);
  const chains =
    lists[0] === 'any' ? [] : lists.map((list) => list.split(',').map((method) => method.split(':')[0] as string));
  // A chain of two different methods is two factors; PAM's second factor is asked only in keyboard-interactive.
  const everyChainTwo =
    chains.length > 0 &&
    chains.every(
      (chain) => new Set(chain).size >= 2 || (pamSecondFactor && pam && chain.includes('keyboard-interactive')),
    );
  const byPassword =
    password && (chains.length === 0 || chains.some((chain) => chain.length === 1 && chain[0] === 'password'));
  const byKeyboard =
    keyboard &&
    pam &&
    !pamSecondFactor &&
    (chains.length === 0 || chains.some((chain) => chain.length === 1 && chain[0] === 'keyboard-interactive'));
  // Plain password authentication bypasses what PAM asks for in a conversation only when the module is not in its stack:
  // sshd runs the same stack for both, but a one-time code cannot be asked for there, so it fails closed.
  const passwordAlone = everyChainTwo ? false : (byPassword && !(pam && pamSecondFactor)) || byKeyboard;
  const root = value('permitrootlogin', 'prohibit-password');
  return {
    passwordAlone,
    secondFactor: everyChainTwo || (pam && pamSecondFactor),
    rootByPassword: passwordAlone && root === 'yes',
    emptyPasswords: password && value('permitemptypasswords', 'no') === 'yes',
  };
}

/** Modules that ask for a second factor. */
const SECOND_FACTOR_MODULES =
  /\bpam_(google_authenticator|oath|u2f|duo|yubico|otpw|radius|fido2|okta[a-z_]*|privacyidea|linotp)(\.so|\b)/;

/** True when the stack asks everybody: `required`/`requisite`, or `[…]` without a way around (`nullok` is one). */
export function pamAsksSecondFactor(text: string): boolean {
  for (const line of text.split('\n').slice(0, 2000)) {
    const code = line.split('#')[0]?.trim() ?? '';
    if (!/^-?auth\s/.test(code) || !SECOND_FACTOR_MODULES.test(code)) continue;
    if (/\bnullok\b/.test(code)) continue;
    if (/^-?auth\s+(required|requisite|\[)/.test(code)) return true;
  }
  return false;
}

export interface UnixAccount {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly shell: string;
}

/** Accounts of passwd(5) that can get a shell. */
export function parsePasswd(text: string): UnixAccount[] {
  const accounts: UnixAccount[] = [];
  for (const line of text.split('\n').slice(0, 100_000)) {
    const [name, , uid, gid, , , shell] = line.split(':');
    if (!name || uid === undefined || shell === undefined) continue;
    if (/(^|\/)(nologin|false|sync|halt|shutdown)$/.test(shell) || shell === '') continue;
    accounts.push({ name: name.slice(0, 128), uid: Number(uid), gid: Number(gid), shell: shell.slice(0, 128) });
  }
  return accounts;
}

/** Members of the named groups of group(5), by their own entries. */
export function membersOf(text: string, groups: readonly string[]): Set<string> {
  const members = new Set<string>();
  for (const line of text.split('\n').slice(0, 100_000)) {
    const [group, , , list] = line.split(':');
    if (group && groups.includes(group)) for (const name of (list ?? '').split(',')) if (name) members.add(name);
  }
  return members;
}

/** shadow(5): has the account a password that opens it? Only the kind is read, the hash is dropped at once. */
export function passwordStates(text: string): Map<string, 'set' | 'empty' | 'locked'> {
  const states = new Map<string, 'set' | 'empty' | 'locked'>();
  for (const line of text.split('\n').slice(0, 100_000)) {
    const [name, hash] = line.split(':');
    if (!name || hash === undefined) continue;
    states.set(name, hash === '' ? 'empty' : /^[!*]/.test(hash) ? 'locked' : 'set');
  }
  return states;
}
