/**
 * Runs inside a network namespace of its own: a resolver whose answers change, a server in the scope that redirects out
 * of it, servers out of the scope, and a scan of them. Prints what was sent as JSON; a capture beside it is the judge.
 */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createTcp } from 'node:net';
import { systemClock } from '../../core/index.ts';
import { createGate } from '../perimeter-gate.ts';
import { ask, follow } from '../perimeter-http.ts';
import { runScan, targetsOf } from '../perimeter-scan.ts';
import { parseScope } from '../perimeter-scope.ts';

const IN = '10.77.0.1';
const OUT = ['10.88.0.1', '10.77.0.2'];

/** Answers A queries: `rebind.test` first in the scope, then out of it; `out.test` always out. */
async function resolver(): Promise<void> {
  const socket = createSocket('udp4');
  const asked = new Map<string, number>();
  socket.on('message', (query, from) => {
    let at = 12;
    const labels: string[] = [];
    while ((query[at] ?? 0) > 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + (query[at] as number)));
      at += 1 + (query[at] as number);
    }
    const name = labels.join('.').toLowerCase();
    const type = query.readUInt16BE(at + 1);
    const count = asked.get(name) ?? 0;
    if (type === 1) asked.set(name, count + 1);
    const address = name === 'out.test' || (name.startsWith('rebind') && count > 0) ? (OUT[0] as string) : IN;
    const head = Buffer.from(query.subarray(0, at + 5));
    head.writeUInt16BE(0x8580, 2);
    head.writeUInt16BE(type === 1 ? 1 : 0, 6);
    head.writeUInt32BE(0, 8);
    const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split('.').map(Number)]);
    socket.send(type === 1 ? Buffer.concat([head, answer]) : head, from.port, from.address);
  });
  socket.bind(53, '127.0.0.53');
  await once(socket, 'listening');
}

await resolver();
const web = createServer((request, response) => {
  const path = request.url ?? '';
  const where = path.startsWith('/name')
    ? 'http://out.test/'
    : path.startsWith('/rebind')
      ? 'http://rebind2.test/'
      : `http://${OUT[0]}/`;
  response.writeHead(302, { location: where }).end();
});
web.listen(80, IN);
await once(web, 'listening');
for (const address of OUT) {
  const server = createTcp((socket) => socket.end('220 reached\r\n')).listen(80, address);
  await once(server, 'listening');
}

const scope = parseScope(`asepsis_scope: 1
name: netns
owner: test
contact: test@example
expires: 2999-01-01
addresses: [10.77.0.0/30]
names: [rebind.test, rebind2.test, out.test]
exclude: {addresses: [10.77.0.2]}
rate: {per_sec: 5000, per_host_per_sec: 5000, per_host_connections: 64}
`);
const gate = createGate({ scope, clock: systemClock });
const site = { gate, host: IN, address: IN, port: 80, tls: false };
const results = {
  redirect: (await follow(site, '/')).fault,
  redirectToName: (await follow(site, '/name')).fault,
  redirectToRebinding: (await follow(site, '/rebind')).fault,
  rebinding: await ask({ gate, host: 'rebind.test', address: IN, port: 80, tls: false }, '/'),
  excluded: (await gate.open({ host: OUT[1] as string, port: 80 }, 'test')).kind,
  udp: (await gate.ask({ host: OUT[0] as string, port: 53 }, Buffer.from('x'), 'test')).length,
  reached: (await ask(site, '/'))?.status,
};
const { targets } = await targetsOf(scope, gate);
await runScan({ gate, scope, clock: systemClock, targets, ports: [80, 443, 22], udp: true, from: 'inside' });
gate.stop('done');
process.stdout.write(
  `${JSON.stringify({ ...results, targets: targets.length, counts: { sent: gate.counts.sent, refused: gate.counts.refused } })}\n`,
);
process.exit(0);
