/** Postfix: connections, SASL log-ins, refused mail, delivery. */

import { type DecodedEvent, type Normalised, OCSF_CLASS } from '../../../core/index.ts';
import { baseNorm, type Fields, type Frame, makeEvent, NO_FIELDS } from '../decode-frame.ts';
import { linux } from '../decode-source.ts';
import { find, findLast, indexOfCode, intOf, ipWord, skipDigits, startsAt, tokenEnd, word } from '../decode-text.ts';

const SOURCE = linux('postfix');

/** `host.example[1.2.3.4]` or `[1.2.3.4]:567` at `at`: the address; '' when there is none. */
function clientAt(text: string, at: number, end: number, norm: Normalised): boolean {
  const open = indexOfCode(text, 91, at, Math.min(end, at + 300));
  const close = open < 0 ? -1 : indexOfCode(text, 93, open, Math.min(end, open + 64));
  if (close < 0) return false;
  const ip = ipWord(text, open + 1, close);
  if (!ip) return false;
  norm.src_ip = ip;
  if (open > at && !startsAt(text, 'unknown', at, end)) norm.src_host = word(text, at, open);
  if (text.charCodeAt(close + 1) === 58) {
    const port = intOf(text, close + 2, skipDigits(text, close + 2, end));
    if (port > 0 && port <= 65535) norm.src_port = port;
  }
  return true;
}

function done(frame: Frame, norm: Normalised, action: string, code: string, fields: Fields = NO_FIELDS): DecodedEvent {
  norm.action = action;
  norm.event_code = code;
  norm.service = 'smtp';
  return makeEvent(frame, 'syslog/postfix', SOURCE, norm, fields);
}

export function decodePostfix(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const norm = baseNorm(frame, text, at, end, OCSF_CLASS.email);
  if (startsAt(text, 'warning: ', at, end)) return decodeWarning(text, at + 9, end, frame, norm);
  const lead = startsAt(text, 'connect from ', at, end)
    ? 13
    : startsAt(text, 'disconnect from ', at, end)
      ? 16
      : startsAt(text, 'CONNECT from ', at, end)
        ? 13
        : 0;
  if (lead > 0) {
    norm.class_uid = OCSF_CLASS.network;
    if (!clientAt(text, at + lead, end, norm)) return null;
    return done(frame, norm, lead === 16 ? 'disconnect' : 'connect', lead === 16 ? 'smtp-disconnect' : 'smtp-connect');
  }
  for (const word of [': reject: ', ': milter-reject: ']) {
    const reject = find(text, word, at, Math.min(end, at + 48));
    if (reject > 0) return decodeReject(text, reject + word.length, end, frame, norm);
  }
  if (
    startsAt(text, 'PREGREET ', at, end) ||
    startsAt(text, 'HANGUP ', at, end) ||
    startsAt(text, 'COMMAND ', at, end) ||
    startsAt(text, 'BARE NEWLINE ', at, end) ||
    startsAt(text, 'NON-SMTP COMMAND ', at, end) ||
    startsAt(text, 'DNSBL rank ', at, end)
  ) {
    // What follows the address is the client's own text, so the first ` from [` or ` for [` is the right one.
    const from = startsAt(text, 'DNSBL', at, end)
      ? find(text, ' for [', at, end) + 5
      : find(text, ' from [', at, end) + 6;
    if (from < 7 || !clientAt(text, from, end, norm)) return null;
    return done(
      frame,
      norm,
      'probe',
      `smtp-${text
        .slice(at, at + 5)
        .trim()
        .toLowerCase()}`,
    );
  }
  for (const lost of [
    'lost connection after ',
    'timeout after ',
    'too many errors after ',
    'improper command pipelining after ',
    'SSL_accept error from ',
  ]) {
    if (!startsAt(text, lost, at, end)) continue;
    const from = lost.endsWith('from ') ? at + lost.length : find(text, ' from ', at + lost.length, end) + 6;
    if (from < at + 6 || !clientAt(text, from, end, norm)) return null;
    return done(frame, norm, 'disconnect', 'smtp-lost');
  }
  return decodeQueued(text, at, end, frame, norm);
}

/** `host[1.2.3.4]: SASL LOGIN authentication failed: …, sasl_username=x`; `non-SMTP command from host[1.2.3.4]: …`. */
function decodeWarning(text: string, at: number, end: number, frame: Frame, norm: Normalised): DecodedEvent | null {
  if (startsAt(text, 'non-SMTP command from ', at, end)) {
    return clientAt(text, at + 22, end, norm) ? done(frame, norm, 'probe', 'smtp-non-smtp') : null;
  }
  const sasl = find(text, ': SASL ', at, end);
  if (sasl < 0 || !clientAt(text, at, end, norm)) return null;
  norm.class_uid = OCSF_CLASS.authentication;
  norm.outcome = 'failure';
  const method = word(text, sasl + 7, tokenEnd(text, sasl + 7, end));
  const user = findLast(text, ', sasl_username=', sasl, end);
  if (user > 0) norm.user = word(text, user + 16, end);
  return done(frame, norm, 'logon', 'smtp-auth-failed', { auth_method: method });
}

/** `RCPT from host[1.2.3.4]: 554 5.7.1 …; from=<a> to=<b> proto=ESMTP helo=<c>`. */
function decodeReject(text: string, at: number, end: number, frame: Frame, norm: Normalised): DecodedEvent | null {
  const from = find(text, ' from ', at, end);
  if (from < 0 || !clientAt(text, from + 6, end, norm)) return null;
  const code = find(text, ': ', from, end);
  const status = code < 0 ? -1 : intOf(text, code + 2, skipDigits(text, code + 2, end));
  if (status >= 0) norm.status = status;
  norm.outcome = 'failure';
  const fields: Fields = { stage: word(text, at, from) };
  for (const name of ['from', 'to', 'helo']) {
    const place = findLast(text, `${name}=<`, from + 6, end);
    const stop = place < 0 ? -1 : indexOfCode(text, 62, place, end);
    if (stop > 0) fields[name] = text.slice(place + name.length + 2, stop);
  }
  return done(frame, norm, 'mail-reject', 'smtp-reject', fields);
}

/** `4F1A2B: client=…, sasl_username=x`, `4F1A2B: from=<a>, size=1`, `4F1A2B: to=<b>, …, status=sent (…)`. */
function decodeQueued(text: string, at: number, end: number, frame: Frame, norm: Normalised): DecodedEvent | null {
  const colon = find(text, ': ', at, Math.min(end, at + 24));
  if (colon < 0) return null;
  const fields: Fields = { queue_id: word(text, at, colon) };
  const what = colon + 2;
  if (startsAt(text, 'client=', what, end)) {
    if (!clientAt(text, what + 7, end, norm)) return null;
    const user = findLast(text, ', sasl_username=', what, end);
    if (user < 0) return done(frame, norm, 'mail-accept', 'smtp-client', fields);
    norm.class_uid = OCSF_CLASS.authentication;
    norm.outcome = 'success';
    norm.user = word(text, user + 16, end);
    return done(frame, norm, 'logon', 'smtp-auth-ok', fields);
  }
  if (startsAt(text, 'from=<', what, end) || startsAt(text, 'to=<', what, end)) {
    const from = text.charCodeAt(what) === 102;
    const open = indexOfCode(text, 60, what, end);
    const close = indexOfCode(text, 62, open, end);
    if (close > 0) fields[from ? 'from' : 'to'] = text.slice(open + 1, close);
    const status = find(text, ' status=', what, end);
    if (status > 0) {
      const state = word(text, status + 8, tokenEnd(text, status + 8, end));
      fields.status = state;
      norm.outcome = state === 'sent' ? 'success' : 'failure';
    }
    return done(frame, norm, from ? 'mail-queue' : 'mail-deliver', from ? 'smtp-queued' : 'smtp-delivery', fields);
  }
  if (startsAt(text, 'removed', what, end)) return done(frame, norm, 'mail-remove', 'smtp-removed', fields);
  if (startsAt(text, 'message-id=', what, end)) return done(frame, norm, 'mail-queue', 'smtp-message-id', fields);
  return null;
}
