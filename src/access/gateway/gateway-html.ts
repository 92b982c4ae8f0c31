/** The gateway's pages as text: everything is escaped, nothing is inline, all of it works without JavaScript but WebAuthn. */

import qrcode from 'qrcode-generator';
import { texts } from './gateway-texts.ts';

/** Markup that is known to be safe; every other string is escaped when it is put into a page. */
export interface Html {
  readonly markup: string;
}
type Piece = string | number | Html | null | readonly Html[];

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escaped = (text: string): string => text.replace(/[&<>"']/g, (char) => ENTITIES[char] as string);
const pieceText = (piece: Piece): string => {
  if (piece === null) return '';
  if (Array.isArray(piece)) return piece.map((one: Html) => one.markup).join('');
  return typeof piece === 'object' ? (piece as Html).markup : escaped(String(piece));
};

export function html(parts: TemplateStringsArray, ...pieces: readonly Piece[]): Html {
  let markup = parts[0] as string;
  for (let i = 0; i < pieces.length; i++) markup += pieceText(pieces[i] as Piece) + (parts[i + 1] as string);
  return { markup };
}

export function page(o: {
  title: string;
  organisation: string;
  body: Html;
  refreshSec?: number;
  script?: boolean;
}): string {
  return html`<!doctype html>
<html lang="${texts.language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${o.title} · ${o.organisation}</title><link rel="stylesheet" href="/assets/gateway.css">${
    o.refreshSec === undefined ? null : html`<meta http-equiv="refresh" content="${o.refreshSec}">`
  }${o.script ? html`<script src="/assets/passkey.js" defer></script>` : null}</head>
<body><header><p class="organisation">${o.organisation}</p></header><main><h1>${o.title}</h1>${o.body}</main></body></html>`
    .markup;
}

export const notice = (text: string | null): Html | null =>
  text === null ? null : html`<p class="notice" role="alert">${text}</p>`;

export function field(o: {
  label: string;
  name: string;
  type?: string;
  autocomplete?: string;
  value?: string;
  mode?: string;
  focus?: boolean;
  max?: number;
}): Html {
  return html`<label for="${o.name}">${o.label}</label><input id="${o.name}" name="${o.name}" type="${o.type ?? 'text'}" required maxlength="${o.max ?? 256}" autocomplete="${
    o.autocomplete ?? 'off'
  }" autocapitalize="none" spellcheck="false" value="${o.value ?? ''}"${o.mode ? html` inputmode="${o.mode}"` : null}${o.focus ? html` autofocus` : null}>`;
}

export const hidden = (name: string, value: string): Html =>
  html`<input type="hidden" name="${name}" value="${value}">`;

/** A form that a key answers: the script fetches options, asks the browser, and submits it like any other form. */
export function passkeyForm(o: {
  action: string;
  options: string;
  kind: 'get' | 'create';
  label: string;
  fields?: readonly Html[];
  primary?: boolean;
}): Html {
  return html`<form method="post" action="${o.action}" data-passkey="${o.kind}" data-options="${o.options}">${o.fields ?? null}<input type="hidden" name="response" value="">
<button type="submit"${o.primary ? html` class="primary"` : null} disabled data-enable>${o.label}</button><p class="passkey-fault notice" role="alert" hidden></p>
<noscript><p class="hint">${texts.passkeyNeedsScript}</p></noscript></form>`;
}

/** A QR code as an image of our own making; the text beside it says the same. */
export function qrImage(text: string, label: string): Html {
  const code = qrcode(0, 'M');
  code.addData(text);
  code.make();
  const size = code.getModuleCount();
  let path = '';
  for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) if (code.isDark(y, x)) path += `M${x} ${y}h1v1h-1z`;
  return html`<svg class="qr" role="img" aria-label="${label}" viewBox="-4 -4 ${size + 8} ${size + 8}" shape-rendering="crispEdges"><rect x="-4" y="-4" width="100%" height="100%" fill="#fff"/><path d="${path}" fill="#000"/></svg>`;
}

export const STYLE = `:root{color-scheme:light dark;--bg:#f6f7f8;--panel:#fff;--text:#1b2125;--dim:#566069;--line:#c6ccd1;--accent:#0b6b72;--on:#fff;--alarm:#a3231b;--alarm-bg:#fdeeec}
@media(prefers-color-scheme:dark){:root{--bg:#15191c;--panel:#1e2428;--text:#e6eaec;--dim:#a2adb5;--line:#434d54;--accent:#5cc3ca;--on:#08292c;--alarm:#ffb4aa;--alarm-bg:#3a1d1a}}
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--text);font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
header,main{max-width:27rem;margin:0 auto;padding:0 1rem}.organisation{color:var(--dim);margin:2.5rem 0 .5rem}
main{background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:1.5rem;margin:0 auto 3rem}
@media(max-width:28rem){main{border-radius:0;border-inline:0}}
h1{font-size:1.35rem;margin:0 0 .75rem;line-height:1.25}h2{font-size:1.05rem;margin:1.5rem 0 .25rem}p{margin:.5rem 0}
label{display:block;margin:1rem 0 .25rem;font-weight:600}input:not([type=hidden]):not([type=radio]),select,textarea{width:100%;padding:.6rem .7rem;font:inherit;color:inherit;background:var(--bg);border:1px solid var(--dim);border-radius:6px}
button{margin-top:1rem;width:100%;min-height:2.75rem;padding:.5rem 1rem;font:inherit;font-weight:600;color:var(--text);background:transparent;border:1px solid var(--dim);border-radius:6px;cursor:pointer}
button.primary{background:var(--accent);border-color:var(--accent);color:var(--on)}button[disabled]{opacity:.6;cursor:default}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}a{color:var(--accent)}
.notice{background:var(--alarm-bg);color:var(--alarm);border-inline-start:4px solid var(--alarm);padding:.6rem .8rem;border-radius:4px}
.hint,.or{color:var(--dim);font-size:.9rem}.or{margin:1.25rem 0 0;border-top:1px solid var(--line);padding-top:.75rem}
.qr{width:12rem;height:12rem;display:block;margin:.75rem 0}code,.codes{font-family:ui-monospace,monospace;overflow-wrap:anywhere}
.codes{columns:2;padding:0;list-style:none}ul.apps{padding-inline-start:1.2rem}details{margin-top:1rem}summary{cursor:pointer;color:var(--accent)}
@media print{header,button,form{display:none}main{border:0}}`;

/** Runs only where a key is asked for; talks to this origin only. */
export const SCRIPT = `'use strict';
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\\+/g, '-').replace(/\\//g, '_').replace(/=+$/, '');
const ids = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));
const part = (value) => (value ? text(value) : undefined);
async function ask(kind, options) {
  if (kind === 'create') {
    const made = await navigator.credentials.create({ publicKey: { ...options, challenge: bytes(options.challenge), user: { ...options.user, id: bytes(options.user.id) }, excludeCredentials: ids(options.excludeCredentials) } });
    const { response } = made;
    return { id: made.id, rawId: text(made.rawId), type: made.type, clientExtensionResults: made.getClientExtensionResults(), authenticatorAttachment: made.authenticatorAttachment || undefined,
      response: { clientDataJSON: text(response.clientDataJSON), attestationObject: text(response.attestationObject), transports: response.getTransports ? response.getTransports() : [] } };
  }
  const got = await navigator.credentials.get({ publicKey: { ...options, challenge: bytes(options.challenge), allowCredentials: ids(options.allowCredentials) } });
  const { response } = got;
  return { id: got.id, rawId: text(got.rawId), type: got.type, clientExtensionResults: got.getClientExtensionResults(),
    response: { clientDataJSON: text(response.clientDataJSON), authenticatorData: text(response.authenticatorData), signature: text(response.signature), userHandle: part(response.userHandle) } };
}
for (const form of document.querySelectorAll('form[data-passkey]')) {
  const button = form.querySelector('[data-enable]');
  const fault = form.querySelector('.passkey-fault');
  if (!window.PublicKeyCredential) { fault.hidden = false; fault.textContent = 'This browser has no passkeys.'; continue; }
  button.disabled = false;
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    fault.hidden = true;
    button.disabled = true;
    try {
      const answer = await fetch(form.dataset.options, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams(new FormData(form)) });
      const options = await answer.json();
      if (!answer.ok) throw new Error(options.message || 'Try again.');
      form.elements.response.value = JSON.stringify(await ask(form.dataset.passkey, options));
      form.submit();
    } catch (error) {
      fault.hidden = false;
      fault.textContent = error.name === 'NotAllowedError' ? 'The key was not used in time, or the request was cancelled.' : error.message;
      button.disabled = false;
    }
  });
}
`;
