/** Scopes for tests: this machine's loopback, at a rate that tests can wait for. */

import { parseScope, type Scope } from '../perimeter-scope.ts';

export function loopbackScope(more = '', addresses = '127.0.0.0/8, "::1"'): Scope {
  return parseScope(`asepsis_scope: 1
name: loopback
owner: test
contact: test@example
expires: 2999-01-01
addresses: [${addresses}]
${more.includes('rate:') ? '' : 'rate: {per_sec: 100000, per_host_per_sec: 100000, per_host_connections: 512}'}
${more}
`);
}
