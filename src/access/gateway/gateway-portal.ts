/** The pages of signing in, stepping up, unlocking and leaving. */

import { provenPasskey, signInOptions } from './gateway-factors.ts';
import { field, type Html, hidden, html, notice, passkeyForm } from './gateway-html.ts';
import { redirect, sendJson } from './gateway-http.ts';
import type { SessionFactor } from './gateway-session-record.ts';
import {
  arrive,
  checkPassword,
  type Flow,
  failFlow,
  type Proof,
  type ProofResult,
  prove,
  readFlow,
  standing,
} from './gateway-sign-in.ts';
import { appTitle, meets, onward, readGoal } from './gateway-target.ts';
import { texts } from './gateway-texts.ts';
import { flowCookie, formOf, keyAnswer, sessionCookie, show, type Visit, welcome } from './gateway-visit.ts';

const CHALLENGE_MS = 3 * 60_000;

export function home(visit: Visit) {
  const { session, settings } = visit;
  if (session === null) return signInPage(visit, 200, null, visit.query.get('t'));
  const open = settings.config.apps.filter(
    (app) => app.groups === undefined || app.groups.some((group) => session.groups.has(group)),
  );
  const scheme = settings.secure ? 'https' : 'http';
  show(
    visit,
    200,
    texts.homeTitle(session.display),
    html`<p>${open.length > 0 ? texts.homeLead : texts.homeEmpty}</p><ul class="apps">${open.map(
      (app) => html`<li><a href="${scheme}://${app.hosts[0] as string}/">${app.title ?? app.name}</a></li>`,
    )}</ul><form method="post" action="/sign-out"><button type="submit">${texts.signOut}</button></form>`,
  );
}

/** `GET /sign-in`: on to where it leads when the session will do, a step-up when it is too weak, otherwise the form. */
export function signInPage(visit: Visit, status: number, fault: string | null, signed: string | null) {
  const { gateway, session } = visit;
  const goal = readGoal(gateway, signed);
  if (session?.emergencyApp && fault === null && goal?.kind === 'app') {
    const app = visit.settings.policy.get(goal.host);
    if (app?.name === session.emergencyApp && app.emergency === 'break-glass')
      return redirect(visit.res, onward(gateway, session, goal));
  }
  if (session !== null && fault === null && goal !== null && session.emergencyApp === null) {
    if (meets(session, goal.need, gateway.clock.now())) return redirect(visit.res, onward(gateway, session, goal));
    return redirect(visit.res, `/step-up?t=${signed}`);
  }
  if (!visit.found.ok && visit.found.why === 'locked' && fault === null)
    return redirect(visit.res, `/unlock${signed ? `?t=${signed}` : ''}`);
  const app = appTitle(gateway, goal);
  const carried = hidden('t', signed ?? '');
  const upstream = visit.settings.config.directories.filter((one) => one.type === 'oidc' || one.type === 'saml');
  show(
    visit,
    status,
    texts.signIn,
    html`${app === null ? null : html`<p>${texts.signInTo(app)}</p>`}${notice(fault)}
${passkeyForm({ action: '/sign-in/passkey', options: '/sign-in/passkey/options', kind: 'get', label: texts.usePasskey, fields: [carried] })}
<p class="or">${texts.orWith}</p>
<form method="post" action="/sign-in">${carried}${field({ label: texts.name, name: 'name', autocomplete: 'username', max: 256 })}
${field({ label: texts.password, name: 'password', type: 'password', autocomplete: 'current-password', max: 1024 })}
<button type="submit" class="primary">${texts.continue}</button></form>
${upstream.map((one) => html`<form method="post" action="/upstream/${one.name}/start">${carried}<button type="submit">${one.title ?? one.name}</button></form>`)}
<p class="hint"><a href="/break-glass">${texts.emergencyLink}</a></p>`,
    { goal: signed, script: true },
  );
}

export async function signIn(visit: Visit): Promise<void> {
  const form = await formOf(visit);
  if (form === null) return signInPage(visit, 400, texts.wrong, null);
  const signed = form.get('t') || null;
  const result = await checkPassword(
    visit.gateway,
    visit.visitor,
    form.get('name') ?? '',
    form.get('password') ?? '',
    signed,
  );
  switch (result.kind) {
    case 'second':
      return redirect(visit.res, '/sign-in/second', [flowCookie(visit, result.flow)]);
    case 'not-enrolled':
      return show(
        visit,
        403,
        texts.notEnrolledTitle,
        html`<p>${texts.notEnrolled}</p><p><a href="/enrol">${texts.enrolTitle}</a></p>`,
      );
    case 'wait':
      return signInPage(visit, 429, texts.wait(result.seconds), signed);
    case 'busy':
      return signInPage(visit, 503, texts.busy, signed);
    case 'down':
      return signInPage(visit, 503, texts.down, signed);
    default:
      // A refused account reads like a wrong password: what it is, its owner learns from the service desk.
      return signInPage(visit, 401, texts.wrong, signed);
  }
}

/** Forms for the factors that an account has. */
function factorForms(visit: Visit, account: string, o: { base: string; strong: boolean; signed: string | null }): Html {
  const { accounts } = visit.gateway;
  const carried = hidden('t', o.signed ?? '');
  const keys = accounts.passkeys(account).length > 0;
  const typed = !o.strong;
  return html`${keys ? passkeyForm({ action: `${o.base}/passkey`, options: `${o.base}/passkey/options`, kind: 'get', label: texts.usePasskey, fields: [carried], primary: true }) : null}
${o.strong && !keys ? html`<p>${texts.stepUpStronger}</p>` : null}
${typed && accounts.totp(account) !== null ? html`<form method="post" action="${o.base}">${carried}${hidden('factor', 'totp')}${field({ label: texts.code, name: 'code', autocomplete: 'one-time-code', mode: 'numeric', focus: !keys, max: 16 })}<button type="submit" class="primary">${texts.useCode}</button></form>` : null}
${typed && accounts.recoveryLeft(account) > 0 ? html`<details><summary>${texts.useRecovery}</summary><form method="post" action="${o.base}">${carried}${hidden('factor', 'recovery')}<p class="hint">${texts.recoveryLead}</p><label for="recovery">${texts.recovery}</label><input id="recovery" name="code" maxlength="40" required autocomplete="off" spellcheck="false"><button type="submit">${texts.useRecovery}</button></form></details>` : null}`;
}

export function secondPage(visit: Visit, status: number, fault: string | null) {
  const flow = readFlow(visit.gateway, visit.cookies.flow);
  if (flow === null) return signInPage(visit, 200, status === 200 ? null : texts.over, null);
  show(
    visit,
    status,
    texts.secondTitle,
    html`<p>${texts.secondLead(flow.display)}</p>${notice(fault)}${factorForms(visit, flow.account, {
      base: '/sign-in/second',
      strong: false,
      signed: flow.goal,
    })}`,
    { goal: flow.goal, script: true },
  );
}

function typedProof(form: Map<string, string>): Proof | null {
  const factor = form.get('factor');
  return factor === 'totp' || factor === 'recovery' ? { factor, code: (form.get('code') ?? '').slice(0, 64) } : null;
}

const faultOf = (result: Exclude<ProofResult, { kind: 'proved' }>, proof: Proof): { status: number; text: string } =>
  result.kind === 'wait'
    ? { status: 429, text: texts.wait(result.seconds) }
    : { status: 401, text: proof.factor === 'passkey' ? texts.wrongKey : texts.wrongCode };

export async function second(visit: Visit, withKey: boolean): Promise<void> {
  const { gateway, cookies } = visit;
  const flow = readFlow(gateway, cookies.flow);
  const form = await formOf(visit);
  if (flow === null || form === null || cookies.flow === null) return signInPage(visit, 401, texts.over, null);
  const response = withKey ? keyAnswer(form) : null;
  const proof: Proof | null = !withKey
    ? typedProof(form)
    : response && flow.challenge
      ? { factor: 'passkey', challenge: flow.challenge, response }
      : null;
  if (proof === null) return secondPage(visit, 400, withKey ? texts.wrongKey : texts.wrongCode);
  // The challenge is taken before the answer is looked at: it is good for one answer.
  if (withKey) gateway.once.update('flow', cookies.flow, { ...flow, challenge: null });
  const result = await prove(gateway, visit.visitor, flow.account, proof);
  if (result.kind !== 'proved') {
    failFlow(gateway, cookies.flow, flow);
    const { status, text } = faultOf(result, proof);
    return secondPage(visit, status, text);
  }
  // Taken, so that two answers at once make one session.
  if (gateway.once.take<Flow>('flow', cookies.flow) === null) return signInPage(visit, 401, texts.over, null);
  endBefore(visit);
  const factors: SessionFactor[] = [flow.first, { kind: result.factor, atMs: gateway.clock.now() }];
  welcome(visit, arrive(gateway, visit.visitor, flow, factors, result.strength), flow.goal);
}

/** A new sign-in in the same browser ends or, on a shared machine, locks the one before. */
export function endBefore(visit: Visit) {
  const before =
    visit.cookies.session === null ? null : visit.gateway.sessions.locked(visit.cookies.session, visit.settings.host);
  if (before === null) return;
  if (before.lockMs !== null) visit.gateway.sessions.lock(before);
  else visit.gateway.sessions.end(before.id);
}

export async function secondOptions(visit: Visit): Promise<void> {
  const { gateway, cookies, settings } = visit;
  const flow = readFlow(gateway, cookies.flow);
  if (flow === null || cookies.flow === null) return sendJson(visit.res, 401, { message: texts.over });
  const options = await signInOptions(settings.party, gateway.accounts.passkeys(flow.account), 'preferred');
  gateway.once.update('flow', cookies.flow, { ...flow, challenge: options.challenge });
  sendJson(visit.res, 200, options);
}

/** Challenges for strangers cost nothing to keep: they are signed, and only a right answer is remembered. */
export async function keyOptions(visit: Visit): Promise<void> {
  const { gateway, settings } = visit;
  const options = await signInOptions(settings.party, [], 'required');
  const proof = gateway.seal.sign('challenge', { c: options.challenge }, gateway.clock.now() + CHALLENGE_MS);
  sendJson(visit.res, 200, options, { 'set-cookie': flowCookie(visit, `c.${proof}`) });
}

/** The challenge of a key that says by itself who signs in; null when it is over or was answered. */
function strangersChallenge(visit: Visit): string | null {
  const { gateway, cookies } = visit;
  if (!cookies.flow?.startsWith('c.')) return null;
  return gateway.seal.verify<{ c: string }>('challenge', cookies.flow.slice(2), gateway.clock.now())?.c ?? null;
}

/** A passkey alone: with its PIN or finger it is two factors, and no password is asked for. */
export async function signInWithKey(visit: Visit): Promise<void> {
  const { gateway, visitor } = visit;
  const form = await formOf(visit);
  const challenge = strangersChallenge(visit);
  const response = form === null ? null : keyAnswer(form);
  const signed = form?.get('t') || null;
  if (challenge === null || response === null) return signInPage(visit, 401, texts.wrongKey, signed);
  const verdict = await provenPasskey(visit.settings.party, gateway.accounts, { challenge, response, account: null });
  if (!verdict.ok || !gateway.once.first('challenge', challenge, CHALLENGE_MS)) {
    gateway.events.often({
      what: 'second-factor',
      outcome: 'failure',
      address: visitor.address,
      agent: visitor.agent,
      why: verdict.ok ? 'challenge-used' : `key-${verdict.why}`,
    });
    return signInPage(visit, 401, texts.wrongKey, signed);
  }
  const { account } = verdict.key;
  if (!verdict.userVerified) return signInPage(visit, 401, texts.keyWithoutPin, signed);
  const person = await standing(gateway, account);
  if (person === 'refused' || person === 'down') {
    gateway.events.emit({
      what: 'sign-in',
      outcome: 'denied',
      account,
      address: visitor.address,
      agent: visitor.agent,
      why: person,
    });
    return signInPage(visit, person === 'down' ? 503 : 403, person === 'down' ? texts.down : texts.refused, signed);
  }
  endBefore(visit);
  const factors: SessionFactor[] = [{ kind: 'passkey', atMs: gateway.clock.now() }];
  const arrival = arrive(
    gateway,
    visitor,
    { account, display: person.display, email: person.email, groups: person.groups },
    factors,
    3,
  );
  welcome(visit, arrival, signed);
}

// --- Step-up and unlocking: the session is there, its second factor is shown again. ---

export function stepUpPage(visit: Visit, status: number, fault: string | null, signed: string | null) {
  const { session } = visit;
  if (session === null || session.emergencyApp !== null) return signInPage(visit, 200, null, signed);
  const goal = readGoal(visit.gateway, signed);
  const app = appTitle(visit.gateway, goal) ?? visit.settings.config.organisation;
  show(
    visit,
    status,
    texts.stepUpTitle,
    html`<p>${texts.stepUpLead(app)}</p>${notice(fault)}${factorForms(visit, session.account, {
      base: '/step-up',
      strong: goal !== null && goal.need.strength === 3,
      signed,
    })}`,
    { goal: signed, script: true },
  );
}

export async function sessionKeyOptions(visit: Visit, locked: boolean): Promise<void> {
  const { gateway, cookies, settings } = visit;
  const session = locked ? lockedSession(visit) : visit.session;
  if (session === null || cookies.session === null) return sendJson(visit.res, 401, { message: texts.over });
  const options = await signInOptions(
    settings.party,
    gateway.accounts.passkeys(session.account),
    locked ? 'required' : 'preferred',
  );
  const proof = gateway.seal.sign(
    `challenge ${session.id}`,
    { c: options.challenge },
    gateway.clock.now() + CHALLENGE_MS,
  );
  sendJson(visit.res, 200, options, { 'set-cookie': flowCookie(visit, `s.${proof}`) });
}

function sessionChallenge(visit: Visit, sessionId: string): string | null {
  const { gateway, cookies } = visit;
  if (!cookies.flow?.startsWith('s.')) return null;
  const found = gateway.seal.verify<{ c: string }>(
    `challenge ${sessionId}`,
    cookies.flow.slice(2),
    gateway.clock.now(),
  );
  return found !== null && gateway.once.first('challenge', found.c, CHALLENGE_MS) ? found.c : null;
}

export async function stepUp(visit: Visit, withKey: boolean): Promise<void> {
  const { gateway, session, visitor } = visit;
  const form = await formOf(visit);
  if (session === null || form === null || session.emergencyApp !== null)
    return signInPage(visit, 401, texts.over, null);
  const signed = form.get('t') || null;
  const challenge = withKey ? sessionChallenge(visit, session.id) : null;
  const response = withKey ? keyAnswer(form) : null;
  const proof: Proof | null = !withKey
    ? typedProof(form)
    : challenge && response
      ? { factor: 'passkey', challenge, response }
      : null;
  if (proof === null) return stepUpPage(visit, 400, texts.wrongKey, signed);
  const result = await prove(gateway, visitor, session.account, proof);
  if (result.kind !== 'proved') {
    const { status, text } = faultOf(result, proof);
    return stepUpPage(visit, status, text, signed);
  }
  gateway.sessions.proved(session, { kind: result.factor, atMs: gateway.clock.now() }, result.strength);
  gateway.events.emit({
    what: 'step-up',
    outcome: 'success',
    account: session.account,
    address: visitor.address,
    agent: visitor.agent,
    factors: [result.factor],
  });
  redirect(visit.res, onward(gateway, session, readGoal(gateway, signed)), [flowCookie(visit, '')]);
}

const lockedSession = (visit: Visit) =>
  visit.cookies.session === null ? null : visit.gateway.sessions.locked(visit.cookies.session, visit.settings.host);

export function unlockPage(visit: Visit, status: number, fault: string | null, signed: string | null) {
  const session = lockedSession(visit);
  if (session === null) return signInPage(visit, 200, fault, signed);
  const carried = hidden('t', signed ?? '');
  show(
    visit,
    status,
    texts.lockedTitle,
    html`<p>${texts.lockedLead(session.display)}</p>${notice(fault)}
${passkeyForm({ action: '/unlock', options: '/unlock/options', kind: 'get', label: texts.unlock, fields: [carried], primary: true })}
<h2>${texts.somebodyElse}</h2>
${passkeyForm({ action: '/sign-in/passkey', options: '/sign-in/passkey/options', kind: 'get', label: texts.usePasskey, fields: [carried] })}
<form method="post" action="/sign-out"><button type="submit">${texts.signOut}</button></form>`,
    { goal: signed, script: true },
  );
}

/** The same person's key with its PIN opens the lock; no password is kept or asked for. */
export async function unlock(visit: Visit): Promise<void> {
  const { gateway, visitor } = visit;
  const session = lockedSession(visit);
  const form = await formOf(visit);
  if (session === null || form === null) return signInPage(visit, 401, texts.over, null);
  const signed = form.get('t') || null;
  const challenge = sessionChallenge(visit, session.id);
  const response = keyAnswer(form);
  if (challenge === null || response === null) return unlockPage(visit, 401, texts.wrongKey, signed);
  const verdict = await provenPasskey(visit.settings.party, gateway.accounts, {
    challenge,
    response,
    account: session.account,
  });
  const person = verdict.ok && verdict.userVerified ? await standing(gateway, session.account) : null;
  if (person === null || person === 'refused') {
    gateway.events.emit({
      what: 'unlock',
      outcome: 'failure',
      account: session.account,
      address: visitor.address,
      agent: visitor.agent,
      why: person ?? 'wrong-key',
    });
    return unlockPage(visit, 401, verdict.ok && !verdict.userVerified ? texts.keyWithoutPin : texts.wrongKey, signed);
  }
  gateway.sessions.proved(session, { kind: 'passkey', atMs: gateway.clock.now() }, 3);
  gateway.events.emit({
    what: 'unlock',
    outcome: 'success',
    account: session.account,
    address: visitor.address,
    agent: visitor.agent,
  });
  redirect(visit.res, onward(gateway, session, readGoal(gateway, signed)), [flowCookie(visit, '')]);
}

export function signOut(visit: Visit) {
  const session = visit.session ?? lockedSession(visit);
  if (session !== null) {
    visit.gateway.sessions.end(session.id);
    visit.gateway.events.emit({
      what: 'sign-out',
      outcome: 'success',
      account: session.account,
      address: visit.visitor.address,
      agent: visit.visitor.agent,
    });
  }
  show(visit, 200, texts.signedOut, html`<p><a href="/">${texts.signIn}</a></p>`, {
    headers: { 'set-cookie': [sessionCookie(visit, ''), flowCookie(visit, '')] },
  });
}
