/** Whether a client may ask for the whole handshake again inside one connection (TLS 1.2 and older): asked once. */

import { secure } from '../perimeter-secure.ts';
import type { Talker } from './tls-talk.ts';

const ANSWER_MS = 2000;

/** Null when no handshake came about with this machine's library. */
export async function clientRenegotiates(talker: Talker): Promise<boolean | null> {
  const link = await talker.connect('renegotiation');
  if (typeof link === 'string') return null;
  link.detach();
  const inner = await secure(link.socket, talker.name, { maxVersion: 'TLSv1.2' });
  if (!inner) {
    link.close();
    return null;
  }
  const taken = await new Promise<boolean>((resolve) => {
    const timer = setTimeout(resolve, ANSWER_MS, false);
    const end = (answer: boolean) => {
      clearTimeout(timer);
      resolve(answer);
    };
    inner.once('close', () => end(false));
    inner.on('error', () => end(false));
    inner.renegotiate({ rejectUnauthorized: false }, (error) => end(error === null));
  });
  inner.destroy();
  link.close();
  return taken;
}
