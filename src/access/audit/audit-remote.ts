/** Ways in from outside: OpenVPN, strongSwan, FortiGate, RADIUS. One verdict for the service, or for each account that it lists. */

import { type AuditInput, account } from './audit-record.ts';

export const isOpenVpn = (text: string): boolean =>
  /^\s*(?:dev\s+tun|server\s+\d|verify-client-cert|auth-user-pass-verify|plugin\s+\S*openvpn)/m.test(text) &&
  /^\s*(?:port|proto|ca|dh|cipher|server|dev)\b/m.test(text);

export function openVpn(input: AuditInput, text: string, name: string): void {
  const code = text.replace(/^\s*[#;].*$/gm, '');
  const noCert = /^\s*(?:verify-client-cert\s+(?:none|optional)|client-cert-not-required)/m.test(code);
  const pam = /^\s*plugin\s+\S*(?:auth-pam|radius|ldap|duo|okta)\S*\s*(.*)$/m.exec(code);
  const asks = pam !== null || /^\s*(?:auth-user-pass-verify|management-client-auth)\b/m.test(code);
  const otp = /otp|static-challenge|totp|duo|google-authenticator|okta|privacyidea/i.test(code);
  const both = asks && !noCert;
  const factor = both || (asks && otp) ? 'enforced' : 'none';
  const why = both
    ? 'a client certificate and a password are both needed'
    : asks
      ? otp
        ? 'a password and a code are needed'
        : 'a password alone opens the VPN: no client certificate is asked for'
      : 'a client certificate file alone opens the VPN';
  input.accounts.push(
    account({
      service: `OpenVPN ${name}`,
      name: 'everybody',
      kind: 'unknown',
      external: true,
      factor,
      why,
      source: name,
    }),
  );
}

export const isStrongSwan = (text: string): boolean =>
  /^\s*conn\s+\S+/m.test(text) || /^\s*connections\s*\{/m.test(text);

export function strongSwan(input: AuditInput, text: string, name: string): void {
  const code = text.replace(/#.*$/gm, '');
  const conns = /^\s*connections\s*\{/m.test(code)
    ? [code]
    : code.split(/^(?=\s*conn\s+)/m).filter((one) => /^\s*conn\s+/.test(one));
  for (const [index, conn] of conns.entries()) {
    const title = /^\s*conn\s+(\S+)/.exec(conn)?.[1] ?? `connection ${index + 1}`;
    if (title === '%default') continue;
    const rounds = [...conn.matchAll(/^\s*(?:rightauth2?|auth)\s*=\s*(\S+)/gm)].map((match) =>
      (match[1] as string).toLowerCase(),
    );
    const remote = /^\s*connections/m.test(conn)
      ? [...conn.matchAll(/remote[^{]*\{[^}]*?auth\s*=\s*(\S+)/g)].map((match) => (match[1] as string).toLowerCase())
      : rounds;
    if (remote.length === 0) continue;
    const kinds = new Set(
      remote.map((one) =>
        /^eap-(?:tls|sim|aka)|^pubkey|^rsa|^ecdsa/.test(one)
          ? 'certificate'
          : one.startsWith('psk')
            ? 'psk'
            : /^(?:eap|xauth)/.test(one)
              ? 'password'
              : one,
      ),
    );
    const two = kinds.has('certificate') && kinds.has('password');
    input.accounts.push(
      account({
        service: `IPsec ${name} ${title}`,
        name: 'everybody',
        kind: 'unknown',
        external: true,
        factor: two
          ? 'enforced'
          : kinds.has('certificate') && kinds.size === 1
            ? 'none'
            : remote.some((one) => /radius/.test(one))
              ? 'unknown'
              : 'none',
        why: `clients prove themselves by ${[...kinds].join(' and ')}${remote.some((one) => /radius/.test(one)) ? '; what RADIUS asks for is not in this file' : ''}`,
        source: name,
      }),
    );
  }
}

export const isFortiGate = (text: string): boolean =>
  /^config (?:user local|system admin|vpn ssl settings|system global)/m.test(text);

/** Local and administrative accounts of a FortiGate (`show` output). */
export function fortiGate(input: AuditInput, text: string, file: string): number {
  const host = /^\s*set hostname "?([^"\n]{1,128})"?/m.exec(text)?.[1] ?? file;
  let section = '';
  let depth = 0;
  let name = '';
  let settings = new Map<string, string>();
  let count = 0;
  for (const raw of text.split('\n').slice(0, 2_000_000)) {
    const line = raw.trim();
    if (line.startsWith('config ')) {
      if (depth++ === 0) section = line.slice(7);
    } else if (line === 'end') depth = Math.max(0, depth - 1);
    else if (depth === 1 && line.startsWith('edit ')) {
      name = line.slice(5).replace(/^"|"$/g, '').slice(0, 256);
      settings = new Map();
    } else if (depth === 1 && line.startsWith('set ')) {
      const [key = '', ...rest] = line.slice(4).split(' ');
      settings.set(key, rest.join(' ').replace(/^"|"$/g, ''));
    } else if (depth === 1 && line === 'next' && (section === 'user local' || section === 'system admin')) {
      const kind = settings.get('two-factor') ?? 'disable';
      const remote = settings.get('type') !== undefined && settings.get('type') !== 'password';
      const on = kind !== 'disable';
      input.accounts.push(
        account({
          service: section === 'system admin' ? `FortiGate ${host} administration` : `FortiGate ${host} VPN`,
          name,
          enabled: settings.get('status') !== 'disable',
          privileged: section === 'system admin',
          external: true,
          factor: on ? 'enforced' : remote ? 'unknown' : 'none',
          why: on
            ? `two-factor ${kind}`
            : remote
              ? `the password is checked by ${settings.get('type')}, whose rules are not in this file`
              : 'two-factor is disabled',
          source: file,
        }),
      );
      count++;
    }
  }
  return count;
}

export const isFreeRadius = (text: string): boolean =>
  /^\s*(?:authorize|authenticate)\s*\{/m.test(text) &&
  /^\s*(?:server\s+\S+\s*\{|\S*pap|mschap|eap|ldap|files|pam)/m.test(text);

export function freeRadius(input: AuditInput, text: string, file: string): void {
  const code = text.replace(/#.*$/gm, '');
  const otp =
    /\b(?:otp|totp|privacyidea|linotp|yubikey|duo|google_authenticator|rlm_perl|multiotp|rest_mfa|challenge)\b/i.test(
      code,
    );
  const tls = /\beap\b/.test(code) && !/\b(?:pap|chap|mschap|ldap|files|pam|unix)\b/.test(code);
  input.accounts.push(
    account({
      service: `RADIUS ${file}`,
      name: 'everybody',
      kind: 'unknown',
      external: null,
      factor: otp ? 'registered' : tls ? 'unknown' : 'none',
      why: otp
        ? 'a one-time code is checked by one of the modules; whether for everybody, its policy says'
        : tls
          ? 'only EAP is accepted; whether with certificates, its own file says'
          : 'passwords are checked, and no module asks for a code',
      source: file,
    }),
  );
}
