/** PAM stacks: does somebody with the right password and nothing else get through? Simulated, as libpam walks them (pam.conf(5)). */

const STACKS_MAX = 16;
const LINES_MAX = 2000;
const SECOND =
  /^pam_(?:google_authenticator|oath|u2f|duo|duo_unix|yubico|otpw|fido2|okta[a-z_]*|privacyidea|linotp|pkcs11|rsa|securid|krb5_otp|multiotp|totp)$/;
/** Modules that check the password itself. */
const PASSWORD =
  /^pam_(?:unix|ldap|sss|krb5|winbind|pwdb|userdb|mysql|pgsql|tacplus|radius|lsass|systemd_home|extrausers)$/;

interface Line {
  readonly control: string;
  readonly module: string;
  readonly options: string;
}

function parse(text: string, files: ReadonlyMap<string, string>, depth = 0): Line[] {
  const lines: Line[] = [];
  for (const raw of text.replace(/\\\n/g, ' ').split('\n').slice(0, LINES_MAX)) {
    const code = (raw.split('#')[0] as string).trim();
    if (code === '') continue;
    const include = /^@include\s+(\S+)/.exec(code)?.[1];
    if (include !== undefined) {
      if (depth < STACKS_MAX) lines.push(...parse(files.get(include) ?? '', files, depth + 1));
      continue;
    }
    const match = /^-?auth\s+(\[[^\]]{0,500}\]|\S+)\s+(\S+)\s*(.*)$/i.exec(code);
    if (match === null) continue;
    const control = (match[1] as string).toLowerCase();
    if (control === 'include' || control === 'substack') {
      if (depth < STACKS_MAX) lines.push(...parse(files.get(match[2] as string) ?? '', files, depth + 1));
      continue;
    }
    lines.push({
      control,
      module: (match[2] as string).replace(/^.*\//, '').replace(/\.so$/, ''),
      options: match[3] as string,
    });
  }
  return lines;
}

type Result = 'success' | 'auth_err' | 'ignore';

/** What a module answers to somebody with the right password; `token`: whether they have registered a second factor. */
function resultOf(line: Line, token: boolean): Result {
  if (SECOND.test(line.module))
    return !token && /\bnullok\b|\bnouserok\b/.test(line.options)
      ? line.module === 'pam_u2f' || line.module === 'pam_google_authenticator'
        ? 'success'
        : 'ignore'
      : 'auth_err';
  if (line.module === 'pam_deny') return 'auth_err';
  if (PASSWORD.test(line.module) || line.module === 'pam_permit') return 'success';
  // A rule on the user (pam_succeed_if, pam_access, pam_listfile) may go either way; the harmless reading is that it is not met.
  if (/^pam_(?:succeed_if|access|listfile|rootok|wheel|ssh_agent_auth|sss_gss)$/.test(line.module)) return 'auth_err';
  return 'ignore';
}

function action(control: string, result: Result): string {
  if (control.startsWith('[')) {
    const pairs = new Map(
      control
        .slice(1, -1)
        .split(/\s+/)
        .map((pair) => pair.split('=') as [string, string]),
    );
    return pairs.get(result) ?? pairs.get('default') ?? 'bad';
  }
  if (result === 'ignore') return 'ignore';
  switch (control) {
    case 'requisite':
      return result === 'success' ? 'ok' : 'die';
    case 'sufficient':
      return result === 'success' ? 'done' : 'ignore';
    case 'optional':
      return result === 'success' ? 'ok' : 'ignore';
    default:
      return result === 'success' ? 'ok' : 'bad';
  }
}

function walk(lines: readonly Line[], token: boolean): boolean {
  let ok = false;
  let bad = false;
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] as Line;
    const what = action(line.control, resultOf(line, token));
    if (/^\d{1,4}$/.test(what)) at += Number(what);
    else if (what === 'ok') ok = true;
    else if (what === 'done') {
      ok = true;
      if (!bad) return true;
    } else if (what === 'bad') bad = true;
    else if (what === 'die') return false;
    else if (what === 'reset') {
      ok = false;
      bad = false;
    }
  }
  return ok && !bad;
}

/** `no`: everybody has to show a second factor; `when-none`: whoever has not registered one gets in without; `yes`: a password is enough. */
export function passwordAlonePasses(stack: string, files: ReadonlyMap<string, string>): 'yes' | 'when-none' | 'no' {
  const lines = parse(stack, files);
  if (walk(lines, true)) return 'yes';
  return walk(lines, false) ? 'when-none' : 'no';
}

export const asksSecondFactor = (stack: string, files: ReadonlyMap<string, string>): boolean =>
  parse(stack, files).some((line) => SECOND.test(line.module));
