/**
 * Runs in a network namespace of its own: 1,000 addresses of another namespace, 200 ports each, at the rate of a scope.
 * What the interface sent, read from the kernel twice a second, is the measure; each try is one SYN, for every port is closed.
 */

import { readFileSync } from 'node:fs';
import { createGate } from '../../src/perimeter/perimeter-gate.ts';
import { scanPorts } from '../../src/perimeter/perimeter-ports.ts';
import { runScan } from '../../src/perimeter/perimeter-scan.ts';
import { parseScope } from '../../src/perimeter/perimeter-scope.ts';

const [perSec = 10_000, hostCount = 1000, portCount = 200] = process.argv.slice(2).map(Number);
const clock = { now: () => Date.now() };
const scope = parseScope(
  `asepsis_scope: 1\nname: bench\nowner: bench\ncontact: bench\nexpires: 2999-01-01\naddresses: [10.91.0.0/16]\nrate: {per_sec: ${perSec}, per_host_per_sec: ${perSec}, per_host_connections: 32}\n`,
);
const targets = Array.from({ length: hostCount }, (_, i) => `10.91.${Math.floor(i / 250)}.${1 + (i % 250)}`).map(
  (host) => ({ host, address: host }),
);
const ports = Array.from({ length: portCount }, (_, i) => 20_000 + i);
/** Packets that the interface has sent (proc_net(5), the tenth number of its line). */
const sentPackets = () =>
  Number(/bench0:\s*(.*)/.exec(readFileSync('/proc/self/net/dev', 'utf8'))?.[1]?.split(/\s+/)[9]);

const gate = createGate({ scope, clock });
// The neighbour is learnt and the code compiled before the clock runs.
await scanPorts(gate, targets[0] as { host: string; address: string }, [19_999]);
const startPackets = sentPackets();
const warm = gate.counts.sent;
const samples: { at: number; packets: number }[] = [];
const sample = () => samples.push({ at: performance.now(), packets: sentPackets() });
const cpu = process.cpuUsage();
const startMs = performance.now();
const timer = setInterval(sample, 500);
sample();
const views = await runScan({ gate, scope, clock, targets, ports, udp: false, from: 'inside' });
const seconds = (performance.now() - startMs) / 1000;
clearInterval(timer);
const packets = sentPackets() - startPackets;
const used = process.cpuUsage(cpu);
gate.stop('done');
/** Windows of a second between the first and the last sample. */
const windows = samples
  .slice(2)
  .map(({ at, packets: then }, i) => (then - (samples[i]?.packets ?? 0)) / ((at - (samples[i]?.at ?? 0)) / 1000));
const percent = (rate: number) => Math.round((rate / perSec - 1) * 1000) / 10;
process.stdout.write(
  `${JSON.stringify({
    perSec,
    hosts: views.length,
    portsEach: portCount,
    sent: gate.counts.sent - warm,
    packets,
    seconds: Math.round(seconds * 100) / 100,
    cpuSeconds: Math.round((used.user + used.system) / 1e4) / 100,
    deviationPercent: percent(packets / seconds),
    worstSecondPercent: [percent(Math.min(...windows)), percent(Math.max(...windows))],
    rssMb: Math.round(process.memoryUsage.rss() / 1e6),
  })}\n`,
);
process.exit(0);
