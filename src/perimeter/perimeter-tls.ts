/** Asks one of this machine's own TLS ports for what it negotiates and which certificate it shows. */

import { connect } from 'node:tls';

export interface TlsView {
  readonly protocol: string;
  readonly cipher: string;
  readonly subject: string;
  readonly validToMs: number;
  readonly selfSigned: boolean;
  readonly keyBits: number | null;
  /** The port still takes TLS 1.0 or 1.1; null when this machine's own library cannot ask. */
  readonly oldProtocols: boolean | null;
}

const TIMEOUT_MS = 3000;

/** One handshake to a loopback or own address; null when it is not TLS. Never to another machine. */
export async function viewTls(host: string, port: number): Promise<TlsView | null> {
  const first = await handshake(host, port, {});
  if (!first) return null;
  const old = await handshake(host, port, {
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT:@SECLEVEL=0',
  });
  return { ...first, oldProtocols: old !== null };
}

function handshake(
  host: string,
  port: number,
  versions: { minVersion?: 'TLSv1'; maxVersion?: 'TLSv1.1'; ciphers?: string },
): Promise<Omit<TlsView, 'oldProtocols'> | null> {
  return new Promise((resolve) => {
    // The certificate is looked at, not trusted: nothing is sent over this connection.
    const socket = connect({ host, port, rejectUnauthorized: false, timeout: TIMEOUT_MS, ...versions }, () => {
      const certificate = socket.getPeerCertificate();
      const subject = certificate.subject?.CN;
      resolve({
        protocol: socket.getProtocol() ?? 'unknown',
        cipher: socket.getCipher().name,
        subject: String(subject ?? certificate.subjectaltname ?? 'no name').slice(0, 200),
        validToMs: Date.parse(certificate.valid_to ?? ''),
        selfSigned: JSON.stringify(certificate.subject) === JSON.stringify(certificate.issuer),
        keyBits: certificate.bits ?? null,
      });
      socket.destroy();
    });
    socket.on('error', () => resolve(null));
    socket.on('timeout', () => {
      socket.destroy();
      resolve(null);
    });
  });
}
