/** Log-ins of binary protocols over TCP: LDAP, MySQL, PostgreSQL, MQTT, VNC. Each reads the first messages and is done. */

import { be16, be32, byteAt, latin1, startsWith } from './network-bytes.ts';
import type { Flow, Parser } from './network-flow.ts';
import { ntlmLogin } from './network-ntlm.ts';
import type { Report } from './network-report.ts';

const MESSAGE_BYTES_MAX = 64 * 1024;

/** A BER length at `at`: the value and where the content begins; -1 when it is none or not there yet (X.690 section 8.1.3). */
export function berLength(b: Uint8Array, at: number, end: number): { length: number; at: number } | null {
  if (at >= end) return null;
  const first = b[at]!;
  if (first < 0x80) return { length: first, at: at + 1 };
  const count = first & 0x7f;
  if (count === 0 || count > 4 || at + 1 + count > end) return null;
  let length = 0;
  for (let i = 0; i < count; i++) length = length * 256 + b[at + 1 + i]!;
  return { length, at: at + 1 + count };
}

/** An LDAP message begins: sequence, message number, an operation (RFC 4511 section 4.1.1). */
export function isLdap(b: Uint8Array, at: number, end: number): boolean {
  if (b[at] !== 0x30) return false;
  const outer = berLength(b, at + 1, end);
  if (!outer || outer.at + 7 > end || b[outer.at] !== 2) return false;
  const size = b[outer.at + 1]!;
  const operation = b[outer.at + 2 + size];
  if (size < 1 || size > 4) return false;
  if (operation === 0x60) {
    const bind = berLength(b, outer.at + 3 + size, end);
    return bind !== null && b[bind.at] === 2 && b[bind.at + 1] === 1 && b[bind.at + 2]! <= 3;
  }
  return operation === 0x77 || operation === 0x61;
}

export function createLdap(report: Report): Parser {
  const message = (flow: Flow, dir: number, b: Uint8Array, from: number, end: number): void => {
    const idLength = b[from + 1]!;
    const at = from + 2 + idLength;
    const operation = b[at];
    const body = berLength(b, at + 1, end);
    if (!body) return;
    if (operation === 0x60) {
      flow.client = dir;
      bind(flow, b, body.at, end);
    } else if (operation === 0x78 && b[body.at] === 0x0a && b[body.at + 2] === 0 && flow.app === 'starttls') {
      flow.parser = null;
      flow.tries = 0;
    } else if (operation === 0x77 && latin1(b, body.at, end).includes('1.3.6.1.4.1.1466.20037')) flow.app = 'starttls';
  };
  const bind = (flow: Flow, b: Uint8Array, at: number, end: number): void => {
    const name = berLength(b, at + 4, end);
    if (!name || b[at + 3] !== 4) return;
    const how = name.at + name.length;
    const secret = berLength(b, how + 1, end);
    if (!secret || secret.at + secret.length > end || secret.length === 0) return;
    // [0] simple; without a name or a password it is anonymous (RFC 4513 section 5.1).
    if (b[how] === 0x80)
      report.credential(
        flow,
        'ldap',
        'simple bind',
        b.slice(secret.at, secret.at + secret.length),
        'bindRequest.simple',
      );
    else if (b[how] === 0xa3 && startsWith(b, secret.at + 2, end, 'DIGEST-MD5'))
      report.credential(flow, 'ldap', 'SASL DIGEST-MD5', '', 'bindRequest.sasl');
    // SASL, and the older way of Active Directory (MS-ADTS section 5.1.1.1.3).
    else if ((b[how] === 0xa3 || b[how] === 0x8b) && ntlmLogin(b, secret.at, secret.at + secret.length))
      ntlm(flow, b, secret);
    else if (b[how] === 0xa3 && startsWith(b, secret.at + 2, end, 'PLAIN'))
      report.credential(flow, 'ldap', 'SASL PLAIN', b.slice(secret.at, secret.at + secret.length), 'bindRequest.sasl');
  };
  const ntlm = (flow: Flow, b: Uint8Array, at: { at: number; length: number }): void => {
    const found = ntlmLogin(b, at.at, at.at + at.length);
    if (found?.version === 'NTLMv1') report.weakLogin(flow, 'ldap', 'NTLMv1', found.user, 'bindRequest');
    else if (found?.signed === false) report.weakLogin(flow, 'ldap', 'NTLM without signing', found.user, 'bindRequest');
  };
  return {
    name: 'ldap',
    read(flow, dir, b, start, end) {
      let at = start;
      while (at < end && flow.parser !== null) {
        if (b[at] !== 0x30) {
          flow.parser = null;
          return at;
        }
        const outer = berLength(b, at + 1, end);
        if (!outer) return end - at > 8 ? end : at;
        const next = outer.at + outer.length;
        if (next > end && outer.length <= MESSAGE_BYTES_MAX) return at;
        if (next <= end && b[outer.at] === 2) message(flow, dir, b, outer.at, next);
        at = next;
      }
      return at;
    },
  };
}

/** The server's greeting: length, packet 0, protocol 10, a version (MySQL internals, Handshake V10). */
export function isMysqlGreeting(b: Uint8Array, at: number, end: number): boolean {
  if (end - at < 20 || b[at + 3] !== 0 || b[at + 4] !== 10 || b[at + 2] !== 0) return false;
  return (
    b[at + 5]! >= 0x33 &&
    b[at + 5]! <= 0x39 &&
    (b[at + 6] === 0x2e || b[at + 7] === 0x2e) &&
    (b[at]! | (b[at + 1]! << 8)) < 512
  );
}

export function createMysql(report: Report): Parser {
  let clearNext = false;
  let packets = 0;
  return {
    name: 'mysql',
    read(flow, dir, b, start, end) {
      let at = start;
      while (end - at >= 4) {
        const length = b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16);
        const next = at + 4 + length;
        if (next > end && length < MESSAGE_BYTES_MAX) return at;
        if (next <= end) {
          if (b[at + 3] === 0 && b[at + 4] === 10 && packets === 0) flow.client = dir ^ 1;
          const client = dir === flow.client;
          // Capability CLIENT_SSL in the short first answer: the rest is TLS.
          if (client && b[at + 3] === 1 && length === 32 && (b[at + 5]! & 8) !== 0) {
            flow.parser = null;
            flow.tries = 0;
            return next;
          }
          const text = client || b[at + 4] === 0xfe ? latin1(b, at + 4, Math.min(next, at + 1024)) : '';
          if (client && clearNext && length > 1) {
            report.credential(flow, 'mysql', 'mysql_clear_password', b.slice(at + 4, next), 'AuthSwitchResponse');
            clearNext = false;
          } else if (text.includes('mysql_clear_password')) {
            if (!client) clearNext = true;
            else report.credential(flow, 'mysql', 'mysql_clear_password', b.slice(at + 4, next), 'HandshakeResponse');
          } else if (client && b[at + 3] === 1 && length > 36) {
            // The name stands behind 32 fixed bytes; the answer to the challenge is SHA-1 or SHA-256 of the password.
            const zero = byteAt(b, 0, at + 36, next);
            const user = b.slice(at + 36, zero < 0 ? next : zero);
            const how = text.includes('caching_sha2') ? 'caching_sha2_password' : 'mysql_native_password';
            if (zero > 0 && zero + 1 < next && b[zero + 1] !== 0)
              report.weakLogin(flow, 'mysql', `${how} without TLS`, user, 'HandshakeResponse');
          }
        }
        if (++packets > 12) flow.sealed = true;
        at = next;
      }
      return at;
    },
  };
}

/** Start-up with protocol 3.0 and `user`, or the question for TLS (PostgreSQL, "Message Formats"). */
export function isPostgres(b: Uint8Array, at: number, end: number): boolean {
  if (end - at < 8 || be32(b, at) > 10_000) return false;
  const code = be32(b, at + 4);
  if (code === 80_877_103) return be32(b, at) === 8;
  return code === 196_608 && /^[a-z_]{2,20}\0/.test(latin1(b, at + 8, Math.min(end, at + 32)));
}

export function createPostgres(report: Report): Parser {
  let started = false;
  let asked = false;
  let clear = false;
  return {
    name: 'postgresql',
    read(flow, dir, b, start, end) {
      let at = start;
      while (at < end) {
        if (!started && dir !== flow.client && asked) {
          asked = false;
          if (b[at] === 0x53) {
            flow.parser = null;
            flow.tries = 0;
            return at + 1;
          }
          at++;
          continue;
        }
        const head = started ? 1 : 0;
        if (end - at < head + 4) return at;
        const length = be32(b, at + head);
        if (length < 4 || length > MESSAGE_BYTES_MAX) {
          flow.sealed = true;
          return end;
        }
        if (at + head + length > end) return at;
        if (!started) {
          flow.client = dir;
          if (be32(b, at + 4) === 80_877_103) asked = true;
          else started = true;
        } else if (dir !== flow.client && b[at] === 0x52) {
          clear = be32(b, at + 5) === 3;
          const how = be32(b, at + 5) === 5 ? 'md5' : be32(b, at + 5) === 10 ? 'scram-sha-256' : '';
          if (how !== '') report.weakLogin(flow, 'postgresql', `${how} without TLS`, '', 'AuthenticationRequest');
          if (be32(b, at + 5) === 0) flow.sealed = true;
        } else if (dir === flow.client && b[at] === 0x70 && clear) {
          report.credential(flow, 'postgresql', 'clear password', b.slice(at + 5, at + 1 + length), 'PasswordMessage');
          flow.sealed = true;
        }
        at += head + length;
      }
      return at;
    },
  };
}

/** CONNECT with its protocol name (MQTT 3.1.1 section 3.1, 5.0 section 3.1). */
export function isMqtt(b: Uint8Array, at: number, end: number): boolean {
  if (b[at] !== 0x10 || end - at < 10) return false;
  let here = at + 1;
  while (here < at + 5 && (b[here]! & 0x80) !== 0) here++;
  return startsWith(b, here + 1, end, '\0\x04MQTT') || startsWith(b, here + 1, end, '\0\x06MQIsdp');
}

export function createMqtt(report: Report): Parser {
  return {
    name: 'mqtt',
    read(flow, dir, b, start, end) {
      if (!isMqtt(b, start, end)) {
        flow.sealed = true;
        return end;
      }
      let at = start + 1;
      let length = 0;
      for (let shift = 0; shift < 28; shift += 7) {
        const c = b[at++]!;
        length |= (c & 0x7f) << shift;
        if ((c & 0x80) === 0) break;
      }
      if (length < MESSAGE_BYTES_MAX && at + length > end) return start;
      flow.client = dir;
      flow.sealed = true;
      at += 2 + be16(b, at);
      const flags = b[at + 1]!;
      if ((flags & 0x40) !== 0)
        report.credential(
          flow,
          'mqtt',
          'CONNECT',
          b.slice(Math.max(at, at + length - 40), Math.min(end, at + length)),
          'CONNECT.password',
        );
      return end;
    },
  };
}

/** RFB (RFC 6143 section 7.1): the answer to a challenge under DES gives the password away; type 1 asks for none. */
export function createVnc(report: Report): Parser {
  let version = '';
  const greeted = [false, false];
  let chosen = false;
  return {
    name: 'vnc',
    read(flow, dir, b, start, end) {
      let at = start;
      while (at < end && !chosen) {
        if (greeted[dir] === false) {
          if (end - at < 12) return at;
          if (greeted[dir ^ 1] === false) flow.client = dir ^ 1;
          greeted[dir] = true;
          version = latin1(b, at + 4, at + 11);
          at += 12;
          continue;
        }
        const server = dir !== flow.client;
        let type = -1;
        if (version === '003.003' && server && end - at >= 4) type = be32(b, at);
        else if (version !== '003.003' && !server) type = b[at]!;
        if (type === 1) report.credential(flow, 'vnc', 'no password at all', '', 'security type 1');
        else if (type === 2) report.credential(flow, 'vnc', 'DES challenge', '', 'security type 2');
        if (type >= 0) chosen = true;
        at = end;
      }
      if (chosen) flow.sealed = true;
      return end;
    },
  };
}

/** rlogin (RFC 1282) and rsh: names between zero bytes, and no password that deserves the name. */
export function readRemoteShell(
  report: Report,
  flow: Flow,
  dir: number,
  b: Uint8Array,
  at: number,
  end: number,
): boolean {
  if (end - at < 8 || end - at > 512) return false;
  const text = latin1(b, at, end);
  const rlogin = /^\0[\w.-]{1,32}\0[\w.-]{1,32}\0[\w.-]{2,32}\/\d{2,6}\0$/.test(text);
  const rsh = /^\d{0,5}\0[\w.-]{1,32}\0[\w.-]{1,32}\0[\x20-\x7e]{1,400}\0$/.test(text);
  if (!rlogin && !rsh) return false;
  flow.client = dir;
  report.credential(flow, rlogin ? 'rlogin' : 'rsh', 'no password at all', '', 'trusted host');
  flow.sealed = true;
  return true;
}
