import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { has, program } from './testing/perimeter-lab.ts';

const able =
  has('unshare', 'ip', 'tcpdump', 'mount') && spawnSync(program('unshare') ?? 'unshare', ['-nm', 'true']).status === 0;

/** Destination addresses in a capture of Ethernet or loopback frames (pcap, link type 1). */
function destinations(capture: Buffer): Map<string, number> {
  const found = new Map<string, number>();
  const little = capture.readUInt32LE(0) === 0xa1b2c3d4;
  const u32 = (at: number) => (little ? capture.readUInt32LE(at) : capture.readUInt32BE(at));
  expect(u32(20)).toBe(1);
  for (let at = 24; at + 16 <= capture.length; ) {
    const length = u32(at + 8);
    const frame = capture.subarray(at + 16, at + 16 + length);
    at += 16 + length;
    if (frame.length < 34 || frame.readUInt16BE(12) !== 0x0800) continue;
    const to = [...frame.subarray(30, 34)].join('.');
    found.set(to, (found.get(to) ?? 0) + 1);
  }
  return found;
}

test.skipIf(!able)(
  'no packet leaves to a host out of the scope, also under DNS rebinding and redirects: a capture is the judge',
  () => {
    const dir = mkdtempSync(join(tmpdir(), 'perimeter-netns-'));
    try {
      writeFileSync(join(dir, 'resolv.conf'), 'nameserver 127.0.0.53\noptions timeout:1 attempts:1\n');
      writeFileSync(join(dir, 'hosts'), '127.0.0.1 localhost\n');
      const script = `set -e
ip link set lo up
ip link add dummy0 type veth peer name peer0 && ip link set dummy0 up && ip link set peer0 up
ip addr add 10.77.0.1/28 dev dummy0; ip addr add 10.77.0.2/28 dev dummy0; ip addr add 10.88.0.1/24 dev dummy0
ip route add default dev dummy0
mount --bind ${dir}/resolv.conf /etc/resolv.conf; mount --bind ${dir}/hosts /etc/hosts
tcpdump -i lo -U -Z root -w ${dir}/lo.pcap ip >/dev/null 2>${dir}/t1 & A=$!
tcpdump -i dummy0 -U -Z root -w ${dir}/dummy.pcap ip >/dev/null 2>${dir}/t2 & B=$!
for i in $(seq 50); do grep -q listening ${dir}/t1 && grep -q listening ${dir}/t2 && break; sleep 0.1; done
"${process.execPath}" "${join(import.meta.dirname, 'testing', 'perimeter-netns.ts')}" > ${dir}/out
sleep 0.5; kill $A $B; wait $A $B || true`;
      const done = spawnSync(program('unshare') as string, ['-nm', '--kill-child', 'bash', '-c', script], {
        timeout: 60_000,
        encoding: 'utf8',
        env: { ...process.env, NODE_NO_WARNINGS: '1' },
      });
      expect(done.stderr).toBe('');
      const out = JSON.parse(readFileSync(join(dir, 'out'), 'utf8')) as Record<string, unknown>;
      expect(out).toMatchObject({
        redirect: 'out-of-scope',
        redirectToName: 'out-of-scope',
        rebinding: null,
        excluded: 'refused',
        udp: 0,
        reached: 302,
      });
      expect(['out-of-scope', 'no-answer']).toContain(out.redirectToRebinding);
      const lo = destinations(readFileSync(join(dir, 'lo.pcap')));
      const dummy = destinations(readFileSync(join(dir, 'dummy.pcap')));
      // The capture works: what may be reached was.
      expect(lo.get('10.77.0.1')).toBeGreaterThan(10);
      for (const seen of [lo, dummy]) {
        expect([...seen.keys()].filter((to) => to === '10.88.0.1' || to === '10.77.0.2')).toEqual([]);
        // Nothing else either: the scope, and this namespace's own resolver.
        expect(
          [...seen.keys()].filter(
            (to) => !/^10\.77\.0\.([0-3])$/.test(to) && !to.startsWith('127.') && !to.startsWith('224.'),
          ),
        ).toEqual([]);
      }
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  },
  90_000,
);
