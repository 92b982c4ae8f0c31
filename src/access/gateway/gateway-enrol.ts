/** Enrolling a second factor with a one-time link or a help-desk code; for local accounts the password too. */

import { randomBytes } from 'node:crypto';
import type { Invitation } from './gateway-accounts.ts';
import { addressKey } from './gateway-address.ts';
import { newTotp, PASSKEYS_MAX, registeredPasskey, registrationOptions, totpStep } from './gateway-factors.ts';
import { field, html, notice, passkeyForm, qrImage } from './gateway-html.ts';
import { redirect, sendJson } from './gateway-http.ts';
import { isSecret } from './gateway-secrets.ts';
import { texts } from './gateway-texts.ts';
import type { ThrottleKey } from './gateway-throttle.ts';
import { formOf, keyAnswer, show, type Visit } from './gateway-visit.ts';

const ENROL_MS = 15 * 60_000;

/** Kept while somebody sets up: which account, and what waits to be confirmed. */
interface Enrolment {
  readonly account: string;
  readonly invitation: string;
  readonly challenge: string | null;
  readonly totp: string | null;
}

const strangerKeys = (visit: Visit): ThrottleKey[] => [['stranger', addressKey(visit.visitor.address)]];

export function enrolPage(visit: Visit, status: number, fault: string | null) {
  const given = visit.query.get('code') ?? '';
  show(
    visit,
    status,
    texts.enrolTitle,
    html`${notice(fault)}<form method="post" action="/enrol">
${field({ label: texts.enrolCodeLabel, name: 'code', value: isSecret(given) ? given : '', focus: given === '' })}
${field({ label: texts.password, name: 'password', type: 'password', autocomplete: 'current-password', focus: given !== '', max: 1024 })}
<p class="hint">${texts.passwordShort(visit.settings.config.passwords.min_chars)}</p><button type="submit" class="primary">${texts.continue}</button></form>`,
  );
}

/** The code and the account's password together open the enrolment; a new local account sets its password here. */
export async function beginEnrolment(visit: Visit): Promise<void> {
  const { gateway } = visit;
  const form = await formOf(visit);
  const wait = gateway.throttle.waitSec(strangerKeys(visit));
  if (wait > 0) return enrolPage(visit, 429, texts.wait(wait));
  const code = (form?.get('code') ?? '').trim();
  const invitation = isSecret(code) ? gateway.accounts.invitation(code) : null;
  const refuse = (status: number, text: string) => {
    gateway.throttle.fail(strangerKeys(visit));
    gateway.events.emit({
      what: 'enrol',
      outcome: 'failure',
      address: visit.visitor.address,
      ...(invitation && { account: invitation.account }),
      why: 'code-or-password',
    });
    enrolPage(visit, status, text);
  };
  if (form === null || invitation === null) return refuse(401, texts.enrolOver);
  const fault = await passwordFault(visit, invitation, form.get('password') ?? '');
  if (fault !== null) return refuse(401, fault);
  const doc: Enrolment = { account: invitation.account, invitation: code, challenge: null, totp: null };
  const secret = gateway.once.put('enrolment', doc, ENROL_MS);
  redirect(visit.res, '/enrol/factor', [flowOf(visit, secret)]);
}

async function passwordFault(visit: Visit, invitation: Invitation, password: string): Promise<string | null> {
  const { gateway, settings } = visit;
  const account = gateway.accounts.get(invitation.account);
  // A local account without a password sets its first one.
  if (account !== null && account.directory === 'local' && account.password === null) {
    const bad = await gateway.passwords.judge(password, [
      account.name,
      account.display,
      settings.config.organisation,
      settings.party.id,
    ]);
    if (bad !== null) return texts.passwordBad[bad];
    gateway.accounts.setPassword(account.name, await gateway.passwords.hash(password));
    return null;
  }
  let down = false;
  for (const directory of settings.directories) {
    if (account !== null && directory.name !== account.directory) continue;
    const answer = await directory.check(invitation.account, password);
    if (answer.kind === 'right') {
      if (account === null) gateway.accounts.put({ ...answer.person, directory: directory.name });
      return null;
    }
    down ||= answer.kind === 'down';
  }
  return down ? texts.down : texts.enrolOver;
}

const flowOf = (visit: Visit, secret: string): string =>
  `${visit.settings.cookies.flow}=${secret}; Path=/; HttpOnly; SameSite=Strict${visit.settings.secure ? '; Secure' : ''}; Max-Age=900`;

function current(visit: Visit): { secret: string; doc: Enrolment } | null {
  const secret = visit.cookies.flow;
  if (secret === null || !isSecret(secret)) return null;
  const doc = visit.gateway.once.peek<Enrolment>('enrolment', secret);
  return doc === null || visit.gateway.accounts.invitation(doc.invitation) === null ? null : { secret, doc };
}

export function factorPage(visit: Visit, status: number, fault: string | null) {
  const { gateway, settings } = visit;
  const open = current(visit);
  if (open === null) return enrolPage(visit, 401, texts.enrolOver);
  const context = `enrol:${open.doc.account}`;
  const sealed = open.doc.totp ?? gateway.seal.seal(randomBytes(20), context);
  if (open.doc.totp === null) gateway.once.update('enrolment', open.secret, { ...open.doc, totp: sealed });
  const { secret, uri } = newTotp(gateway.seal.open(sealed, context), open.doc.account, settings.config.organisation);
  show(
    visit,
    status,
    texts.enrolTitle,
    html`<p>${texts.enrolLead(open.doc.account)}</p>${notice(fault)}
${passkeyForm({ action: '/enrol/passkey', options: '/enrol/passkey/options', kind: 'create', label: texts.enrolPasskey, primary: true })}
<details${fault === null ? null : html` open`}><summary>${texts.enrolTotp}</summary><p>${texts.enrolTotpLead}</p>${qrImage(uri, texts.secret)}<p>${texts.secret}: <code>${secret}</code></p>
<form method="post" action="/enrol/totp">${field({ label: texts.code, name: 'code', autocomplete: 'one-time-code', mode: 'numeric', max: 16 })}<button type="submit">${texts.confirm}</button></form></details>`,
    { script: true },
  );
}

export async function enrolKeyOptions(visit: Visit): Promise<void> {
  const { gateway, settings } = visit;
  const open = current(visit);
  if (open === null) return sendJson(visit.res, 401, { message: texts.enrolOver });
  const account = gateway.accounts.get(open.doc.account);
  const keys = gateway.accounts.passkeys(open.doc.account);
  const options = await registrationOptions(
    settings.party,
    { name: open.doc.account, display: account?.display ?? open.doc.account },
    keys,
    settings.config,
  );
  gateway.once.update('enrolment', open.secret, { ...open.doc, challenge: options.challenge });
  sendJson(visit.res, 200, options);
}

export async function enrolKey(visit: Visit): Promise<void> {
  const { gateway, settings } = visit;
  const open = current(visit);
  const form = await formOf(visit);
  const response = form === null ? null : keyAnswer(form);
  if (open === null || response === null || open.doc.challenge === null) return factorPage(visit, 400, texts.wrongKey);
  gateway.once.update('enrolment', open.secret, { ...open.doc, challenge: null });
  if (gateway.accounts.passkeys(open.doc.account).length >= PASSKEYS_MAX) return factorPage(visit, 400, texts.wrongKey);
  const made = await registeredPasskey(settings.party, settings.config, {
    account: open.doc.account,
    name: 'Key',
    challenge: open.doc.challenge,
    response,
    nowMs: gateway.clock.now(),
  });
  if (!made.ok) return factorPage(visit, 400, made.why === 'model' ? texts.enrolWrongModel : texts.wrongKey);
  finish(visit, open, 'passkey', () => gateway.accounts.addPasskey(made.key));
}

export async function enrolTotp(visit: Visit): Promise<void> {
  const { gateway } = visit;
  const open = current(visit);
  const form = await formOf(visit);
  if (open === null || form === null || open.doc.totp === null) return factorPage(visit, 400, texts.wrongCode);
  const { account } = open.doc;
  const secret = gateway.seal.open(open.doc.totp, `enrol:${account}`);
  const found = totpStep(secret, form.get('code') ?? '', gateway.clock.now());
  if (found === null) return factorPage(visit, 401, texts.wrongCode);
  // The code that confirms is used up with it.
  finish(visit, open, 'totp', () => {
    gateway.accounts.setTotp(account, gateway.seal.seal(secret, `totp:${account}`), found.step);
    return true;
  });
}

/** Everything or nothing: the invitation is taken, the factor kept, new recovery codes made. */
function finish(visit: Visit, open: { secret: string; doc: Enrolment }, factor: string, keep: () => boolean) {
  const { gateway } = visit;
  const { account } = open.doc;
  const codes = gateway.durable.atomic(() => {
    if (!gateway.accounts.takeInvitation(open.doc.invitation) || !keep()) return null;
    gateway.once.take('enrolment', open.secret);
    return gateway.accounts.newRecoveryCodes(account);
  });
  if (codes === null) return enrolPage(visit, 401, texts.enrolOver);
  gateway.events.emit({
    what: 'enrol',
    outcome: 'success',
    account,
    address: visit.visitor.address,
    factors: [factor],
  });
  show(
    visit,
    200,
    texts.enrolDone,
    html`<h2>${texts.recoveryTitle}</h2><p>${texts.recoveryKeep}</p><ul class="codes">${codes.map((code) => html`<li>${code}</li>`)}</ul><p><a href="/">${texts.signIn}</a></p>`,
  );
}
