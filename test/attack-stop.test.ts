/** A whole attack and how it is stopped, on real programs in a network namespace: see harness/attack-scenario.ts. */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const PROGRAMS = [
  '/usr/sbin/sshd',
  '/usr/bin/ssh',
  '/usr/bin/hydra',
  '/usr/bin/nmap',
  '/usr/sbin/nft',
  '/usr/sbin/ulogd',
  '/usr/bin/crowdsec-firewall-bouncer',
];

/** Why it cannot run here, or null. */
function obstacle(): string | null {
  if (process.getuid?.() !== 0) return 'it needs root for network namespaces';
  const missing = PROGRAMS.filter((program) => !existsSync(program));
  if (missing.length > 0) return `not installed: ${missing.join(', ')}`;
  const tried = spawnSync('unshare', ['-n', '/usr/sbin/nft', 'list', 'ruleset'], { encoding: 'utf8' });
  return tried.status === 0 ? null : `no network namespace with nftables here: ${tried.stderr.trim()}`;
}
const why = obstacle();
if (why !== null) process.stderr.write(`The whole attack is not tried: ${why}.\n`);

interface Answer {
  readonly error?: string;
  readonly said?: readonly string[];
  readonly scanned: boolean;
  readonly guessed: boolean;
  readonly loggedIn: boolean;
  readonly changed: boolean;
  readonly incidents: readonly { title: string; severity: string; tactics: readonly string[] }[];
  readonly stages: readonly { rule: string; time: string; title: string; tags: readonly string[] }[];
  readonly response: {
    readonly preview: {
      readonly disrupts: boolean;
      readonly reasons: readonly string[];
      readonly refused: string | null;
    };
    readonly [fact: string]: unknown;
  };
  readonly audit: readonly string[];
}

test.skipIf(why !== null)(
  'scan, guess, log in, canary, encryption: one incident in order, stopped in the kernel and by a bouncer, and undone',
  () => {
    const scenario = join(import.meta.dirname, 'harness', 'attack-scenario.ts');
    const ran = spawnSync('unshare', ['-n', process.execPath, scenario], { encoding: 'utf8', timeout: 170_000 });
    const answer = JSON.parse(ran.stdout.trim().split('\n').at(-1) ?? '{}') as Answer;
    expect(answer.error, ran.stderr.slice(-3000)).toBeUndefined();
    expect(answer).toMatchObject({ scanned: true, guessed: true, loggedIn: true, changed: true });

    expect(answer.incidents).toHaveLength(1);
    expect(answer.incidents[0]).toMatchObject({ severity: 'critical' });
    expect(answer.incidents[0]?.tactics).toEqual(expect.arrayContaining(['discovery', 'credential-access', 'impact']));
    const first = (rule: string) => answer.stages.findIndex((stage) => stage.rule === rule);
    const order = ['port-scan-vertical', 'password-guessing', 'success-after-failures', 'file-canary'].map(first);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(first('file-mass-change')).toBeGreaterThan(first('success-after-failures'));
    expect(answer.stages.every((stage) => stage.tags.some((tag) => /^attack\.t\d{4}/.test(tag)))).toBe(true);

    expect(answer.response).toMatchObject({
      open: true,
      state: 'active',
      kernel: true,
      blocked: true,
      bouncerAlone: true,
      mended: true,
      kernelAfter: false,
      openAgain: true,
    });
    // The attacker signed in, so a person has to decide: who was that?
    expect(answer.response.preview).toMatchObject({ disrupts: true, refused: null });
    expect(new Set(answer.audit)).toEqual(
      new Set(['response.propose', 'response.done', 'response.undo', 'response.ended']),
    );
  },
  180_000,
);
