/** A firewall bouncer that asks our decision API, in a network namespace of its own; what its sets hold, as JSON on stdout. */

import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Fastify from 'fastify';
import type { RoomServices, TypedApp } from '../../src/core/index.ts';
import { addBouncer, listBouncers } from '../../src/detection/responses/response-bouncers.ts';
import { registerLapi } from '../../src/detection/responses/response-lapi.ts';
import { insertResponse, readResponse, replaceResponse } from '../../src/detection/responses/response-store.ts';
import { openStore } from '../../src/store/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'asepsis-bouncer-'));
const clock = { now: () => Date.now() };
spawnSync('ip', ['link', 'set', 'lo', 'up']);
const store = await openStore({ dataDir: folder, clock });
const app = Fastify();
registerLapi(app as unknown as TypedApp, { store, clock } as unknown as RoomServices, async () => false);
const origin = await app.listen({ port: 0, host: '127.0.0.1' });
const { key } = await addBouncer(store, clock, randomBytes, { name: 'edge-1', by: 'test' });

let number = 0;
async function block(target: string): Promise<string> {
  const id = `rsp_${String(++number).padStart(26, '0')}`;
  const response = {
    id,
    number,
    kind: 'block',
    target,
    state: 'active',
    reason: 'x',
    proposed_by: 'lead',
    simulated: false,
    exercise: false,
    expires: new Date(clock.now() + 600_000).toISOString(),
  };
  await insertResponse(store, clock, { response: response as never, pending: null });
  return id;
}
async function undo(id: string): Promise<void> {
  const known = await readResponse(store, id);
  if (known === null) throw new Error(`no ${id}`);
  await replaceResponse(store, clock, known.version, {
    response: { ...known.response, state: 'undone' },
    pending: null,
  });
}
const held = (): string[] => {
  const listed = ['ip', 'ip6'].map((family) => {
    const name = family === 'ip' ? 'crowdsec' : 'crowdsec6';
    return spawnSync('nft', ['list', 'table', family, name], { encoding: 'utf8' }).stdout;
  });
  const found = listed.join('\n').match(/[0-9a-f.:]+(?:\/\d+)?(?= timeout)/g) ?? [];
  return found.sort();
};
async function until(want: readonly string[]): Promise<string[]> {
  const sorted = [...want].sort();
  for (let i = 0; i < 80 && held().join() !== sorted.join(); i++)
    await new Promise((resolve) => setTimeout(resolve, 250));
  return held();
}

const config = join(folder, 'bouncer.yaml');
writeFileSync(
  config,
  `mode: nftables\npid_dir: ${folder}/\nupdate_frequency: 1s\ndaemonize: false\nlog_mode: stdout\nlog_level: info\napi_url: ${origin}/\napi_key: ${key}\ndisable_ipv6: false\ndeny_action: DROP\nsupported_decisions_types: [ban]\nblacklists_ipv4: crowdsec-blacklists\nblacklists_ipv6: crowdsec6-blacklists\nnftables:\n  ipv4: { enabled: true, set-only: false, table: crowdsec, chain: crowdsec-chain }\n  ipv6: { enabled: true, set-only: false, table: crowdsec6, chain: crowdsec6-chain }\nprometheus: { enabled: false }\n`,
  { mode: 0o600 },
);
const range = await block('198.51.100.16/29');
const child = spawn('crowdsec-firewall-bouncer', ['-c', config], { stdio: ['ignore', 'inherit', 'inherit'] });
try {
  const addresses = Array.from({ length: 8 }, (_, i) => `198.51.100.${16 + i}`);
  const atStart = await until(addresses);
  const one = await block('198.51.100.18');
  const other = await block('203.0.113.7');
  const more = await until([...addresses, '203.0.113.7']);
  await undo(range);
  const rangeGone = await until(['198.51.100.18', '203.0.113.7']);
  await undo(one);
  await undo(other);
  const nothing = await until([]);
  const [bouncer] = await listBouncers(store);
  process.stdout.write(`\n${JSON.stringify({ atStart, more, rangeGone, nothing, version: bouncer?.version })}\n`);
} finally {
  child.kill('SIGKILL');
  await app.close();
  await store.close();
  rmSync(folder, { recursive: true, force: true });
}
