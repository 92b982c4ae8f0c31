/** Sends what was seen from outside to the desk, with a token; over HTTPS, or to this machine. */

import { AsepsisError } from '../core/index.ts';

const ANSWER_MS = 60_000;

export async function pushObservations(
  origin: string,
  token: string,
  body: object,
): Promise<{ findings: number; drift: number }> {
  const url = new URL('/v1/perimeter/observations', origin);
  const local = url.hostname === '127.0.0.1' || url.hostname === '[::1]' || url.hostname === 'localhost';
  if (url.protocol !== 'https:' && !local) throw new AsepsisError('BAD_REQUEST', 'A token is sent over https:// only.');
  const answer = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    redirect: 'error',
    signal: AbortSignal.timeout(ANSWER_MS),
  }).catch((error: unknown) => {
    throw new AsepsisError('BAD_REQUEST', `${url.origin} did not take what was seen: ${String(error)}.`, {
      cause: error,
    });
  });
  if (!answer.ok) {
    const code = answer.status === 401 ? 'UNAUTHENTICATED' : answer.status === 403 ? 'FORBIDDEN' : 'BAD_REQUEST';
    throw new AsepsisError(code, `${url.origin} answered ${answer.status} to the push.`);
  }
  return (await answer.json()) as { findings: number; drift: number };
}
