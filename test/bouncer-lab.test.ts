/** Debian's firewall bouncer follows our decisions, ranges too, in a network namespace: see harness/bouncer-scenario.ts. */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const PROGRAMS = ['/usr/sbin/nft', '/usr/bin/crowdsec-firewall-bouncer'];

/** Why it cannot run here, or null. */
function obstacle(): string | null {
  if (process.getuid?.() !== 0) return 'it needs root for network namespaces';
  const missing = PROGRAMS.filter((program) => !existsSync(program));
  if (missing.length > 0) return `not installed: ${missing.join(', ')}`;
  const tried = spawnSync('unshare', ['-n', '/usr/sbin/nft', 'list', 'ruleset'], { encoding: 'utf8' });
  return tried.status === 0 ? null : `no network namespace with nftables here: ${tried.stderr.trim()}`;
}
const why = obstacle();
if (why !== null) process.stderr.write(`The firewall bouncer is not tried: ${why}.\n`);

test.skipIf(why !== null)(
  'a firewall bouncer without ranges blocks every address of a range, and lets go of those that no other block holds',
  () => {
    const scenario = join(import.meta.dirname, 'harness', 'bouncer-scenario.ts');
    const ran = spawnSync('unshare', ['-n', process.execPath, scenario], { encoding: 'utf8', timeout: 110_000 });
    const last = ran.stdout.trim().split('\n').at(-1) ?? '';
    expect(last, ran.stderr.slice(-3000)).toMatch(/^\{/);
    const addresses = Array.from({ length: 8 }, (_, i) => `198.51.100.${16 + i}`);
    expect(JSON.parse(last)).toMatchObject({
      atStart: addresses,
      more: [...addresses, '203.0.113.7'],
      rangeGone: ['198.51.100.18', '203.0.113.7'],
      nothing: [],
      version: expect.stringContaining('crowdsec-firewall-bouncer'),
    });
  },
  120_000,
);
