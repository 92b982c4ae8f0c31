/**
 * OpenLDAP's server. The answer (`RESULT … err=49`) names neither address nor account, so the connection is remembered
 * from its ACCEPT and BIND lines, bounded for each source.
 */

import { type DecodedEvent, type Normalised, OCSF_CLASS } from '../../../core/index.ts';
import { baseNorm, type Fields, type Frame, makeEvent } from '../decode-frame.ts';
import { rememberLdap } from '../decode-memory.ts';
import { linux } from '../decode-source.ts';
import { find, findLast, indexOfCode, intOf, ipWord, skipDigits, startsAt, tokenEnd, word } from '../decode-text.ts';

const SOURCE = linux('ldap');

/** The tag of a bind response (RFC 4511: APPLICATION 1). */
const BIND_RESPONSE = 97;

export function decodeSlapd(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  if (!startsAt(text, 'conn=', at, end)) return null;
  const connEnd = tokenEnd(text, at, end);
  const id = `${frame.host} ${text.slice(at + 5, Math.min(connEnd, at + 25))}`;
  const tail = tokenEnd(text, Math.min(connEnd + 1, end), end);
  const what = Math.min(tail + 1, end);
  const norm = baseNorm(frame, text, at, end, OCSF_CLASS.authentication);
  norm.service = 'ldap';
  const known = frame.memory.ldap.get(id);
  const fields: Fields = { conn: word(text, at + 5, connEnd) };
  if (startsAt(text, 'ACCEPT from IP=', what, end)) {
    const stop = tokenEnd(text, what + 15, end);
    const colon = findLast(text, ':', what + 15, stop);
    const ip = colon < 0 ? '' : ipWord(text, what + 15, colon);
    const port = colon < 0 ? -1 : intOf(text, colon + 1, skipDigits(text, colon + 1, stop));
    rememberLdap(frame.memory, id, { ip, port, dn: '' });
    norm.class_uid = OCSF_CLASS.network;
    return done(frame, norm, 'connect', 'ldap-connect', fields, { ip, port, dn: '' });
  }
  if (startsAt(text, 'BIND dn="', what, end)) {
    const close = findLast(text, '"', what + 9, end);
    const dn = close < 0 ? '' : word(text, what + 9, close);
    // `BIND dn="…" mech=SIMPLE ssf=0` repeats a bind that worked; the first line says `method=`.
    const entry = { ip: known?.ip ?? '', port: known?.port ?? -1, dn };
    rememberLdap(frame.memory, id, entry);
    return done(frame, norm, 'bind', 'ldap-bind', fields, entry);
  }
  if (startsAt(text, 'RESULT ', what, end) || startsAt(text, 'SEARCH RESULT ', what, end))
    return decodeResult(text, what, end, frame, norm, fields, known);
  if (startsAt(text, 'closed', what, end) || startsAt(text, 'UNBIND', what, end)) {
    if (startsAt(text, 'closed', what, end)) frame.memory.ldap.delete(id);
    return done(frame, norm, 'disconnect', 'ldap-disconnect', fields, known);
  }
  const verb = word(text, what, tokenEnd(text, what, end));
  return done(frame, norm, verb.toLowerCase().slice(0, 24), 'ldap-operation', fields, known);
}

function decodeResult(
  text: string,
  at: number,
  end: number,
  frame: Frame,
  norm: Normalised,
  fields: Fields,
  known: { ip: string; port: number; dn: string } | undefined,
): DecodedEvent {
  const tagAt = find(text, 'tag=', at, end);
  const errAt = find(text, 'err=', at, end);
  const tag = tagAt < 0 ? -1 : intOf(text, tagAt + 4, skipDigits(text, tagAt + 4, end));
  const err = errAt < 0 ? -1 : intOf(text, errAt + 4, skipDigits(text, errAt + 4, end));
  fields.err = err;
  norm.status = err;
  if (tag !== BIND_RESPONSE) return done(frame, norm, 'result', 'ldap-result', fields, known);
  norm.outcome = err === 0 ? 'success' : 'failure';
  return done(frame, norm, 'logon', err === 0 ? 'ldap-bind-ok' : 'ldap-bind-failed', fields, known);
}

function done(
  frame: Frame,
  norm: Normalised,
  action: string,
  code: string,
  fields: Fields,
  who: { ip: string; port: number; dn: string } | undefined,
): DecodedEvent {
  norm.action = action;
  norm.event_code = code;
  if (who?.ip) norm.src_ip = who.ip;
  if (who && who.port >= 0) norm.src_port = who.port;
  if (who?.dn) {
    fields.dn = who.dn;
    norm.user = nameOfDn(who.dn);
  }
  return makeEvent(frame, 'syslog/slapd', SOURCE, norm, fields);
}

/** `uid=bob,ou=people,dc=x` → bob; a DN of another shape stays whole. */
function nameOfDn(dn: string): string {
  const comma = indexOfCode(dn, 44, 0, dn.length);
  const stop = comma < 0 ? dn.length : comma;
  const equals = indexOfCode(dn, 61, 0, stop);
  return equals > 0 ? word(dn, equals + 1, stop) : dn;
}
