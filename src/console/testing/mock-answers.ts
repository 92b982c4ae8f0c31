/** The answers of the stand-in server: canned records, and a memory of what was changed. */

import type { Alert, Finding, Incident } from '../../core/records.ts';
import * as data from './mock-data.ts';
import { networkFlows, networkRouters } from './mock-network.ts';
import { perimeterDrift, perimeterEmpty, perimeterServices, perimeterState } from './mock-perimeter.ts';

const ME = {
  id: 'per_00000000000000000000000001',
  username: 'm.keller',
  display_name: 'M. Keller',
  role: 'administrator',
};
export type Answer = { status?: number; body?: unknown };
export type Body = Record<string, unknown>;

export const problem = (status: number, code: string, title: string, detail: string, advice: string): Answer => ({
  status,
  body: { type: `urn:asepsis:problem:${code.toLowerCase()}`, title, status, detail, code, advice },
});
const missing = () => problem(404, 'NOT_FOUND', 'Not found', 'There is no such record.', 'Check the address.');

/** One page out of `count` records that pass. */
function page<T>(
  query: URLSearchParams,
  count: number,
  make: (i: number) => T,
  keep: (i: number) => boolean = () => true,
) {
  const limit = Number(query.get('limit') ?? 100);
  const items: T[] = [];
  let index = Number(query.get('after') ?? 0);
  for (; index < count && items.length < limit; index++) if (keep(index)) items.push(make(index));
  return { items, next: index < count ? String(index) : null };
}

export function createState(options: { signedIn?: boolean; exercise?: boolean; empty?: boolean }) {
  return {
    signedIn: options.signedIn ?? true,
    incidents: Array.from({ length: options.empty ? 0 : 24 }, (_, i) => data.incident(i)),
    alerts: Array.from({ length: options.empty ? 0 : 300 }, (_, i) => data.alert(i)),
    findings: new Map<string, Finding>(),
    many: options.empty ? 0 : data.MANY,
    exercise: options.exercise ?? false,
  };
}
export type State = ReturnType<typeof createState>;

function changeIncident(state: State, id: string, body: Body): Answer {
  const at = state.incidents.findIndex((each) => each.id === id);
  const before = state.incidents[at];
  if (!before) return missing();
  if (body.version !== before.version)
    return problem(
      409,
      'CONFLICT',
      'Somebody changed this meanwhile',
      'This incident was changed by somebody else.',
      'Reload and try again.',
    );
  const { assignee: _, assignee_name: __, ...free } = before;
  let after: Incident = { ...before, version: before.version + 1 };
  if (body.assign === 'me') after = { ...after, assignee: ME.id as never, assignee_name: ME.display_name };
  if (body.assign === null) after = { ...free, version: after.version };
  if (typeof body.comment === 'string')
    after = {
      ...after,
      comments: [...after.comments, { by: ME.display_name, at: new Date().toISOString() as never, text: body.comment }],
    };
  const close = body.close as { reason: string; verdict: 'harmless' } | undefined;
  if (close)
    after = {
      ...after,
      state: 'closed',
      close_reason: close.reason,
      verdict: close.verdict,
      closed_at: new Date().toISOString() as never,
    };
  if (body.reopen) after = { ...after, state: 'open' };
  state.incidents[at] = after;
  return { body: after };
}

function overview(state: State) {
  const empty = state.many === 0;
  const open = state.incidents.filter((each) => each.state === 'open');
  return {
    sentence: empty
      ? 'Nothing needs you now. No source has sent anything yet.'
      : `${open.length} incidents need you; the worst: password guessing on vpn-1 has reached a working account. 14 of 15 sources are sending; lab-sw-3 has been silent for 14 minutes.`,
    incident: open[0] ?? null,
    coverage: empty ? data.coverage.map((row) => ({ ...row, ...data.coverage[8], room: row.room })) : data.coverage,
    trend: empty ? [] : data.trend,
    rate: {
      per_sec: empty ? [] : Array.from({ length: 120 }, (_, i) => Math.round(1100 + 240 * Math.sin(i / 9))),
      now: empty ? 0 : 1240,
      alert_p99_ms: empty ? null : 310,
      lag_ms: 12,
    },
    sources: empty
      ? { total: 0, sending: 0, silent: [] }
      : { total: 15, sending: 14, silent: [{ id: data.sources[3]?.id, name: 'lab-sw-3', silent_sec: 840 }] },
    attackers: empty
      ? []
      : [
          { address: '45.9.148.10', targets: ['vpn-1'], tries: 312 },
          { address: '45.9.149.77', targets: ['portal-1', 'mail-1'], tries: 48 },
        ],
    due: empty ? { findings: 0, exceptions: 0 } : { findings: 3, exceptions: 1 },
    counts: {
      incidents: open.length,
      alerts: state.alerts.filter((each) => each.state === 'new').length,
      findings: 700,
    },
    actions: empty ? [] : data.actions,
    alarm: null,
    exercise: state.exercise,
  };
}

const settings = {
  archive: { retention_days: 365 },
  stream: { retention_hours: 72, retention_mb: 10_240 },
  notify: { level: 'high', webhook: 'https://chat.hospital.example', email: ['security@hospital.example'] },
  store: 'sqlite',
  listeners: [
    { name: 'syslog tcp', address: '127.0.0.1:5514' },
    { name: 'http', address: 'http://127.0.0.1:8420' },
  ],
  outbox: [{ channel: 'email', attempts: 2, last_error: 'connection refused' }],
};
const people = [
  { ...ME, disabled: false, created: data.auditEntry(9).at, last_sign_in: data.auditEntry(0).at },
  {
    ...ME,
    id: 'per_00000000000000000000000002',
    username: 'd.novak',
    display_name: 'D. Novak',
    role: 'analyst',
    disabled: false,
    created: data.auditEntry(9).at,
    last_sign_in: null,
  },
];
const token = {
  id: 'tok_00000000000000000000000001',
  name: 'filebeat on pacs-1',
  scope: 'ingest',
  role: null,
  source: 'src_0',
  created_by: ME.id,
  created: data.auditEntry(9).at,
  expires: null,
  last_used: data.auditEntry(0).at,
  revoked: false,
};
const RECOVERY_CODES = Array.from({ length: 10 }, (_, i) => `k7qm-${1000 + i}-x2vd`);
const started = {
  flow: 'flow',
  totp: {
    secret: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP',
    uri: 'otpauth://totp/Asepsis:m.keller?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Asepsis',
  },
  passkey_options: null,
};

export function read(state: State, path: string, query: URLSearchParams): Answer {
  const text = query.get('text')?.toLowerCase() ?? '';
  const is = (name: string, value: string | undefined) => !query.get(name) || query.get(name) === value;
  switch (path) {
    case '/v1/session':
      return {
        body: { person: state.signedIn ? ME : null, csrf: state.signedIn ? 'csrf' : '', needs_enrolment: false },
      };
    case '/v1/overview':
      return { body: overview(state) };
    case '/v1/incidents': {
      const kept = state.incidents.filter((each) => is('state', each.state) && each.title.toLowerCase().includes(text));
      return { body: page(query, kept.length, (i) => kept[i]) };
    }
    case '/v1/alerts': {
      const kept = state.alerts.filter(
        (each) =>
          is('state', each.state) &&
          is('level', each.rule.level) &&
          is('rule', each.rule.id) &&
          each.title.toLowerCase().includes(text),
      );
      return { body: page(query, kept.length, (i) => kept[i]) };
    }
    case '/v1/findings':
      return {
        body: page(
          query,
          state.many,
          (i) => state.findings.get(data.finding(i).id) ?? data.finding(i),
          (i) => {
            const keys = data.findingKeys(i);
            return (
              is('room', keys.room) &&
              is('state', keys.state) &&
              is('severity', keys.severity) &&
              is('fix', keys.fix) &&
              keys.asset.includes(text)
            );
          },
        ),
      };
    case '/v1/findings/actions':
      return { body: { items: state.many ? data.actions : [], next: null } };
    case '/v1/assets':
      return {
        body: page(
          query,
          state.many ? 300 : 0,
          data.asset,
          (i) => is('class', data.asset(i).class) && data.asset(i).name.includes(text),
        ),
      };
    case '/v1/events':
      if (query.get('query')?.includes('(('))
        return problem(
          400,
          'BAD_QUERY',
          'The search query cannot be read',
          'A bracket is not closed at position 1.',
          'Correct it at the marked position.',
        );
      return { body: { ...page(query, state.many, data.event), took_ms: 42.4 } };
    case '/v1/events/histogram': {
      const [from, to] = [Date.parse(query.get('from') ?? ''), Date.parse(query.get('to') ?? '')];
      const size = Number(query.get('bucket_ms'));
      const items = [];
      for (let start = Math.floor(from / size) * size; start < to && state.many; start += size)
        items.push({ start: new Date(start).toISOString(), count: Math.round(700 + 500 * Math.sin(start / size / 6)) });
      return { body: { items } };
    }
    case '/v1/sources':
      return { body: { items: state.many ? data.sources : [], next: null } };
    case '/v1/responses': {
      const kept = state.many === 0 ? [] : data.responses.filter((each) => is('state', each.state));
      return { body: page(query, kept.length, (i) => kept[i]) };
    }
    case '/v1/audit':
      return { body: page(query, 300, data.auditEntry) };
  }
  return readOne(state, path);
}

function readOne(state: State, path: string): Answer {
  const fixed: Readonly<Record<string, unknown>> = {
    '/v1/coverage': { items: data.coverage, next: null },
    '/v1/settings': settings,
    '/v1/people': { items: people, next: null },
    '/v1/tokens': {
      items: [token, { ...token, id: 'tok_2', name: 'old reporter', scope: 'read', role: 'viewer', revoked: true }],
      next: null,
    },
    '/v1/perimeter': state.many === 0 ? perimeterEmpty : perimeterState,
    '/v1/perimeter/services': { items: state.many === 0 ? [] : perimeterServices, next: null },
    '/v1/perimeter/drift': { items: state.many === 0 ? [] : perimeterDrift, next: null },
    '/v1/perimeter/compare': {
      items:
        state.many === 0
          ? []
          : [
              { host: '192.0.2.1', where: 'tcp/3389', service: 'rdp', seen: 'outside only' },
              { host: '192.0.2.1', where: 'tcp/443', service: 'http', seen: 'both' },
              { host: '192.0.2.2', where: 'tcp/445', service: 'smb', seen: 'inside only' },
            ],
      more: 0,
    },
    '/v1/perimeter/scope': { text: state.many === 0 ? '' : 'asepsis_scope: 1\nname: our perimeter\n' },
    '/v1/accounts': { items: [], next: null },
    '/v1/network/flows': { items: state.many === 0 ? [] : networkFlows, next: null },
    '/v1/network/routers': { items: state.many === 0 ? [] : networkRouters, next: null },
    '/v1/access': state.many === 0 ? data.ACCESS_EMPTY : data.ACCESS,
    '/v1/access/sessions': { items: data.ACCESS_SESSIONS, next: null },
    '/v1/access/held': { items: data.ACCESS_HELD, next: null },
    '/v1/access/emergencies': { items: data.ACCESS_EMERGENCIES, next: null },
    '/v1/pipeline': { events: 1_240_000, seq: 900, durable_seq: 900, last_seq: 900, per_sec: 1240, lag_ms: 12 },
    '/v1/audit/verify': { ok: true, entries: 300, first_bad: null, reason: null },
    '/v1/me/passkeys': {
      items: [
        {
          id: 'key',
          name: 'work laptop',
          created: data.auditEntry(9).at,
          last_used: data.auditEntry(0).at,
          backed_up: true,
        },
      ],
      next: null,
      totp: true,
      recovery_codes_left: 9,
    },
    '/v1/me/sessions': {
      items: [
        {
          id: 'ses_1',
          current: true,
          created: data.auditEntry(9).at,
          last_seen: data.auditEntry(0).at,
          expires: data.auditEntry(0).at,
          address: '127.0.0.1',
          user_agent: 'Mozilla/5.0 Chrome/156',
          factors: ['password', 'passkey'],
        },
        {
          id: 'ses_2',
          current: false,
          created: data.auditEntry(9).at,
          last_seen: data.auditEntry(3).at,
          expires: data.auditEntry(0).at,
          address: '10.20.0.9',
          user_agent: 'Mozilla/5.0 Firefox/150',
          factors: ['password', 'totp'],
        },
      ],
      next: null,
    },
    '/v1/enrol/link': {
      role: 'administrator',
      username: null,
      expires: new Date(Date.now() + 3_600_000).toISOString(),
    },
  };
  if (path === '/v1/responses/status') return { body: data.responseStatus };
  if (fixed[path]) return { body: fixed[path] };
  const [, , kind, id = ''] = path.split('/');
  const index = Number(id.slice(4));
  if (kind === 'incidents') {
    const incident = state.incidents.find((each) => each.id === id);
    return incident
      ? {
          body: {
            incident,
            alerts: state.alerts
              .slice(0, 200)
              .filter((each) => each.incident === id)
              .slice(0, incident.alert_count),
            alerts_next: null,
          },
        }
      : missing();
  }
  if (kind === 'responses') {
    const response = data.responses.find((each) => each.id === id);
    return response ? { body: response } : missing();
  }
  if (kind === 'alerts') {
    const alert = state.alerts.find((each) => each.id === id);
    return alert ? { body: alert } : missing();
  }
  if (kind === 'findings' && index < data.MANY) return { body: state.findings.get(id) ?? data.finding(index) };
  if (kind === 'assets' && index < 300) {
    const software = Array.from({ length: 12 }, (_, i) => ({
      id: `sw_${i}`,
      asset: id,
      ecosystem: 'deb',
      name: `package-${i}`,
      version: `1.${i}-1`,
    }));
    return {
      body: {
        asset: data.asset(index),
        findings: [data.finding(index), data.finding(index + 1)],
        software,
        software_next: null,
      },
    };
  }
  if (kind === 'events') return { body: data.event(data.MANY - Number.parseInt(id.split('-')[1] ?? '', 36)) };
  return missing();
}

export function change(state: State, method: string, path: string, body: Body): Answer {
  const [, , kind, id = '', verb] = path.split('/');
  if (path === '/v1/responses/preview') return { body: data.responsePreview };
  if (path.startsWith('/v1/responses')) return { body: data.responses[0] };
  if (path === '/v1/sign-in') {
    if (body.password === 'wrong')
      return problem(
        401,
        'UNAUTHENTICATED',
        'Sign in first',
        'The username or the password is not right.',
        'Check both and try again.',
      );
    return { body: { step: 'second-factor', methods: ['totp', 'passkey', 'recovery'], flow: 'flow' } };
  }
  if (path.startsWith('/v1/sign-in/') || verb === 'finish') {
    if (verb !== 'finish' && body.code === '000000')
      return problem(401, 'UNAUTHENTICATED', 'Sign in first', 'The code is not right.', 'Wait for the next one.');
    state.signedIn = true;
    return { body: { person: ME, recovery_codes: RECOVERY_CODES } };
  }
  if (path === '/v1/me/totp/start') return { body: { flow: 'flow', ...started.totp } };
  if (path === '/v1/me/recovery-codes') return { body: { recovery_codes: RECOVERY_CODES } };
  if (verb === 'start') return { body: started };
  if (path === '/v1/sign-out') {
    state.signedIn = false;
    return { body: { ok: true } };
  }
  if (kind === 'incidents' && method === 'PATCH') return changeIncident(state, id, body);
  if (kind === 'alerts' && method === 'PATCH') {
    const at = state.alerts.findIndex((each) => each.id === id);
    if (at < 0) return missing();
    state.alerts[at] = { ...(state.alerts[at] as Alert), ...body };
    return { body: state.alerts[at] };
  }
  if (kind === 'findings') {
    const before = data.finding(Number(id.slice(4)));
    const { accepted: _, ...rest } = before;
    const after =
      verb === 'accept'
        ? { ...before, state: 'accepted', accepted: { ...body, by: ME.display_name, at: new Date().toISOString() } }
        : { ...rest, state: 'open' };
    state.findings.set(id, after as Finding);
    return { body: after };
  }
  if (kind === 'sources') return { body: { ...data.sources.find((each) => each.id === id), ...body } };
  if (path === '/v1/people/invitations' || verb === 'reset')
    return {
      body: { link: 'http://localhost:8420/enrol/abc', expires: new Date(Date.now() + 3_600_000).toISOString() },
    };
  if (path === '/v1/tokens') return { body: { id: 'tok_9', token: 'asp_mock', expires: null } };
  return { body: { ok: true } };
}
