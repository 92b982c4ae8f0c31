/**
 * Log-ins in the words of programs that no decoder knows: what applications and appliances write when somebody signs in or
 * fails to, with the address and the name that stand beside it. Looked for only where nothing better was found.
 */

import { isIP } from 'node:net';
import { type DecodedEvent, OCSF_CLASS } from '../../core/index.ts';

/** Events whose decoder says what was written, not what it means. */
const FORMATS: ReadonlySet<string> = new Set([
  'raw',
  'syslog/other',
  'json/other',
  'cef',
  'leef',
  'web/nginx-error',
  'web/apache-error',
]);
/** The words stand near the beginning; a stack trace behind them tells nothing more. */
const CHARS_MAX = 4096;

/** Any of these letters must be there at all: most lines are done with after this. */
const WORTH_A_LOOK =
  /fail|mismatch|t match|bad ?login|refused|have worked|smtp attack|not allowed|unknown user|invalid|denied|incorrect|wrong|bad |unsuccess|success|no such user|n(?:o|')t find|not found|not exist|login_error|brute|ation error|rate-limited/i;

/** Alternatives of plain words: linear, whatever an attacker writes. */
const FAILED = new RegExp(
  [
    'authentication[ _]?(?:failed|failure|error|fail\\b)',
    'auth[ _-]?(?:failed|failure|error)',
    'authenticator failed',
    'failed (?:login|log-in|log in|sign-in|sign in|logon|authentication|password|to log|to sign|to authenticate)',
    '(?:login|log-in|log in|sign-in|logon)[ _-](?:fail|error|denied|incorrect)',
    'unsuccessful (?:login|log-in|logon|sign|authentication|1fa|2fa)',
    'invalid (?:user|password|credential|login|authentication|cpanel user|account)',
    'incorrect (?:user|password|credential|login|authentication)',
    '(?:bad|wrong) (?:user|password|credential|login)',
    'password (?:is )?(?:incorrect|wrong|mismatch)',
    'access denied for user',
    'no such user',
    '(?:user|account)[ _](?:does[ _])?not[ _](?:found|exist)',
    "can't find user",
    'unable to find this user',
    'unknown user',
    'logondenied',
    'challengeresponsefailed',
    'invalidpassword',
    'invalidaccountid',
    'brute ?force attempt',
    "password (?:mismatch|doesn't match)",
    'bad ?login',
    'login refused',
    'might not have worked',
    'possible smtp attack: command=auth',
    'failed md5 authentication',
    'get_password failed',
    "failed for '[0-9a-f.:]",
    'not allowed because (?:not|listed|a group|none|account)',
  ].join('|'),
  'i',
);
/** Two words that only together tell it. */
const ATTEMPT =
  /(?:authentication|login|log-in|sign-in|logon) (?:attempt|request)|attempt(?:ed|s)? to (?:log|sign) ?in/i;
const ATTEMPT_FAILED = /fail|denied|invalid|refused|rejected|rate-limited/i;
const SUCCEEDED =
  /(?:login|log-in|sign-in|logon|authentication)[ _-](?:successful|succeeded|success\b)|successful (?:login|log-in|logon|sign-in|authentication)|successfully (?:logged|signed) in|successfully authenticated/i;

const ADDRESS = /(?:\d{1,3}\.){3}\d{1,3}|[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?:\.\d{1,3}){0,3}/gi;
const ADDRESSES_MAX = 16;
/** What stands before the address of the one who signs in, and before that of somebody else. */
const HIS =
  /(?:from|ip|client|remote|rhost|src|oip|addr|address|by|peer|for)[\w.-]{0,12}["']?[\s:=[("'@]{0,6}(?:\w{2,5}\/){0,2}$|[)\w] ?\[$/i;
const NOT_HIS =
  /(?:\blip|local(?:addr\w*|_?ip)|server|dst|dest|listen|\bfw|\bto|via|bind)[\w.-]{0,12}["']?[\s:=[("'/]{0,6}(?:\w{2,5}\/)*$/i;

/** What a proxy says, or whoever pretends to be one: believed only where the peer is this machine. */
const FORWARDED = /x-[a-z-]{1,24}["']?[\s:=]{0,3}$/i;

function addressIn(text: string): string | undefined {
  let best: string | undefined;
  let bestScore = -1;
  let count = 0;
  for (const match of text.matchAll(ADDRESS)) {
    if (++count > ADDRESSES_MAX) break;
    const address = match[0].replace(/^::ffff:(?=\d{1,3}\.)/i, '');
    if (isIP(address) === 0 || address === '::' || address === '0.0.0.0') continue;
    const before = text.slice(Math.max(0, match.index - 28), match.index);
    const outside = /^(?:127\.|::1$)/.test(address) ? 0 : 1;
    const score = FORWARDED.test(before) ? 3 : NOT_HIS.test(before) ? 0 : (HIS.test(before) ? 3 : 1) + outside;
    // Of equals the last: names, which an attacker chooses, mostly stand before the address.
    if (score >= bestScore) {
      best = address;
      bestScore = score;
    }
  }
  return bestScore > 0 ? best : undefined;
}

const NAMED =
  /\b(?:user(?:_?name)?|account(?:_?id)?|uname|usr|suser|acct|set_id|email|login)["']?\s{0,2}[=:]\s{0,2}["'[(\\]{0,3}([^\s"'\])\\,;|}]{1,64})/i;
const SPOKEN = /\b(?:for user|by user|user|username|account|for|login)\s["'[]?([\w.@\\+-]{2,64})/gi;
/** Words that follow `user` or `for` without being a name. */
const NO_NAME = new Set(
  'from with the has is name and in on at to by of or not password ip failed failure failing attempt attempted using login log via user users action method reason does credentials account service error denied using invalid request unknown authentication null undefined none'.split(
    ' ',
  ),
);

function userIn(text: string): string | undefined {
  const named = NAMED.exec(text)?.[1];
  if (named !== undefined && !NO_NAME.has(named.toLowerCase())) return named;
  let count = 0;
  for (const match of text.matchAll(SPOKEN)) {
    if (++count > 8) break;
    const name = match[1] as string;
    if (!NO_NAME.has(name.toLowerCase()) && isIP(name) === 0) return name;
  }
  return undefined;
}

/** Failure, success, or neither; a text that says both failed. */
export function loginOutcome(text: string): 'failure' | 'success' | null {
  if (!WORTH_A_LOOK.test(text)) return null;
  if (FAILED.test(text) || (ATTEMPT.test(text) && ATTEMPT_FAILED.test(text))) return 'failure';
  return SUCCEEDED.test(text) ? 'success' : null;
}

/** Makes an event of a log-in out of one that nobody understood, where its words say so. */
export function readLoginWords(event: DecodedEvent): void {
  if (!FORMATS.has(event.format) || event.norm.class_uid === OCSF_CLASS.authentication) return;
  const text = event.raw.length > CHARS_MAX ? event.raw.slice(0, CHARS_MAX) : event.raw;
  const outcome = loginOutcome(text);
  if (outcome === null) return;
  const { norm } = event;
  norm.class_uid = OCSF_CLASS.authentication;
  norm.action = 'logon';
  norm.outcome = outcome;
  norm.event_code ??= 'login-words';
  const address = norm.src_ip ?? addressIn(text);
  if (address !== undefined) norm.src_ip = address;
  const user = norm.user ?? userIn(text);
  if (user !== undefined) norm.user = user;
}
