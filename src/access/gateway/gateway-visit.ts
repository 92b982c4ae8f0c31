/** One request at the host where people sign in: who asks, with which cookies, and how it is answered. */

import type { Gateway, Settings } from './gateway-core.ts';
import { type Html, page } from './gateway-html.ts';
import { cookie, type Req, type Res, readForm, redirect, sendPage, setCookie } from './gateway-http.ts';
import type { Target } from './gateway-path.ts';
import type { GatewaySession } from './gateway-session-record.ts';
import type { Found } from './gateway-sessions.ts';
import type { Arrival, Visitor } from './gateway-sign-in.ts';
import { goalOrigin, onward, readGoal } from './gateway-target.ts';

const DEVICE_LIFE_SEC = 365 * 24 * 3600;

export interface Visit {
  readonly gateway: Gateway;
  readonly settings: Settings;
  readonly req: Req;
  readonly res: Res;
  readonly target: Target;
  readonly query: URLSearchParams;
  readonly visitor: Visitor;
  /** The session of the cookie on this host. */
  readonly found: Found;
  readonly session: GatewaySession | null;
  readonly cookies: { readonly flow: string | null; readonly session: string | null };
}

export function openVisit(gateway: Gateway, req: Req, res: Res, target: Target, address: string): Visit {
  const settings = gateway.settings();
  const read = (name: keyof Settings['cookies']) => cookie(req.headers.cookie, settings.cookies[name]);
  const agent = String(req.headers['user-agent'] ?? '');
  const secret = read('session');
  const found: Found =
    secret === null ? { ok: false, why: 'none' } : gateway.sessions.find(secret, settings.host, { agent, address });
  return {
    gateway,
    settings,
    req,
    res,
    target,
    query: new URLSearchParams(target.query),
    visitor: { address, agent, deviceCookie: read('device') },
    found,
    session: found.ok ? found.session : null,
    cookies: { flow: read('flow'), session: secret },
  };
}

export function show(
  visit: Visit,
  status: number,
  title: string,
  body: Html,
  o: {
    goal?: string | null;
    script?: boolean;
    refreshSec?: number;
    formTo?: string;
    headers?: Record<string, string | string[]>;
  } = {},
) {
  const formTo = o.formTo ?? goalOrigin(visit.gateway, readGoal(visit.gateway, o.goal));
  const text = page({
    title,
    organisation: visit.settings.config.organisation,
    body,
    ...(o.script !== undefined && { script: o.script }),
    ...(o.refreshSec !== undefined && { refreshSec: o.refreshSec }),
  });
  sendPage(visit.res, status, text, {
    secure: visit.settings.secure,
    ...(formTo !== null && { formTo }),
    ...(o.headers && { headers: o.headers }),
  });
}

/** The form's fields, or null after a refusal was sent. */
export async function formOf(visit: Visit): Promise<Map<string, string> | null> {
  return readForm(visit.req, visit.res, visit.gateway.times.formMs);
}

export function flowCookie(visit: Visit, value: string): string {
  return setCookie({
    name: visit.settings.cookies.flow,
    value,
    secure: visit.settings.secure,
    maxAgeSec: value === '' ? 0 : 600,
  });
}

export function sessionCookie(visit: Visit, value: string): string {
  return setCookie({
    name: visit.settings.cookies.session,
    value,
    secure: visit.settings.secure,
    ...(value === '' && { maxAgeSec: 0 }),
  });
}

/** Sends a browser on whose sign-in is complete. */
export function welcome(visit: Visit, arrival: Arrival, goal: string | null) {
  const cookies = [sessionCookie(visit, arrival.token), flowCookie(visit, '')];
  if (arrival.device !== '')
    cookies.push(
      setCookie({
        name: visit.settings.cookies.device,
        value: arrival.device,
        secure: visit.settings.secure,
        maxAgeSec: DEVICE_LIFE_SEC,
      }),
    );
  redirect(visit.res, onward(visit.gateway, arrival.session, readGoal(visit.gateway, goal)), cookies);
}

/** The JSON of a key's answer in a form; null when it is none. */
export function keyAnswer(form: Map<string, string>): object | null {
  try {
    const value: unknown = JSON.parse(form.get('response') ?? '');
    return typeof value === 'object' && value !== null ? value : null;
  } catch {
    return null;
  }
}
