/**
 * Log-ins of applications that have no decoder of their own: what thousands of programs write in nearly the same words
 * (`Failed login attempt for user "x" from 1.2.3.4`, `auth-failure ip 1.2.3.4 username 'x'`, `LOGIN FAILED, user=x,
 * ip=[1.2.3.4]`). Asked last, and only about texts that nobody else knows. Names in such lines are the client's own words,
 * so an address is taken from behind the last `from`, else from the last named place.
 */

import { isIP } from 'node:net';
import { type DecodedEvent, type Normalised, OCSF_CLASS } from '../../../core/index.ts';
import { baseNorm, type Frame, makeEvent, NO_FIELDS } from '../decode-frame.ts';
import { logSource } from '../decode-source.ts';
import { ipOf, isDigit, word } from '../decode-text.ts';
import { readIsoTime } from '../decode-time.ts';

const SOURCE = logSource(undefined, 'authentication');
/** What a program says of a log-in stands near its beginning; the rest of a long record is not searched. */
const CHARS_MAX = 1024;
const USER_MAX = 128;
/** Words that look like a name's beginning in one text. */
const TRIES_MAX = 16;

/** Cheap words first: a text without any of them is no log-in. */
const MAYBE =
  /log[ _-]?[io]n|logg|auth|passw|credential|sign|access denied|denied|unknown user|invalid user|find (?:this )?user|brute|t have worked/;

/** No quantifier over attacker's text: time grows with the text's length alone. */
const FAILED = new RegExp(
  [
    'auth(?:entication|orization)?[ _-](?:has )?(?:fail|error|denied|reject)',
    'auth(?:entication)? (?:attempt|request) (?:from|for) .{0,160}?(?:fail|denied|rate-limit)',
    'authenticator failed|authentication unsuccessful|could not authenticate|unable to authenticate|not authenticated',
    'fail(?:ed|ure)?:? (?:to )?(?:(?:user|web|admin|ssh|password|local|ldap|api|http) )?(?:log[ -]?[io]n|log in|log on|sign[ -]?in|auth|validat|verif)',
    'log[ -]?[io]n[ _]?(?:attempt )?(?:has )?(?:fail|error|denied|refused|incorrect|reject|unsuccess)',
    'unsuccessful (?:log|auth|sign|[12]fa|web|password)|badlogin|bad (?:login|password|user)|wrong (?:password|user|cred)',
    '(?:invalid|incorrect|bad|wrong) (?:user ?name|user|login|log[io]n|password|credential|overseerr|authentication|auth)',
    'password (?:mismatch|check failed|verification failed|is incorrect|incorrect|did not match|authentication failed)',
    '(?:user ?name|login) or password (?:is )?(?:incorrect|invalid|wrong)',
    'access denied for user|permission denied for user|unknown user|no such user|user (?:name )?(?:was )?not found',
    'login_error|login_failed|logondenied|authfailed|admin_login_failed|signinfailure|not found in ldap',
    'challengeresponsefailed|invalidaccountid|invalidpassword|nt_status_(?:no_such_user|wrong_password|logon_failure)',
    'failed login|failed log-in|failed password|failed sign-in|failed to log in|failed logon|401 unauthorized',
    'to login with account .{0,80}? and failed|not allowed because (?:not|listed|a group|none|account)',
    "password doesn't match|login refused|might not have worked|possible smtp attack: command=auth",
    "failed md5 authentication|get_password failed|brute ?force attempt|can't find user|unable to find this user",
    '(?:user|account)[ _](?:does[ _])?not[ _](?:found|exist)|rejected .{0,40}?login',
  ].join('|'),
);
const SUCCEEDED = new RegExp(
  [
    '(?:log[ -]?[io]n|auth(?:entication)?|sign-?in)[ :](?:was )?(?:success|succeeded|accepted|ok\\b)',
    'success(?:ful|fully)[ :](?:log|auth|sign|web|password|[12]fa)',
    'accepted (?:password|publickey|login)|logged[ -]in|signed in|user authenticated',
  ].join('|'),
);
/** What only looks like it: the words of somebody who did not try a password. */
const NEITHER = /not logged in|logged in users|login page|no auth attempts/;

const NAME_KEYS =
  /(?:^|[\s,;:({["'])(?:user(?:_?name)?|u?name|login|log[io]n|acct|account(?:id)?|set_id|uname|ruser|principal(?:name)?|email|auth_user)["']?\s?[=:]\s?["'`<[]{0,2}([^\s"'`<>,;)\]{}]{1,128})/gi;
const NAME_AFTER =
  /\b(?:user(?: ?name)?|account|login|for|of|by|utilisateur|benutzer)(?: (?:invalid|unknown|illegal|user))?[ ]["'`“‘<[(]{1}([^"'`”’>\])]{1,128})["'`”’>\])]/gi;
const NAME_BARE =
  /\b(?:(?:for|of|by) (?:invalid |unknown |illegal )?(?:user|account|login)|(?:invalid|unknown|illegal|bad) user|user(?:name)?|log[io]n failed:|login|for)[ :]{1,2}([\w.@\\$+-]{1,128})(?=[\s,.;:"']|$)/gi;
/** Words that follow `user` or `for` without being a name. */
const NO_NAME = new Set(
  'from with name names not is was has and or for the via at on in to by failed login logon authentication user password attempt attempts unknown invalid incorrect account ip address no access credentials authenticator auth failure failed error has be'.split(
    ' ',
  ),
);

const IP_FROM =
  /\bfrom(?: (?:ip|private ip|host|address|ip address|client))?[ :]{0,2}["'`[(<]{0,2}([\w.:%-]{2,64})(?:\[([\w.:]{2,64})\])?/gi;
const IP_REMOTE =
  /\b(?:rhost|rip|oip|remote[ _-]?(?:ip|addr(?:ess)?|host)|client[ _-]?(?:ip|addr(?:ess)?)?|source[ _-]?(?:ip|address)|src(?:_?ip)?|peer|relay)["']?[ ]?[=:]?[ ]?["'`[(<]{0,2}(?:ipv[46]:)?([\w.:]{2,64})/gi;
const IP_KEYS =
  /\b(?:ip(?:[ _-]?addr(?:ess)?)?|address|addr|host)["']?[ ]?[=:]?[ ]?["'`[(<]{0,2}(?:ipv[46]:)?([\w.:]{2,64})/gi;
/** `host [1.2.3.4]:567`; in round brackets too it is what the client calls itself. */
const IP_BRACKET = /(?:^|[^(])\[([\w.:]{2,64})\]/g;
const IP_AT = /@["'`]?\[?([\w.:]{2,64})/g;
const IP_ANY = /(?:^|[\s[(<"'=,|@/:])((?:\d{1,3}\.){3}\d{1,3}|[0-9a-f]{0,4}:[0-9a-f:.]{2,45})(?=[\s\])>"',;:|/.(]|$)/gi;

const ADDRESSES = [IP_FROM, IP_REMOTE, IP_KEYS, IP_BRACKET, IP_AT];

interface Address {
  readonly ip: string;
  /** 0 when none is written. */
  readonly port: number;
}

/** `failure`, `success`, or null for a text that is about no log-in. */
export function logonOutcome(text: string): 'failure' | 'success' | null {
  const lower = text.slice(0, CHARS_MAX).toLowerCase();
  if (!MAYBE.test(lower) || NEITHER.test(lower)) return null;
  if (FAILED.test(lower)) return 'failure';
  return SUCCEEDED.test(lower) ? 'success' : null;
}

/** Address and port as they are written: `1.2.3.4`, `1.2.3.4:567`, `::ffff:1.2.3.4`. */
export function addressOf(written: string): Address | null {
  const plain = written.replace(/[.:]$/, '');
  // A time of day looks like half an IPv6 address.
  if (isIP(plain)) return { ip: ipOf(plain), port: 0 };
  const colon = plain.lastIndexOf(':');
  const before = colon > 0 && isIP(plain.slice(0, colon)) ? ipOf(plain.slice(0, colon)) : '';
  const port = Number(plain.slice(colon + 1));
  return before && Number.isInteger(port) && port > 0 && port < 65536 ? { ip: before, port } : null;
}

function lastAddress(text: string, pattern: RegExp): Address | null {
  let found: Address | null = null;
  for (const match of text.matchAll(pattern)) {
    for (const written of [match[2], match[1]]) {
      const one = written === undefined ? null : addressOf(written);
      if (one === null) continue;
      found = one;
      break;
    }
  }
  return found;
}

function firstAddress(text: string): Address | null {
  for (const match of text.matchAll(IP_ANY)) {
    const one = addressOf(match[1] as string);
    if (one !== null) return one;
  }
  return null;
}

function nameIn(text: string): string {
  for (const pattern of [NAME_KEYS, NAME_AFTER, NAME_BARE]) {
    pattern.lastIndex = 0;
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const match = pattern.exec(text);
      if (match === null) break;
      const name = match[1]?.replace(/[.:]$/, '') ?? '';
      if (!/^-*$/.test(name) && !isIP(name) && (pattern !== NAME_BARE || !NO_NAME.has(name.toLowerCase()))) return name;
      // `login for x`: the word that was no name may lead to one.
      pattern.lastIndex = match.index + 2;
    }
  }
  return '';
}

/** Puts what a log-in's text says into the columns that nothing else has filled. */
export function readLogon(text: string, norm: Normalised): void {
  const head = text.slice(0, CHARS_MAX);
  if (norm.src_ip === undefined) {
    const peer =
      ADDRESSES.reduce((found: Address | null, one) => found ?? lastAddress(head, one), null) ?? firstAddress(head);
    if (peer !== null) {
      norm.src_ip = peer.ip;
      if (peer.port > 0 && norm.src_port === undefined) norm.src_port = peer.port;
    }
  }
  if (norm.user === undefined) {
    const name = nameIn(head);
    if (name) norm.user = word(name, 0, Math.min(USER_MAX, name.length));
  }
}

/** A log-in in words that are not of any program we know; null when the text is about something else. */
export function decodeLogon(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const message = text.slice(at, Math.min(end, at + CHARS_MAX));
  const outcome = logonOutcome(message);
  if (outcome === null) return null;
  if (Number.isNaN(frame.timeMs)) {
    // An application's own file: the time stands first, alone or in brackets.
    const time = text.charCodeAt(at) === 91 ? at + 1 : at;
    if (isDigit(text.charCodeAt(time))) readIsoTime(text, time, end, frame);
  }
  const norm = baseNorm(frame, text, at, end, OCSF_CLASS.authentication);
  norm.action = 'logon';
  norm.outcome = outcome;
  norm.event_code = outcome === 'failure' ? 'app-login-failed' : 'app-login';
  readLogon(message, norm);
  // Without anybody's name or address it says nothing that a rule or a person could use.
  if (norm.src_ip === undefined && norm.user === undefined) return null;
  return makeEvent(frame, 'text/logon', SOURCE, norm, NO_FIELDS);
}

/** Formats whose decoders say what was written and leave open what it means. */
const OPEN_FORMATS: ReadonlySet<string> = new Set(['cef', 'leef']);

/** Makes a log-in of an event of such a format where its words say so. */
export function addLogon(event: DecodedEvent): void {
  if (!OPEN_FORMATS.has(event.format) || event.norm.class_uid === OCSF_CLASS.authentication) return;
  const outcome = logonOutcome(event.raw);
  if (outcome === null) return;
  const { norm } = event;
  readLogon(event.raw, norm);
  if (norm.src_ip === undefined && norm.user === undefined) return;
  norm.class_uid = OCSF_CLASS.authentication;
  norm.action = 'logon';
  norm.outcome = outcome;
  norm.event_code ??= outcome === 'failure' ? 'app-login-failed' : 'app-login';
}
