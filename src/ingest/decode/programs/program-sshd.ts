/**
 * OpenSSH's server. Names and reasons in these lines are chosen by whoever connects, so each message is read from the
 * side that sshd itself wrote: `Failed password for invalid user x from 9.9.9.9 from 45.9.1.1 port 4711 ssh2` came from
 * 45.9.1.1. Hot path: measured by bench/bench-decode.ts, compared with decode-plain.ts in tests.
 */

import { type DecodedEvent, type Normalised, OCSF_CLASS } from '../../../core/index.ts';
import { baseNorm, type Fields, type Frame, makeEvent, NO_FIELDS } from '../decode-frame.ts';
import { linux } from '../decode-source.ts';
import {
  endsAt,
  find,
  findLast,
  intOf,
  ipWord,
  isDigit,
  lastIndexOfCode,
  startsAt,
  tokenEnd,
  word,
} from '../decode-text.ts';
import { decodePam } from './program-pam.ts';

const SOURCE = linux('sshd');
const FORMAT = 'syslog/sshd';
const UNKNOWN_USER: Fields = Object.freeze({ user_known: false });
const METHODS_MAX = 64;
/** One shared fields object for each method, known or unknown user: failed log-ins cost no fields. */
const methodFields = new Map<string, { known: Fields; unknown: Fields }>();

/** The peer that the last reader found: offsets in the text, so that no object is made for each line. */
const peer = { from: 0, to: 0, port: -1, next: 0 };

/** Reads `ADDRESS port N` at `at`. */
function peerAt(text: string, at: number, end: number): boolean {
  const to = tokenEnd(text, at, end);
  if (to === at || !startsAt(text, ' port ', to, end)) return false;
  let i = to + 6;
  let port = 0;
  while (i < end && i < to + 12 && isDigit(text.charCodeAt(i))) port = port * 10 + text.charCodeAt(i++) - 48;
  if (i === to + 6 || port > 65535) return false;
  peer.from = at;
  peer.to = to;
  peer.port = port;
  peer.next = i;
  return true;
}

/** Reads `… ADDRESS port N` that ends at `end`, from the right; `peer.from` is where the address begins. */
function peerBefore(text: string, at: number, end: number): boolean {
  let i = end;
  while (i > at && isDigit(text.charCodeAt(i - 1))) i--;
  if (i === end || end - i > 5 || i - 6 <= at || !text.startsWith(' port ', i - 6)) return false;
  const to = i - 6;
  const from = lastIndexOfCode(text, 32, at, to) + 1 || at;
  peer.from = from;
  peer.to = to;
  peer.port = intOf(text, i, end);
  peer.next = end;
  return to > from;
}

function event(frame: Frame, norm: Normalised, fields: Fields): DecodedEvent {
  norm.service = 'ssh';
  return makeEvent(frame, FORMAT, SOURCE, norm, fields);
}

/** The usual event: every column known. A literal, so that all of them share one hidden class. */
function authEvent(
  frame: Frame,
  text: string,
  at: number,
  end: number,
  code: string,
  outcome: 'success' | 'failure',
  user: string,
  fields: Fields,
): DecodedEvent {
  const ip = ipWord(text, peer.from, peer.to);
  if (ip && user && frame.host && frame.pid >= 0 && frame.severityId === 0) {
    const norm: Normalised = {
      class_uid: OCSF_CLASS.authentication,
      action: 'logon',
      outcome,
      user,
      src_ip: ip,
      src_port: peer.port,
      host: frame.host,
      process: frame.program,
      pid: frame.pid,
      service: 'ssh',
      event_code: code,
      message: text.slice(at, end),
    };
    return makeEvent(frame, FORMAT, SOURCE, norm, fields);
  }
  const norm = baseNorm(frame, text, at, end, OCSF_CLASS.authentication);
  norm.action = 'logon';
  norm.outcome = outcome;
  norm.event_code = code;
  if (user) norm.user = user;
  putPeer(text, norm);
  return event(frame, norm, fields);
}

function putPeer(text: string, norm: Normalised): void {
  const ip = ipWord(text, peer.from, peer.to);
  if (ip) norm.src_ip = ip;
  else if (peer.to > peer.from) norm.src_host = word(text, peer.from, peer.to);
  if (peer.port >= 0) norm.src_port = peer.port;
}

function noPeer(): void {
  peer.from = peer.to = peer.next = 0;
  peer.port = -1;
}

function fieldsOf(method: string, known: boolean): Fields {
  let pair = methodFields.get(method);
  if (!pair) {
    pair = {
      known: Object.freeze({ auth_method: method }),
      unknown: Object.freeze({ auth_method: method, user_known: false }),
    };
    if (methodFields.size < METHODS_MAX) methodFields.set(method, pair);
  }
  return known ? pair.known : pair.unknown;
}

/** `Accepted|Failed|Postponed METHOD for [invalid user ]NAME from ADDRESS port N ssh2[: KEY]`. */
function decodeAttempt(text: string, at: number, methodAt: number, end: number, frame: Frame): DecodedEvent | null {
  const methodEnd = tokenEnd(text, methodAt, end);
  if (!startsAt(text, ' for ', methodEnd, end)) return null;
  let nameAt = methodEnd + 5;
  let unknown = startsAt(text, 'invalid user ', nameAt, end) || startsAt(text, 'illegal user ', nameAt, end);
  if (unknown) nameAt += 13;
  const keyed = startsAt(text, 'publickey ', methodAt, end) || startsAt(text, 'hostbased ', methodAt, end);
  const stop = endsAt(text, ' [preauth]', at, end) ? end - 10 : end;
  let from = attemptTail(text, nameAt, stop, keyed);
  if (from < 0 && unknown) {
    // Somebody whose name is `invalid user`: those words are the name, not said about it.
    from = attemptTail(text, nameAt - 13, stop, keyed);
    if (from >= 0) {
      nameAt -= 13;
      unknown = false;
    }
  }
  if (from < 0) return decodeShortAttempt(text, at, nameAt, unknown, stop, frame);
  const first = text.charCodeAt(at);
  const accepted = first === 65;
  const code = accepted ? 'ssh-accepted' : first === 70 ? 'ssh-failed' : 'ssh-postponed';
  const method = word(text, methodAt, methodEnd);
  let fields = fieldsOf(method, !unknown);
  if (keyed && peer.next + 7 < stop) fields = { ...fields, key: text.slice(peer.next + 7, stop) };
  const user = word(text, nameAt, from);
  if (first === 80) {
    const norm = baseNorm(frame, text, at, end, OCSF_CLASS.authentication);
    norm.action = 'logon-step';
    if (user) norm.user = user;
    norm.event_code = code;
    putPeer(text, norm);
    return event(frame, norm, fields);
  }
  return authEvent(frame, text, at, end, code, accepted ? 'success' : 'failure', user, fields);
}

/** `Failed password for x from ADDRESS` and no more, as old versions and other daemons of this name write. */
function decodeShortAttempt(
  text: string,
  at: number,
  nameAt: number,
  unknown: boolean,
  end: number,
  frame: Frame,
): DecodedEvent | null {
  const from = findLast(text, ' from ', nameAt - 1, end);
  const first = text.charCodeAt(at);
  if (from < 0 || first === 80 || ipWord(text, from + 6, end) === '') return null;
  noPeer();
  peer.from = from + 6;
  peer.to = end;
  const [code, outcome] = first === 65 ? (['ssh-accepted', 'success'] as const) : (['ssh-failed', 'failure'] as const);
  return authEvent(frame, text, at, end, code, outcome, word(text, nameAt, from), unknown ? UNKNOWN_USER : NO_FIELDS);
}

/** From the right: the last ` from ADDRESS port N ssh2` that the line may end with; where the name ends, or -1. */
function attemptTail(text: string, at: number, end: number, keyed: boolean): number {
  for (let stop = end; ; ) {
    const from = findLast(text, ' from ', at, stop);
    if (from < 0) return -1;
    if (peerAt(text, from + 6, end)) {
      const next = peer.next;
      if (next === end) return from;
      if (startsAt(text, ' ssh', next, end) && next + 5 <= end) {
        if (next + 5 === end) return from;
        // The key of `publickey` and `hostbased`; `: ruser x` of version 1. A name cannot end a line that sshd goes on with.
        if ((keyed || text.charCodeAt(next + 4) === 49) && startsAt(text, ': ', next + 5, end)) return from;
      }
    }
    stop = from;
  }
}

/** `Invalid user NAME from ADDRESS[ port N]`. */
function decodeInvalid(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const nameAt = at + 13;
  const from = findLast(text, ' from ', nameAt - 1, end);
  if (from < 0) return null;
  if (!peerAt(text, from + 6, end)) {
    noPeer();
    peer.from = from + 6;
    peer.to = tokenEnd(text, from + 6, end);
  }
  return authEvent(frame, text, at, end, 'ssh-invalid-user', 'failure', word(text, nameAt, from), UNKNOWN_USER);
}

/** Who it was before the address: `user x`, `authenticating user x`, `invalid user x`; '' when nobody is named. */
function nameBetween(text: string, at: number, end: number): string {
  for (const lead of ['authenticating user ', 'invalid user ', 'user ']) {
    if (startsAt(text, lead, at, end)) return word(text, at + lead.length, Math.max(at + lead.length, end - 1));
  }
  return '';
}

/** Lines that end with `[user NAME ]ADDRESS port N[: reason][ [preauth]]`. */
function decodeLeave(
  text: string,
  at: number,
  whoAt: number,
  end: number,
  frame: Frame,
  code: string,
): DecodedEvent | null {
  const stop = endsAt(text, ' [preauth]', at, end) ? end - 10 : end;
  const attempts = code === 'ssh-max-attempts';
  let found = peerBefore(text, whoAt, stop);
  if (!found && attempts) {
    const reason = findLast(text, ': ', whoAt, stop);
    found = reason > 0 && peerBefore(text, whoAt, reason);
    // `invalid user x 1.2.3.4 port 5: Change of username or service not allowed: (x,ssh-connection) -> …`: sshd's own words.
    const change = found ? -1 : find(text, ': Change of username or service not allowed: ', whoAt, stop);
    if (change > 0) found = peerBefore(text, whoAt, change);
  }
  if (!found && ipWord(text, whoAt, stop) !== '') {
    // Before OpenSSH 7 without the port.
    noPeer();
    peer.from = whoAt;
    peer.to = stop;
    found = true;
  }
  if (!found) return null;
  const user = peer.port < 0 ? '' : nameBetween(text, whoAt, peer.from);
  if (attempts && find(text, ': Too many authentication failures', peer.to, end) > 0) {
    return authEvent(frame, text, at, end, code, 'failure', user, NO_FIELDS);
  }
  const norm = baseNorm(frame, text, at, end, OCSF_CLASS.ssh);
  norm.action = 'disconnect';
  norm.event_code = attempts ? 'ssh-disconnecting' : code;
  if (user) norm.user = user;
  putPeer(text, norm);
  return event(frame, norm, NO_FIELDS);
}

/** Lines in which the address stands right after a text of sshd's own: what follows may be anybody's. */
function decodeLeft(
  text: string,
  at: number,
  addressAt: number,
  end: number,
  frame: Frame,
  code: string,
  action: string,
): DecodedEvent | null {
  if (!peerAt(text, addressAt, end)) {
    noPeer();
    peer.from = addressAt;
    peer.to = tokenEnd(text, addressAt, end);
    const last = text.charCodeAt(peer.to - 1);
    if (last === 58 || last === 44) peer.to--;
  }
  const norm = baseNorm(frame, text, at, end, OCSF_CLASS.ssh);
  norm.action = action;
  norm.event_code = code;
  putPeer(text, norm);
  return event(frame, norm, NO_FIELDS);
}

const LEFT: readonly (readonly [string, string, string])[] = [
  ['Received disconnect from ', 'ssh-received-disconnect', 'disconnect'],
  ['Connection from ', 'ssh-connection', 'connect'],
  ['Unable to negotiate with ', 'ssh-no-negotiation', 'probe'],
  ['banner exchange: Connection from ', 'ssh-bad-banner', 'probe'],
  ['ssh_dispatch_run_fatal: Connection from ', 'ssh-fatal', 'probe'],
  ['Timeout before authentication for connection from ', 'ssh-timeout', 'disconnect'],
  ['Timeout before authentication for ', 'ssh-timeout', 'disconnect'],
  ['Did not receive identification string from ', 'ssh-no-identification', 'probe'],
];
const LEAVE: readonly (readonly [string, string])[] = [
  ['Connection closed by ', 'ssh-closed'],
  ['Connection reset by ', 'ssh-reset'],
  ['Disconnected from ', 'ssh-disconnected'],
  ['Disconnecting ', 'ssh-max-attempts'],
];

export function decodeSshd(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  noPeer();
  switch (text.charCodeAt(at)) {
    case 70: // F
      return startsAt(text, 'Failed ', at, end) ? decodeAttempt(text, at, at + 7, end, frame) : null;
    case 65: // A
      return startsAt(text, 'Accepted ', at, end) ? decodeAttempt(text, at, at + 9, end, frame) : null;
    case 80: // P
      return startsAt(text, 'Postponed ', at, end) ? decodeAttempt(text, at, at + 10, end, frame) : null;
    case 73: // I
      return startsAt(text, 'Invalid user ', at, end) || startsAt(text, 'Illegal user ', at, end)
        ? decodeInvalid(text, at, end, frame)
        : null;
    case 112: // p
      return startsAt(text, 'pam_', at, end) ? decodePam(text, at, end, frame) : null;
    default:
      return decodeRarer(text, at, end, frame);
  }
}

function decodeRarer(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const led = startsAt(text, 'error: ', at, end) || startsAt(text, 'fatal: ', at, end);
  const what = led ? at + 7 : at;
  for (const [lead, code] of LEAVE) {
    if (startsAt(text, lead, what, end)) return decodeLeave(text, at, what + lead.length, end, frame, code);
  }
  for (const [lead, code, action] of LEFT) {
    if (startsAt(text, lead, what, end)) return decodeLeft(text, at, what + lead.length, end, frame, code, action);
  }
  if (startsAt(text, 'ROOT LOGIN REFUSED FROM ', what, end)) return decodeRootRefused(text, at, what + 24, end, frame);
  if (startsAt(text, 'User ', what, end)) return decodeNotAllowed(text, what, end, frame);
  if (startsAt(text, 'Bad protocol version identification ', what, end)) {
    if (!peerBefore(text, what, end)) return null;
    return decodeLeft(text, at, peer.from, end, frame, 'ssh-bad-protocol', 'probe');
  }
  if (startsAt(text, 'refused connect from ', what, end)) {
    return decodeBracketed(text, at, what, end, frame, 'ssh-refused', '(', ')');
  }
  if (startsAt(text, 'reverse mapping checking getaddrinfo for ', what, end)) {
    return decodeBracketed(text, at, what, end, frame, 'ssh-reverse-mapping', '[', ']');
  }
  if (startsAt(text, 'drop connection #', what, end)) {
    return decodeBracketed(text, at, what, end, frame, 'ssh-dropped', '[', ']');
  }
  if (startsAt(text, 'Starting session: ', what, end) || startsAt(text, 'Close session: ', what, end)) {
    return decodeSession(text, what, end, frame);
  }
  return decodeError(text, at, what, end, frame);
}

/** `error: maximum authentication attempts exceeded for [invalid user ]x from A port N ssh2`, `error: PAM: … for x from A`. */
function decodeError(text: string, at: number, whatAt: number, end: number, frame: Frame): DecodedEvent | null {
  const stop = endsAt(text, ' [preauth]', at, end) ? end - 10 : end;
  const maximum = startsAt(text, 'maximum authentication attempts exceeded for ', whatAt, end);
  if (!maximum && !startsAt(text, 'PAM: ', whatAt, end)) return null;
  let nameAt = maximum ? whatAt + 45 : find(text, ' for ', whatAt, stop) + 5;
  if (nameAt < whatAt + 5) return null;
  const unknown = startsAt(text, 'invalid user ', nameAt, stop) || startsAt(text, 'illegal user ', nameAt, stop);
  if (unknown) nameAt += 13;
  const from = findLast(text, ' from ', nameAt - 1, stop);
  if (from < 0) return null;
  if (!peerAt(text, from + 6, stop)) {
    noPeer();
    peer.from = from + 6;
    // `… from 1.2.3.4 via 5.6.7.8`: the second one is ours.
    const via = maximum ? -1 : find(text, ' via ', from + 6, stop);
    peer.to = via > 0 ? via : stop;
  }
  const code = maximum ? 'ssh-max-attempts' : 'ssh-pam-failed';
  return authEvent(frame, text, at, end, code, 'failure', word(text, nameAt, from), unknown ? UNKNOWN_USER : NO_FIELDS);
}

/** `ROOT LOGIN REFUSED FROM 1.2.3.4[ port N][ [preauth]]`. */
function decodeRootRefused(
  text: string,
  at: number,
  addressAt: number,
  end: number,
  frame: Frame,
): DecodedEvent | null {
  if (!peerAt(text, addressAt, end)) {
    noPeer();
    peer.from = addressAt;
    peer.to = tokenEnd(text, addressAt, end);
  }
  return authEvent(frame, text, at, end, 'ssh-root-refused', 'failure', 'root', NO_FIELDS);
}

/** `User NAME from HOST not allowed because …`. */
function decodeNotAllowed(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const because = findLast(text, ' not allowed because ', at, end);
  const from = because < 0 ? -1 : findLast(text, ' from ', at, because);
  if (from < 0) return null;
  peer.from = from + 6;
  peer.to = because;
  return authEvent(frame, text, at, end, 'ssh-not-allowed', 'failure', word(text, at + 5, from), NO_FIELDS);
}

/** The address in brackets: the last pair, as the host name before it is the peer's own; the first one of a drop. */
function decodeBracketed(
  text: string,
  at: number,
  what: number,
  end: number,
  frame: Frame,
  code: string,
  open: '(' | '[',
  close: ')' | ']',
): DecodedEvent | null {
  const from = code === 'ssh-dropped' ? find(text, open, what, end) : findLast(text, open, what, end);
  const to = from < 0 ? -1 : find(text, close, from, end);
  if (to < 0) return null;
  const norm = baseNorm(frame, text, at, end, OCSF_CLASS.ssh);
  norm.action = 'probe';
  norm.event_code = code;
  peer.from = from + 1;
  peer.to = to;
  putPeer(text, norm);
  return event(frame, norm, NO_FIELDS);
}

/** `Starting session: shell on pts/0 for NAME from A port N id 0`, `Close session: user NAME from A port N id 0`. */
function decodeSession(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const from = findLast(text, ' from ', at, end);
  if (from < 0 || !peerAt(text, from + 6, end)) return null;
  const opening = text.charCodeAt(at) === 83;
  const who = opening ? findLast(text, ' for ', at, from) : find(text, ' user ', at, from) + 1;
  const norm = baseNorm(frame, text, at, end, OCSF_CLASS.ssh);
  norm.action = opening ? 'session-open' : 'session-close';
  norm.event_code = opening ? 'ssh-session' : 'ssh-session-closed';
  if (who > 0) norm.user = word(text, who + 5, from);
  putPeer(text, norm);
  return event(frame, norm, NO_FIELDS);
}
