/** Plain versions of the hot paths (framing, sshd, access logs) with regular expressions: slow, obvious, for comparison in tests only. */

import { LIMITS } from '../../core/index.ts';

export interface PlainEvent {
  timeMs: number;
  host?: string;
  process?: string;
  pid?: number;
  user?: string;
  src_ip?: string;
  src_port?: number;
  outcome?: string;
  method?: string;
  url?: string;
  status?: number;
  bytes?: number;
  user_agent?: string;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const BSD = /^(?:<\d{1,3}>)?([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\S+) ([^\s:[]+)\[(\d+)\]: (.*)$/s;
const ISO =
  /^(?:<\d{1,3}>)?(?:1 )?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) (\S+) ([^\s:[]+)\[(\d+)\]: (.*)$/s;
const ATTEMPT = /^(Accepted|Failed) \S+ for (?:invalid user )?(.*) from (\S+) port (\d+) ssh2(?:: .*)?$/s;
const INVALID = /^Invalid user (.*) from (\S+) port (\d+)$/s;
const ACCESS =
  /^(\S+) - (?:-|(.+?)) \[(\d\d)\/([A-Z][a-z]{2})\/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\] "((?:[^"\\]|\\.)*)" (\d{3}) (\d+) "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"$/s;

/** A syslog line of sshd whose sender's clock is in UTC; null when it is another line. */
export function plainSshd(line: string, receivedMs: number): PlainEvent | null {
  const bsd = BSD.exec(line);
  const iso = bsd ? null : ISO.exec(line);
  let event: PlainEvent;
  let message: string;
  if (bsd) {
    const [, month = '', day = '', hour = '', minute = '', second = '', host = '', process = '', pid = '', rest = ''] =
      bsd;
    const at = (year: number): number =>
      Date.UTC(year, MONTHS.indexOf(month), Number(day), Number(hour), Number(minute), Number(second));
    let year = new Date(receivedMs).getUTCFullYear() + 1;
    while (at(year) > receivedMs + LIMITS.futureSkewMsMax) year--;
    event = { timeMs: at(year), host, process, pid: Number(pid) };
    message = rest;
  } else if (iso) {
    const [, time = '', host = '', process = '', pid = '', rest = ''] = iso;
    event = { timeMs: Math.floor(Date.parse(time)), host, process, pid: Number(pid) };
    message = rest;
  } else return null;
  const attempt = ATTEMPT.exec(message);
  if (attempt) {
    const [, verb, user, ip, port] = attempt;
    return { ...event, outcome: verb === 'Accepted' ? 'success' : 'failure', ...who(user, ip, port) };
  }
  const invalid = INVALID.exec(message);
  return invalid ? { ...event, outcome: 'failure', ...who(invalid[1], invalid[2], invalid[3]) } : null;
}

function who(user = '', ip = '', port = ''): Partial<PlainEvent> {
  return { ...(user ? { user } : {}), src_ip: ip, src_port: Number(port) };
}

/** A line of a combined access log; null when it is another line. */
export function plainAccess(line: string): PlainEvent | null {
  const match = ACCESS.exec(line);
  if (!match) return null;
  const [
    ,
    ip = '',
    user,
    day,
    month = '',
    year,
    hour,
    minute,
    second,
    sign,
    offsetHours,
    offsetMinutes,
    request = '',
    status,
    bytes,
    ,
    agent = '',
  ] = match;
  const offset = (Number(offsetHours) * 60 + Number(offsetMinutes)) * (sign === '-' ? -1 : 1);
  const wall = Date.UTC(Number(year), MONTHS.indexOf(month), Number(day), Number(hour), Number(minute), Number(second));
  const parts = /^([A-Z_-]{1,31}) (.*?)(?: HTTP\/[^ ]*)?$/s.exec(request);
  return {
    timeMs: wall - offset * 60_000,
    src_ip: ip,
    ...(user ? { user } : {}),
    ...(parts ? { method: parts[1] as string, url: parts[2] as string } : { url: request }),
    status: Number(status),
    bytes: Number(bytes),
    ...(agent && agent !== '-' ? { user_agent: agent } : {}),
  };
}
