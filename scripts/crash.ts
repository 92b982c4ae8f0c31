/** `npm run crash [-- --kills 200]`: random kill -9 under load across ingest, archive and store, then a count of everything. */

import { parseArgs } from 'node:util';
import { crashRounds } from '../test/harness/crash.ts';
import { newDataDir } from '../test/harness/desk.ts';
import { freePort } from '../test/harness/sshd.ts';

const { values } = parseArgs({ options: { kills: { type: 'string', default: '200' } } });
const kills = Number(values.kills);
const folder = await newDataDir();
const config = `http: { port: ${await freePort()} }\nsyslog: { udp: { port: 0 }, tcp: { port: 0 }, tls: { enabled: false } }\nthis_machine: { logs: off, check: off }\n`;
try {
  const result = await crashRounds(folder.path, kills, config, (done) => {
    if (done % 10 === 0 || done === kills) process.stderr.write(`${done} of ${kills} kills\n`);
  });
  process.stdout.write(`${JSON.stringify(result)}\n`);
  const good = result.missing === 0 && result.repeated === 0 && result.repeatedAlerts === 0 && result.acknowledged > 0;
  process.exitCode = good ? 0 : 1;
} finally {
  await folder.remove();
}
