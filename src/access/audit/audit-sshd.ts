/** sshd_config(5) with its `Match` blocks: the settings that hold for one user, and what they let in. */

const LINES_MAX = 20_000;
export type SshSettings = ReadonlyMap<string, string>;

interface Block {
  /** Null: holds for everybody. */
  readonly criteria: readonly [string, string][] | null;
  readonly settings: [string, string][];
}

export function sshdBlocks(text: string): Block[] {
  const blocks: Block[] = [{ criteria: null, settings: [] }];
  for (const line of text.split('\n').slice(0, LINES_MAX)) {
    const code = line.trim();
    if (code === '' || code.startsWith('#')) continue;
    const match = /^([A-Za-z][A-Za-z0-9]*)(?:\s*=\s*|\s+)(.*)$/.exec(code);
    if (match === null) continue;
    const keyword = (match[1] as string).toLowerCase();
    const value = (match[2] as string)
      .replace(/\s+#.*$/, '')
      .replace(/^"(.*)"$/, '$1')
      .trim();
    if (keyword === 'match') {
      const words = value.split(/\s+/);
      const criteria: [string, string][] = [];
      for (
        let i = 0;
        i < words.length;
        i += words[i]?.toLowerCase() === 'all' || words[i]?.toLowerCase() === 'canonical' ? 1 : 2
      )
        criteria.push([(words[i] as string).toLowerCase(), words[i + 1] ?? '']);
      blocks.push({ criteria, settings: [] });
    } else blocks.at(-1)?.settings.push([keyword, value]);
  }
  return blocks;
}

/** Patterns of ssh_config(5): `*`, `?`, negated ones first. */
function patternList(list: string, value: string): boolean {
  let found = false;
  for (const pattern of list.split(',')) {
    const negated = pattern.startsWith('!');
    if (glob(negated ? pattern.slice(1) : pattern, value)) {
      if (negated) return false;
      found = true;
    }
  }
  return found;
}

function glob(pattern: string, value: string): boolean {
  // Two positions are enough for `*`: no backtracking beyond the last star.
  let p = 0;
  let v = 0;
  let star = -1;
  let mark = 0;
  while (v < value.length) {
    if (p < pattern.length && (pattern[p] === '?' || pattern[p] === value[v])) {
      p++;
      v++;
    } else if (pattern[p] === '*') {
      star = p++;
      mark = v;
    } else if (star >= 0) {
      p = star + 1;
      v = ++mark;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

/**
 * What holds for the user. Criteria that depend on where somebody comes from (`Address`, `Host`, `LocalPort`, …) may be
 * met or not: `fromElsewhere` says which; both are asked, and the worse one counts.
 */
export function settingsFor(
  blocks: readonly Block[],
  user: string,
  groups: ReadonlySet<string>,
  fromElsewhere: boolean,
): SshSettings {
  const settings = new Map<string, string>();
  const holds = (block: Block) =>
    block.criteria?.every(([what, value]) => {
      if (what === 'all') return true;
      if (what === 'user') return patternList(value, user);
      if (what === 'group') return [...groups].some((group) => patternList(value, group));
      return fromElsewhere;
    }) ?? true;
  // What a matching block says overrides what is global; among blocks, and among global lines, the first one counts.
  const inOrder = [
    ...blocks.filter((block) => block.criteria !== null),
    ...blocks.filter((block) => block.criteria === null),
  ];
  for (const block of inOrder) {
    if (!holds(block)) continue;
    for (const [keyword, value] of block.settings) if (!settings.has(keyword)) settings.set(keyword, value);
  }
  return settings;
}

export type SshFactor = { readonly factor: 'enforced' | 'registered' | 'none'; readonly how: string };

/** How the user may sign in. A key is one factor (a file on a disk); a `-sk` key with `verify-required` is two. */
export function sshFactor(settings: SshSettings, pamAlone: 'yes' | 'when-none' | 'no'): SshFactor {
  const value = (keyword: string, otherwise: string) => (settings.get(keyword) ?? otherwise).toLowerCase();
  const pam = value('usepam', 'no') === 'yes';
  const password = value('passwordauthentication', 'yes') === 'yes';
  const keyboard =
    value('kbdinteractiveauthentication', value('challengeresponseauthentication', 'yes')) === 'yes' && pam;
  const publicKey = value('pubkeyauthentication', 'yes') === 'yes';
  // sshd runs the same stack for both; a code cannot be asked for in "password", so a stack that needs one refuses.
  const alone = pam ? pamAlone : 'yes';
  const lists = value('authenticationmethods', 'any')
    .split(/\s+/)
    .filter((list) => list !== '');
  const chains =
    lists[0] === 'any' || lists.length === 0
      ? [
          ...(password ? [['password']] : []),
          ...(keyboard ? [['keyboard-interactive']] : []),
          ...(publicKey ? [['publickey']] : []),
        ]
      : lists.map((list) => list.split(',').map((method) => method.split(':')[0] as string));
  if (chains.length === 0) return { factor: 'enforced', how: 'no method that a password or key opens' };
  const verified = /verify-required/.test(value('pubkeyauthoptions', ''));
  let worst: SshFactor = {
    factor: 'enforced',
    how: `every chain of methods needs two: ${chains.map((chain) => chain.join(',')).join(' ')}`,
  };
  for (const chain of chains) {
    const kinds = new Set(chain.map((method) => (method === 'keyboard-interactive' ? 'password' : method)));
    if (kinds.size >= 2) continue;
    const typed = kinds.has('password');
    if (typed && alone === 'no') continue;
    if (!typed && verified) continue;
    if (typed && alone === 'when-none') {
      if (worst.factor === 'enforced')
        worst = { factor: 'registered', how: 'PAM asks only those who have registered a second factor (nullok)' };
      continue;
    }
    return { factor: 'none', how: typed ? 'a password alone opens SSH' : 'a key file alone opens SSH' };
  }
  return worst;
}
