/** Records of a made-up hospital for the console's tests: the same ones every time, ages counted from the start. */

import type { Alert, Asset, AuditEntry, Coverage, EventRecord, Finding, Incident, Source } from '../../core/records.ts';
import type { RoomName } from '../../core/rooms.ts';
import type { FindingAction } from '../../core/store-port.ts';

export const MANY = 100_000;
const MIN = 60_000;
const DAY = 86_400_000;
const start = Date.now();
const at = (agoMs: number) => new Date(start - agoMs).toISOString() as Incident['opened'];
const id = (prefix: string, index: number) => `${prefix}_${String(index).padStart(26, '0')}` as never;
/** A value that looks random and is always the same. */
const pick = <T>(values: readonly T[], index: number): T =>
  values[((index * 2_654_435_761) >>> 7) % values.length] as T;

const SEVERITIES = ['critical', 'high', 'medium', 'low', 'information'] as const;
const HOSTS = ['vpn-1', 'pacs-1', 'portal-1', 'lab-sw-3', 'his-db-1', 'mail-1', 'ward6-ws-12', 'ct-scanner-2'] as const;
const USERS = ['m.keller', 'a.yilmaz', 'root', 'svc-pacs', 'd.novak', 'backup'] as const;
const attacker = (index: number) => `45.9.${148 + (index % 3)}.${10 + (index % 200)}`;

export function event(index: number): EventRecord {
  const host = pick(HOSTS, index);
  const user = pick(USERS, index + 3);
  const failed = index % 3 !== 0;
  const raw = `${failed ? 'Failed' : 'Accepted'} password for ${user} from ${attacker(index)} port ${20_000 + (index % 40_000)} ssh2`;
  return {
    id: `mockdesk-${(MANY - index).toString(36)}-0` as never,
    time: at(index * 850),
    received: at(index * 850 - 40),
    source: id('src', index % 15),
    format: index % 17 === 0 ? 'raw' : 'syslog/sshd',
    logsource: { product: 'linux', service: 'sshd' },
    ocsf: {
      class_uid: 3002,
      action: 'logon',
      outcome: failed ? 'failure' : 'success',
      user,
      src_ip: attacker(index),
      src_port: 20_000 + (index % 40_000),
      host,
      process: 'sshd',
      pid: 1000 + (index % 9000),
      message: raw,
    },
    fields: { hostname: host, appname: 'sshd', severity: 'info', facility: 'auth', nested: [1, 'two', null] },
    raw: `<38>1 ${at(index * 850)} ${host} sshd ${1000 + (index % 9000)} - - ${raw}`,
    marks: index % 29 === 0 ? ['time-from-receipt'] : [],
    exercise: false,
  };
}

export function alert(index: number): Alert {
  const level = SEVERITIES[index % 5] as Alert['rule']['level'];
  const host = pick(HOSTS, index);
  const user = pick(USERS, index);
  return {
    id: id('alr', index),
    rule: {
      id: `rule-${index % 7}`,
      title: 'Brute force against a login',
      level,
      tags: ['attack.credential-access', 'attack.t1110.001'],
      description: 'More than 20 failed log-ins from one address within five minutes.',
      false_positives: ['A script with an expired password.', 'A person who has just changed the password.'],
      response: 'Block the address at the perimeter and ask the owner of the account whether it was them.',
    },
    title: `Someone is guessing passwords on ${host}`,
    time: at(index * 11 * MIN + 30_000),
    received: at(index * 11 * MIN + 29_000),
    source: { id: id('src', index % 15), name: `${host} syslog` },
    entities: [
      { type: 'address', value: attacker(index), role: 'attacker' },
      { type: 'host', value: host, role: 'victim' },
      { type: 'account', value: user, role: 'victim' },
    ],
    events: [event(index * 3 + 1).id, event(index * 3 + 2).id],
    event_count: 312 + index,
    matched: [
      {
        field: 'message',
        value: event(index * 3 + 1).raw.slice(20, 120),
        words: ['Failed password'],
        event: event(index * 3 + 1).id,
      },
      { field: 'src_ip', value: attacker(index), words: [] },
    ],
    incident: id('inc', index % 24),
    state: index < 40 ? 'new' : 'closed',
    ...(index < 40 ? {} : { verdict: 'harmless' as const }),
    retrospective: false,
    exercise: false,
  };
}

export function incident(index: number): Incident {
  const host = pick(HOSTS, index);
  const open = index < 9;
  return {
    id: id('inc', index),
    title: index === 0 ? 'Password guessing on vpn-1 has reached a working account' : `Password guessing on ${host}`,
    severity: SEVERITIES[Math.min(4, Math.floor(index / 3))] as Incident['severity'],
    state: open ? 'open' : 'closed',
    ...(index % 3 === 1
      ? { assignee: id('per', 2), assignee_name: 'D. Novak', acknowledged_at: at(index * 43 * MIN) }
      : {}),
    opened: at(index * 47 * MIN + 14 * MIN),
    first_event: at(index * 47 * MIN + 20 * MIN),
    last_event: at(index * 47 * MIN + 1 * MIN),
    ...(open
      ? {}
      : {
          closed_at: at(index * 40 * MIN),
          close_reason: 'A backup job with an old password; corrected.',
          verdict: 'harmless' as const,
        }),
    entities: alert(index).entities,
    tactics: ['credential-access', 'initial-access'],
    alert_count: 1 + (index % 5),
    event_count: 312 * (1 + index),
    comments:
      index % 2 === 0
        ? [{ by: 'D. Novak', at: at(index * 45 * MIN), text: 'Called the ward: nobody knows of it.' }]
        : [],
    exercise: false,
    version: 3,
    changed_version: 3,
  };
}

const ROOMS: readonly RoomName[] = [
  'patching',
  'perimeter',
  'network',
  'phishing',
  'detection',
  'access',
  'team',
  'procurement',
  'sharing',
];
const FIXES = [
  'Upgrade openssl',
  'Close remote desktop to the internet',
  'Require a second factor on the VPN',
  'Turn off telnet',
  'Renew the certificate',
];
const STATES = ['open', 'open', 'open', 'accepted', 'fixed'] as const;
export const findingKeys = (index: number) => ({
  room: pick(ROOMS.slice(0, 6), index),
  severity: pick(SEVERITIES, index + 11),
  state: STATES[index % 5] as Finding['state'],
  fix: FIXES[index % FIXES.length] as string,
  asset: `${pick(HOSTS, index)}-${index % 400}`,
});

export function finding(index: number): Finding {
  const { room, severity, state, fix, asset } = findingKeys(index);
  return {
    id: id('fnd', index),
    room,
    kind: 'missing-update',
    key: `openssl-${index}`,
    severity,
    asset: { id: id('ast', index % 300), name: asset },
    title: `openssl 3.0.${index % 15} has known weaknesses`,
    detail: 'The installed version is older than the one with the security fix.',
    evidence: [
      {
        what: `Package openssl 3.0.${index % 15}-1 is installed; 3.0.17-1 fixes CVE-2026-0001.`,
        seen: at(3 * 3_600_000),
        command: 'dpkg-query -W openssl',
        data: { installed: `3.0.${index % 15}-1`, fixed: '3.0.17-1' },
      },
    ],
    fix: {
      title: fix,
      how: `Run apt-get install --only-upgrade openssl, then restart what uses it.`,
      effort: 'minutes',
      disrupts: index % 4 === 0,
    },
    first_seen: at(20 * DAY),
    last_seen: at(3 * 3_600_000),
    due: index % 3 === 0 ? at(-5 * DAY) : null,
    state,
    reopened: index % 11 === 0 ? 1 : 0,
    ...(state === 'accepted'
      ? {
          accepted: {
            owner: 'Dr. M. Keller',
            reason: 'The manufacturer does not allow it yet.',
            until: at(-4 * DAY),
            by: 'D. Novak',
            at: at(DAY),
          },
        }
      : {}),
    exercise: false,
  };
}

export const actions: readonly FindingAction[] = FIXES.map((title, index) => ({
  room: ROOMS[index] as RoomName,
  title,
  how: 'Run apt-get install --only-upgrade openssl on each, then restart what uses it.',
  effort: index % 2 === 0 ? 'minutes' : 'hours',
  disrupts: index === 2,
  findings: 214 - index * 40,
  assets: 60 - index * 10,
  worst: SEVERITIES[index] as FindingAction['worst'],
  due: index === 0 ? at(-3 * DAY) : null,
}));

export function asset(index: number): Asset {
  const classes = ['server', 'workstation', 'medical', 'network', 'printer', 'unknown'] as const;
  return {
    id: id('ast', index),
    name: `${pick(HOSTS, index)}-${index}`,
    class: classes[index % 6] as Asset['class'],
    addresses: [`10.20.${index % 250}.${1 + (index % 250)}`],
    macs: ['00:1b:21:3a:4c:5d'],
    ...(index % 4 === 0 ? {} : { os: 'Debian 12' }),
    criticality: index % 6 === 2 ? 'diagnostic' : 'unknown',
    external: index % 9 === 0 ? true : index % 5 === 0 ? null : false,
    seen_by: ['syslog', 'check'],
    reasons: ['Sends syslog with this name.'],
    first_seen: at(30 * DAY),
    last_seen: at(index * MIN),
    exercise: false,
  };
}

export const sources: Source[] = Array.from({ length: 15 }, (_, index) => ({
  id: id('src', index),
  name: index === 3 ? 'lab-sw-3' : `${pick(HOSTS, index)} ${index} syslog`,
  kind: index % 5 === 4 ? 'bulk' : index === 7 ? 'check' : 'syslog',
  address: `10.20.0.${index + 1}`,
  expected_silence_sec: 600,
  critical: index % 4 === 0,
  first_seen: at(30 * DAY),
  last_seen: index === 14 ? null : at(index === 3 ? 14 * MIN : index * 1000),
  events: 1_240_000 - index * 70_000,
  bytes: 310_000_000,
  not_understood: index % 4 === 0 ? 1200 * index : 0,
  dropped: index === 5 ? 12 : 0,
  formats: { 'syslog/sshd': 900_000, 'syslog/sudo': 4000, raw: index % 4 === 0 ? 1200 * index : 0 },
  faults: index === 5 ? [{ what: 'A record was longer than 256 KiB and was cut.', count: 12, last: at(50 * MIN) }] : [],
  exercise: false,
}));

export const coverage: readonly Coverage[] = ROOMS.map((room, index) => {
  const measured = index < 6;
  const covered = [214, 21, 46, 310, 12, 380][index] ?? 0;
  const notCovered = [60, 16, 3, 220, 3, 140][index] ?? 0;
  const unknown = [15, 4, 1, 70, 2, 80][index] ?? 0;
  return {
    room,
    state: measured ? 'measured' : 'no-evidence',
    unit: measured ? (['assets', 'servers', 'devices', 'people', 'servers', 'accounts'][index] as string) : '',
    in_scope: covered + notCovered + unknown,
    covered,
    not_covered: notCovered,
    unknown,
    measured_at: measured ? at(2 * 3_600_000) : null,
    sentence: measured ? `${covered} of ${covered + notCovered + unknown} are covered.` : 'No evidence yet.',
    next: measured
      ? { title: (FIXES[index % FIXES.length] as string) ?? '', ...(index === 0 ? { finding: id('fnd', 0) } : {}) }
      : { title: 'Run a first round of this machine.', command: 'asepsis check' },
    evidence: measured
      ? [{ label: 'Findings of this recommendation', href: `/findings?room=${room}`, count: notCovered }]
      : [],
  };
});

export const trend = coverage.slice(0, 6).flatMap((row) =>
  Array.from({ length: 30 }, (_, day) => ({
    day: at((29 - day) * DAY).slice(0, 10),
    room: row.room,
    covered: Math.round(row.covered * (0.7 + (0.3 * day) / 29)),
    in_scope: row.in_scope,
    unknown: row.unknown,
  })),
);

export const auditEntry = (index: number): AuditEntry => ({
  id: id('aud', index),
  seq: 300 - index,
  at: at(index * 7 * MIN),
  actor: index % 4 === 0 ? 'system' : 'm.keller',
  address: '127.0.0.1',
  action: index % 3 === 0 ? 'incident.change' : 'sign-in.password',
  target: 'inc_0',
  outcome: index % 9 === 0 ? 'denied' : 'success',
  detail: '{"assign":"me"}',
  previous: '0'.repeat(64),
  hash: 'a'.repeat(64),
});

export const responsePreview = {
  touches: ['nftables on this host: packets from and to 45.9.148.10 are dropped (table inet asepsis)'],
  affected: [
    { what: 'events with 45.9.148.10 in the last 7 days', count: 312 },
    { what: 'log-ins that succeeded from there: n.haas', count: 1 },
  ],
  disrupts: true,
  reasons: ['Accounts signed in from there: n.haas. Is each of them the attacker?'],
  refused: null,
  undo: 'The address is taken out of the set and out of the decisions, at once.',
  simulated: false,
};
const response = (n: number, state: string, target: string, kind = 'block') => ({
  id: `rsp_${String(n).padStart(26, '0')}`,
  number: n + 1,
  kind,
  target,
  reason: 'Guesses passwords on vpn-1',
  state,
  simulated: false,
  duration_sec: 14_400,
  proposed_by: 'm.keller',
  proposed_at: new Date(Date.now() - 3_600_000).toISOString(),
  ...(state === 'proposed'
    ? {}
    : {
        approved_by: 'night.lead',
        approved_at: new Date(Date.now() - 3_000_000).toISOString(),
        expires: new Date(Date.now() + 9_000_000).toISOString(),
      }),
  preview: responsePreview,
  done:
    state === 'proposed' ? [] : [{ at: new Date(Date.now() - 3_000_000).toISOString(), what: 'Blocked.', ok: true }],
  exercise: false,
});
export const responses = [
  response(0, 'active', '45.9.148.10'),
  response(1, 'proposed', 'n.haas', 'disable-account'),
  response(2, 'undone', '45.9.149.0/24'),
];
export const responseStatus = {
  mode: 'enforce',
  nftables: true,
  fault: null,
  blocks_last_hour: 2,
  blocks_per_hour_max: 30,
  protected: [{ what: 'own networks', ranges: 5 }],
  can_disable_accounts: true,
  bouncers: 1,
  dropped: [{ range: '45.9.148.10', packets: 1204 }],
};

const NOW = '2026-11-25T02:14:00.000Z';
const missingAccount = (name: string, service: string, second_factor: string, privileged: boolean, what: string) => ({
  id: `acc_${name.padEnd(26, '0').slice(0, 26)}`,
  name,
  service,
  privileged,
  external: service === 'Entra ID',
  second_factor,
  evidence: [{ what, seen: NOW }],
  first_seen: NOW,
  last_seen: NOW,
  exercise: false,
});
/** The Access page on the first day, and later. */
export const ACCESS_EMPTY = { services: [], missing: [], missing_count: 0, whole: true, gateway: null };
export const ACCESS = {
  services: [
    {
      service: 'Entra ID',
      external: true,
      accounts: 1840,
      enforced: 1603,
      registered: 96,
      bypassed: 12,
      none: 121,
      unknown: 8,
    },
    {
      service: 'hosp.example',
      external: false,
      accounts: 2110,
      enforced: 0,
      registered: 310,
      bypassed: 0,
      none: 1800,
      unknown: 0,
    },
  ],
  missing: [
    missingAccount('breakglass', 'Entra ID', 'registered', true, 'left out of "MFA for all"; a method is registered'),
    missingAccount(
      'imaging',
      'Entra ID',
      'bypassed',
      false,
      'a log-in by IMAP4 went through with the password alone on 2026-11-20',
    ),
    missingAccount('mkeller', 'hosp.example', 'none', true, 'no smart card is required and no key is registered'),
  ],
  missing_count: 2339,
  whole: true,
  gateway: {
    origin: 'https://login.hosp.example',
    listens: true,
    sessions: 2,
    held: 2,
    to_review: 1,
    apps: [
      { name: 'notes', title: 'Ward notes', hosts: ['notes.hosp.example'], emergency: 'break-glass', proxied: true },
      { name: 'payroll', title: 'Payroll', hosts: ['pay.hosp.example'], emergency: 'closed', proxied: false },
    ],
  },
};
const session = (id: string, account: string, name: string, factors: string[], emergency: string | null) => ({
  id,
  account,
  name,
  address: '10.1.4.17',
  created: NOW,
  last_seen: NOW,
  expires: NOW,
  factors,
  locked: false,
  emergency,
});
export const ACCESS_SESSIONS = [
  session('a', 'anna', 'Anna Weber', ['passkey'], null),
  session('b', 'break-glass x', 'Dr. Roe, ICU', ['break-glass'], 'notes'),
];
export const ACCESS_HELD = [
  { kind: 'spraying', key: '45.9.148.3', failures: 64, last: NOW, until: NOW },
  { kind: 'account', key: 'anna', failures: 11, last: NOW, until: NOW },
];
export const ACCESS_EMERGENCIES = [
  {
    id: 'e1',
    app: 'notes',
    person: 'Dr. Roe, ICU',
    reason: 'Allergies are needed before surgery',
    how: 'code',
    address: '10.1.4.17',
    asked: NOW,
    opened: NOW,
    until: NOW,
    approvals: [],
    reviewed: null,
    reviewer: null,
    note: null,
  },
];
