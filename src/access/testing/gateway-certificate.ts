/** A certificate for `localhost` that nobody signed, made by OpenSSL: `cert.pem` and `key.pem`. */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

export function makeCertificate(folder: string): void {
  const made = spawnSync('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=localhost',
    '-addext',
    'subjectAltName=DNS:localhost',
    '-keyout',
    join(folder, 'key.pem'),
    '-out',
    join(folder, 'cert.pem'),
  ]);
  if (made.status !== 0) throw new Error(String(made.stderr));
}
