/** For tests: an authority of its own and certificates from it, as PEM. */

// The certificate library's container needs it before the library itself.
import 'reflect-metadata';

import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 24 * 3600 * 1000;

export interface TestPair {
  readonly cert: string;
  readonly key: string;
}

async function newKeys() {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const pem = `-----BEGIN PRIVATE KEY-----\n${der.replace(/(.{64})/g, '$1\n').trimEnd()}\n-----END PRIVATE KEY-----\n`;
  return { keys, pem };
}

const validity = () => ({ notBefore: new Date(Date.now() - DAY_MS), notAfter: new Date(Date.now() + DAY_MS) });

export async function makeAuthority() {
  x509.cryptoProvider.set(webcrypto as never);
  const { keys } = await newKeys();
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity(),
    serialNumber: '01',
    name: 'CN=Test Authority',
    keys: keys as never,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 1, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    ],
  });
  let serial = 2;
  return {
    cert: `${authority.toString('pem')}\n`,
    /** A certificate for 127.0.0.1 and localhost, good for servers and clients. */
    async issue(name: string): Promise<TestPair> {
      const own = await newKeys();
      const certificate = await x509.X509CertificateGenerator.create({
        ...validity(),
        serialNumber: `0${serial++}`,
        subject: `CN=${name}`,
        issuer: authority.subject,
        publicKey: own.keys.publicKey as never,
        signingKey: keys.privateKey as never,
        signingAlgorithm: ALGORITHM,
        extensions: [
          new x509.SubjectAlternativeNameExtension([
            { type: 'ip', value: '127.0.0.1' },
            { type: 'dns', value: 'localhost' },
          ]),
          new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
        ],
      });
      return { cert: `${certificate.toString('pem')}\n`, key: own.pem };
    },
  };
}
