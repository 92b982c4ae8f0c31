/**
 * `npm run crash [-- --kills 200]`: random kill -9 under load across ingest, archive and store, then a count of everything.
 * `npm run crash -- --power 60`: cuts the power instead, and starts from so many disks that may be left.
 */

import { parseArgs } from 'node:util';
import { createRandom } from '../src/archive/testing/sample-events.ts';
import { crashRounds } from '../test/harness/crash.ts';
import { newDataDir } from '../test/harness/desk.ts';
import { hasStrace, powerCuts } from '../test/harness/power.ts';
import { freePort } from '../test/harness/sshd.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    power: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
  },
});

async function power(states: number): Promise<void> {
  if (!hasStrace()) throw new Error('This needs strace: apt-get install strace.');
  const result = await powerCuts({
    states,
    batches: 40,
    random: createRandom(Number(values.seed)),
    onState: (done, fault) => process.stderr.write(`${done} of ${states} disks${fault === null ? '' : `: ${fault}`}\n`),
  });
  process.stdout.write(`${JSON.stringify({ seed: Number(values.seed), ...result })}\n`);
  process.exitCode = result.faults.length === 0 ? 0 : 1;
}

async function kill(kills: number): Promise<void> {
  const folder = await newDataDir();
  const config = `http: { port: ${await freePort()} }\nsyslog: { udp: { port: 0 }, tcp: { port: 0 }, tls: { enabled: false } }\nthis_machine: { logs: off, check: off }\n`;
  try {
    const result = await crashRounds(folder.path, kills, config, (done) => {
      if (done % 10 === 0 || done === kills) process.stderr.write(`${done} of ${kills} kills\n`);
    });
    process.stdout.write(`${JSON.stringify(result)}\n`);
    const good =
      result.missing === 0 && result.repeated === 0 && result.repeatedAlerts === 0 && result.acknowledged > 0;
    process.exitCode = good ? 0 : 1;
  } finally {
    await folder.remove();
  }
}

await (values.power === undefined ? kill(Number(values.kills)) : power(Number(values.power)));
