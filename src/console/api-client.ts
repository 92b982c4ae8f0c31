/** The one way to the server: JSON with the session cookie, the CSRF header on changes, problem+json as errors. */

import type { SessionAnswer } from './api-types.ts';
import { texts } from './texts.ts';

/** An answer that is not 2xx (RFC 9457), or no answer at all (`status` 0). */
export class ProblemError extends Error {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly advice: string;
  /** Where in a search query the fault is, from 0; null when it is not about a query. */
  readonly position: number | null;

  constructor(status: number, body: Record<string, unknown>) {
    const text = (key: string, otherwise: string) =>
      typeof body[key] === 'string' && body[key] !== '' ? (body[key] as string) : otherwise;
    super(text('detail', ''));
    this.name = 'ProblemError';
    this.status = status;
    this.code = text('code', status === 0 ? 'UNREACHABLE' : 'UNKNOWN');
    this.title = text('title', status === 0 ? texts.problem.unreachable : texts.problem.status(status));
    this.advice = text('advice', status === 0 ? texts.problem.unreachableAdvice : texts.problem.advice);
    this.position = typeof body.position === 'number' ? body.position : positionIn(this.message);
  }
}

/** `… at position 12 …` in a sentence, where the first character is 1; answered from 0. */
function positionIn(sentence: string): number | null {
  const match = /(?:position|character|column) (\d{1,5})/.exec(sentence);
  return match ? Math.max(0, Number(match[1]) - 1) : null;
}

let csrf = '';
let signedOut: () => void = () => {};

/** Called when the server says that nobody is signed in any more. */
export function onSignedOut(handler: () => void): void {
  signedOut = handler;
}

/** Addresses that nobody needs to be signed in for: a 401 there is an answer, not the end of a session. */
const isPublic = (path: string): boolean => path.startsWith('/v1/sign-in') || path.startsWith('/v1/enrol/');

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

async function send(method: Method, path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (method !== 'GET') headers['x-csrf-token'] = csrf;
  if (body !== undefined) headers['content-type'] = 'application/json';
  try {
    return await fetch(path, {
      method,
      headers,
      credentials: 'same-origin',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ProblemError(0, {});
  }
}

async function problemOf(response: Response): Promise<ProblemError> {
  const body: unknown = await response.json().catch(() => ({}));
  return new ProblemError(response.status, typeof body === 'object' && body ? (body as Record<string, unknown>) : {});
}

async function request<T>(method: Method, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  if (method !== 'GET' && csrf === '' && !isPublic(path)) await readSession();
  let response = await send(method, path, body, signal);
  if (!response.ok) {
    let problem = await problemOf(response);
    if (problem.code === 'CSRF') {
      // The session was renewed elsewhere (another tab): one fresh token, one more try.
      await readSession();
      response = await send(method, path, body, signal);
      if (!response.ok) problem = await problemOf(response);
    }
    if (!response.ok) {
      if (response.status === 401 && !isPublic(path)) signedOut();
      throw problem;
    }
  }
  if (response.status === 204) return undefined as T;
  const text = await response.text();
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

/** Who is signed in; remembers the CSRF token for the changes that follow. */
export async function readSession(): Promise<SessionAnswer> {
  const session = await request<SessionAnswer>('GET', '/v1/session');
  csrf = session.csrf;
  return session;
}

/** A file as it is, with how far it was sent; `fetch` does not say that. */
async function upload<T>(path: string, file: Blob, onPart: (part: number) => void): Promise<T> {
  if (csrf === '') await readSession();
  const { status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', path);
    request.setRequestHeader('x-csrf-token', csrf);
    request.setRequestHeader('accept', 'application/json');
    request.setRequestHeader('content-type', 'application/octet-stream');
    request.upload.onprogress = ({ loaded, total }) => onPart(total > 0 ? loaded / total : 0);
    request.onload = () => resolve({ status: request.status, text: request.responseText });
    request.onerror = () => reject(new ProblemError(0, {}));
    request.send(file);
  });
  if (status >= 200 && status < 300) return (text === '' ? undefined : JSON.parse(text)) as T;
  if (status === 401) signedOut();
  throw await problemOf(new Response(text, { status }));
}

export const api = {
  upload,
  get: <T>(path: string, signal?: AbortSignal) => request<T>('GET', path, undefined, signal),
  post: <T>(path: string, body: unknown = {}) => request<T>('POST', path, body),
  patch: <T>(path: string, body: unknown) => request<T>('PATCH', path, body),
  delete: <T = void>(path: string, body?: unknown) => request<T>('DELETE', path, body),
};

/** A path with the parameters that are set. */
export function withParams(path: string, params: Readonly<Record<string, string | number | undefined>>): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(params))
    if (value !== undefined && value !== '') search.set(key, String(value));
  const text = search.toString();
  return text === '' ? path : `${path}?${text}`;
}
