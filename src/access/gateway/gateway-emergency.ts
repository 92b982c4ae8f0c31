/** Break-glass: a sealed code, or two approvers; one application, at most thirty minutes, alarmed at once, always reviewed. */

import { randomBytes } from 'node:crypto';
import { newTypedCode, typedCodeHash } from './gateway-accounts.ts';
import { addressKey } from './gateway-address.ts';
import type { Gateway } from './gateway-core.ts';
import { field, hidden, html, notice } from './gateway-html.ts';
import { redirect } from './gateway-http.ts';
import { endBefore } from './gateway-portal.ts';
import { sameText, secretHash } from './gateway-secrets.ts';
import { texts } from './gateway-texts.ts';
import type { ThrottleKey } from './gateway-throttle.ts';
import { formOf, sessionCookie, show, type Visit } from './gateway-visit.ts';

const REASON_CHARS_MIN = 10;
const APPROVERS = 2;
/** A request that nobody approves is over after this long. */
const ASK_MS = 30 * 60_000;
const WAITING_MAX = 50;

export interface Emergency {
  readonly id: string;
  readonly app: string;
  readonly person: string;
  readonly reason: string;
  readonly how: string;
  readonly address: string;
  readonly asked: number;
  readonly opened: number | null;
  readonly until: number | null;
  readonly approvals: readonly string[];
  readonly reviewed: number | null;
  readonly reviewer: string | null;
  readonly note: string | null;
}
type EmergencyRow = Emergency & { readonly secret: string };

const read = (row: Record<string, unknown>): EmergencyRow => ({
  ...(row as unknown as EmergencyRow),
  approvals: JSON.parse(row.approvals as string) as string[],
});

/** Codes for sealed envelopes, shown once; one application each. */
export function makeEmergencyCodes(gateway: Pick<Gateway, 'durable' | 'clock'>, app: string, count: number): string[] {
  const codes = Array.from({ length: count }, newTypedCode);
  gateway.durable.atomic(() => {
    for (const [index, code] of codes.entries())
      gateway.durable.run(
        'INSERT INTO emergency_codes (hash, app, label, created) VALUES (?, ?, ?, ?)',
        typedCodeHash('emergency', code),
        app,
        `envelope ${index + 1}`,
        gateway.clock.now(),
      );
  });
  return codes;
}

export const listEmergencies = (gateway: Pick<Gateway, 'durable'>, limit = 200): Emergency[] =>
  gateway.durable.all('SELECT * FROM emergencies ORDER BY asked DESC LIMIT ?', limit).map((row) => {
    const { secret: _, ...rest } = read(row);
    return rest;
  });

/** Somebody else than who used it says what came of it. */
export function reviewEmergency(
  gateway: Pick<Gateway, 'durable' | 'clock'>,
  id: string,
  reviewer: string,
  note: string,
): boolean {
  return (
    gateway.durable.run(
      'UPDATE emergencies SET reviewed = ?, reviewer = ?, note = ? WHERE id = ? AND reviewed IS NULL AND opened IS NOT NULL',
      gateway.clock.now(),
      reviewer,
      note.slice(0, 2000),
      id,
    ) === 1
  );
}

const openApps = (visit: Visit) => visit.settings.config.apps.filter((app) => app.emergency === 'break-glass');
const throttleKeys = (visit: Visit): ThrottleKey[] => [['stranger', addressKey(visit.visitor.address)]];

export function emergencyPage(visit: Visit, status: number, fault: string | null) {
  const apps = openApps(visit);
  const { minutes } = visit.settings.config.break_glass;
  if (apps.length === 0) return show(visit, 404, texts.emergencyTitle, html`<p>${texts.emergencyNone}</p>`);
  show(
    visit,
    status,
    texts.emergencyTitle,
    html`<p>${texts.emergencyLead(minutes)}</p>${notice(fault)}<form method="post" action="/break-glass">
<label for="app">${texts.emergencyApp}</label><select id="app" name="app">${apps.map((app) => html`<option value="${app.name}">${app.title ?? app.name}</option>`)}</select>
${field({ label: texts.emergencyWho, name: 'person', autocomplete: 'name', max: 200 })}
<label for="reason">${texts.emergencyReason}</label><textarea id="reason" name="reason" rows="3" required minlength="10" maxlength="1000"></textarea>
<label for="code">${texts.emergencyCode}</label><input id="code" name="code" maxlength="40" autocomplete="off" spellcheck="false">
<button type="submit" name="how" value="code" class="primary">${texts.emergencyOpen}</button><button type="submit" name="how" value="ask">${texts.emergencyAsk}</button></form>`,
    {
      formTo: apps
        .map((app) => `${visit.settings.secure ? 'https' : 'http'}://${app.hosts[0]}`)
        .slice(0, 50)
        .join(' '),
    },
  );
}

export async function askEmergency(visit: Visit): Promise<void> {
  const { gateway, visitor } = visit;
  const form = await formOf(visit);
  const app = openApps(visit).find((one) => one.name === form?.get('app'));
  const person = (form?.get('person') ?? '').trim().slice(0, 200);
  const reason = (form?.get('reason') ?? '').trim().slice(0, 1000);
  if (app === undefined || person.length < 2 || reason.length < REASON_CHARS_MIN)
    return emergencyPage(visit, 400, texts.emergencyWrong);
  if (form?.get('how') === 'ask') {
    const wait = gateway.throttle.waitSec(throttleKeys(visit));
    if (wait > 0) return emergencyPage(visit, 429, texts.wait(wait));
    gateway.throttle.fail(throttleKeys(visit));
    return askApprovers(visit, app.name, person, reason);
  }
  // Nobody waits here: a code has 80 random bits, and somebody on the same ward who types wrong ones must not keep others out.
  const hash = typedCodeHash('emergency', (form?.get('code') ?? '').slice(0, 64));
  const taken =
    hash !== null &&
    gateway.durable.run(
      'UPDATE emergency_codes SET used = ? WHERE hash = ? AND app = ? AND used IS NULL',
      gateway.clock.now(),
      hash,
      app.name,
    ) === 1;
  if (!taken) {
    // Without the name, which is whatever a stranger types: ever new ones would be ever new events.
    gateway.events.often({
      what: 'break-glass',
      outcome: 'failure',
      address: visitor.address,
      app: app.name,
      why: 'wrong-code',
      agent: visitor.agent,
    });
    return emergencyPage(visit, 401, texts.emergencyWrong);
  }
  const id = keep(visit, app.name, person, reason, 'code');
  openEmergency(visit, id.id);
}

function keep(
  visit: Visit,
  app: string,
  person: string,
  reason: string,
  how: 'code' | 'approval',
): { id: string; secret: string } {
  const { gateway } = visit;
  const id = randomBytes(12).toString('base64url');
  const secret = randomBytes(32).toString('base64url');
  gateway.durable.run(
    'INSERT INTO emergencies (id, app, person, reason, how, address, asked, secret) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    id,
    app,
    person,
    reason,
    how,
    visit.visitor.address,
    gateway.clock.now(),
    secretHash(secret),
  );
  return { id, secret };
}

/** Starts the session. Everything that it needs is here: no directory, no desk. */
function openEmergency(visit: Visit, id: string) {
  const { gateway, settings, visitor } = visit;
  const row = gateway.durable.get('SELECT * FROM emergencies WHERE id = ?', id);
  if (row === undefined) return emergencyPage(visit, 401, texts.emergencyWrong);
  const emergency = read(row);
  const lifeMs = settings.config.break_glass.minutes * 60_000;
  const now = gateway.clock.now();
  // Once: a second answer at the same moment opens nothing.
  if (
    gateway.durable.run(
      'UPDATE emergencies SET opened = ?, until = ? WHERE id = ? AND opened IS NULL',
      now,
      now + lifeMs,
      id,
    ) !== 1
  )
    return emergencyPage(visit, 401, texts.emergencyWrong);
  // Otherwise the application would still see whoever signed in here before.
  endBefore(visit);
  const session = gateway.sessions.start({
    account: `break-glass ${id}`,
    display: emergency.person,
    email: '',
    groups: [],
    strength: 2,
    factors: [{ kind: 'break-glass', atMs: now }],
    agent: visitor.agent,
    address: visitor.address,
    lifeMs,
    idleMs: lifeMs,
    bind: settings.config.session.bind,
    lockMs: null,
    emergencyApp: emergency.app,
  });
  gateway.durable.run('UPDATE emergencies SET session = ? WHERE id = ?', session.id, id);
  gateway.events.emit({
    what: 'break-glass',
    outcome: 'success',
    account: emergency.person,
    address: visitor.address,
    app: emergency.app,
    why: emergency.how,
    agent: visitor.agent,
  });
  gateway.alarm(
    `access-break-glass-${id}`,
    `Break-glass: ${emergency.person} opened ${emergency.app} from ${visitor.address}. Review it on the access page.`,
  );
  const app = settings.config.apps.find((one) => one.name === emergency.app);
  const scheme = settings.secure ? 'https' : 'http';
  redirect(visit.res, `${scheme}://${app?.hosts[0] ?? settings.host}/`, [
    sessionCookie(visit, gateway.sessions.token(session.id, settings.host)),
  ]);
}

// --- Two approvers instead of a code. ---

function askApprovers(visit: Visit, app: string, person: string, reason: string) {
  const { gateway, visitor } = visit;
  if (!makeRoom(visit)) return emergencyPage(visit, 429, texts.busy);
  const { id, secret } = keep(visit, app, person, reason, 'approval');
  gateway.events.emit({
    what: 'break-glass-asked',
    outcome: 'success',
    account: person,
    address: visitor.address,
    app,
    agent: visitor.agent,
  });
  gateway.alarm(
    `access-break-glass-${id}`,
    `${person} asks for emergency access to ${app}. Two approvers can grant it.`,
  );
  redirect(visit.res, `/break-glass/wait?id=${id}&key=${secret}`);
}

/**
 * Room for one more request. When there is none, whoever has asked most gives up the oldest, first among places that
 * nobody has ever signed in from: a stranger who fills the list pushes out themselves, never a ward. What somebody has
 * approved stays. False when nothing can give way.
 */
function makeRoom({ gateway }: Visit): boolean {
  const waiting = gateway.durable
    .all(
      'SELECT id, address, approvals FROM emergencies WHERE opened IS NULL AND how = ? AND asked > ? ORDER BY asked',
      'approval',
      gateway.clock.now() - ASK_MS,
    )
    .map((row) => ({ id: row.id as string, place: addressKey(row.address as string), free: row.approvals === '[]' }));
  if (waiting.length < WAITING_MAX) return true;
  const from = Map.groupBy(waiting, (one) => one.place);
  const places = [...from].map(([place, mine]) => ({
    known: gateway.throttle.isKnownToAnybody(place),
    count: mine.length,
    oldest: mine.find((one) => one.free)?.id,
  }));
  const [first] = places
    .filter((one) => one.oldest !== undefined)
    .sort((a, b) => Number(a.known) - Number(b.known) || b.count - a.count);
  if (first?.oldest === undefined) return false;
  gateway.durable.run('DELETE FROM emergencies WHERE id = ? AND opened IS NULL', first.oldest);
  return true;
}

function waitingOf(visit: Visit, id: string): EmergencyRow | null {
  const { gateway } = visit;
  const row = gateway.durable.get(
    'SELECT * FROM emergencies WHERE id = ? AND opened IS NULL AND asked > ?',
    id.slice(0, 64),
    gateway.clock.now() - ASK_MS,
  );
  return row === undefined ? null : read(row);
}

export function waitPage(visit: Visit) {
  const id = visit.query.get('id') ?? '';
  const found = waitingOf(visit, id);
  if (found === null || !sameText(found.secret, secretHash(visit.query.get('key') ?? '')))
    return emergencyPage(visit, 401, texts.over);
  if (found.approvals.length >= APPROVERS) return openEmergency(visit, id);
  show(
    visit,
    200,
    texts.emergencyTitle,
    html`<p>${texts.emergencyWaiting}</p><p><strong>${texts.approvals(found.approvals.length)}</strong></p>`,
    { refreshSec: 4 },
  );
}

const isApprover = (visit: Visit): boolean =>
  visit.session !== null &&
  visit.session.strength >= 2 &&
  visit.session.emergencyApp === null &&
  visit.session.groups.has(visit.settings.config.break_glass.approvers_group);

export function approvePage(visit: Visit) {
  if (!isApprover(visit)) return redirect(visit.res, '/');
  const rows = visit.gateway.durable
    .all(
      'SELECT * FROM emergencies WHERE opened IS NULL AND how = ? AND asked > ? ORDER BY asked',
      'approval',
      visit.gateway.clock.now() - ASK_MS,
    )
    .map(read);
  show(
    visit,
    200,
    texts.approveTitle,
    rows.length === 0
      ? html`<p>${texts.approveNone}</p>`
      : html`${rows.map(
          (
            row,
          ) => html`<h2>${row.person} → ${row.app}</h2><p>${row.reason}</p><p>${texts.approvals(row.approvals.length)}</p>
<form method="post" action="/break-glass/approve">${hidden('id', row.id)}<button type="submit" class="primary">${texts.approve}</button></form>`,
        )}`,
  );
}

export async function approve(visit: Visit): Promise<void> {
  const { gateway, session, visitor } = visit;
  const form = await formOf(visit);
  if (!isApprover(visit) || session === null || form === null) return redirect(visit.res, '/');
  gateway.durable.atomic(() => {
    const found = waitingOf(visit, form.get('id') ?? '');
    // Two different people; a name that approves twice counts once.
    if (found === null || found.approvals.includes(session.account)) return;
    gateway.durable.run(
      'UPDATE emergencies SET approvals = ? WHERE id = ?',
      JSON.stringify([...found.approvals, session.account]),
      found.id,
    );
    gateway.events.emit({
      what: 'break-glass-approved',
      outcome: 'success',
      account: session.account,
      address: visitor.address,
      app: found.app,
    });
  });
  redirect(visit.res, '/break-glass/approve');
}
