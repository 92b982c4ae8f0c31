/**
 * Runs in a namespace where names lead to this machine's own nginx: Mozilla's Observatory and our HTTP checks look at the
 * same sites on ports 80 and 443. Prints what each found wrong, as JSON.
 */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createGate } from '../src/perimeter/perimeter-gate.ts';
import { identify } from '../src/perimeter/perimeter-identify.ts';
import { openLab } from '../src/perimeter/testing/perimeter-lab.ts';
import { loopbackScope } from '../src/perimeter/testing/perimeter-scopes.ts';

const [folder = '', cert = '', key = '', sites = '{}'] = process.argv.slice(2);
const list = JSON.parse(sites) as Record<string, { redirect: boolean; headers: readonly string[]; body: string }>;
const { scan } = (await import(
  pathToFileURL(join(folder, 'node_modules', '@mdn', 'mdn-http-observatory', 'src', 'scanner', 'index.js')).href
)) as {
  scan: (
    host: string,
  ) => Promise<{ tests: Record<string, { pass: boolean; result: string }>; scan: { grade: string } }>;
};

const lab = openLab();
const tls = `ssl_certificate ${cert}; ssl_certificate_key ${key};`;
const servers = Object.entries(list).map(([name, { redirect, headers, body }]) => {
  const page = `location = / { default_type text/html; return 200 '${body}'; }`;
  const add = headers.map((line) => `add_header ${line} always;`).join(' ');
  const plain = redirect ? `return 301 https://${name}$request_uri;` : page;
  return `server { listen 80; server_name ${name}; ${plain} }\nserver { listen 443 ssl; server_name ${name}; ${tls} ${add} ${page} }`;
});
const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((one) => `${one}_temp_path ${lab.dir}/${one};`);
const conf = `daemon off; pid ${lab.dir}/pid; error_log stderr; events {}\nhttp { access_log off; ${temp.join(' ')}\n${servers.join('\n')} }`;
await lab.start('nginx', ['-c', lab.file('nginx.conf', conf), '-e', 'stderr'], 443);
const names = Object.keys(list);
const gate = createGate({ scope: loopbackScope(`names: [${names.join(', ')}]`), clock: { now: () => Date.now() } });
const look = async (host: string, port: number) => {
  const base = { gate, host, address: '127.0.0.1', port, nowMs: Date.now(), outside: true, gentle: false };
  return (await identify({ ...base, active: [] })).weaknesses.map(({ kind }) => kind);
};
const found: Record<string, { theirs: string[]; grade: string; ours: string[] }> = {};
for (const name of names) {
  const { tests, scan: whole } = await scan(name);
  const failed = Object.entries(tests).filter(([, one]) => !one.pass);
  const ours = new Set([...(await look(name, 443)), ...(await look(name, 80))]);
  found[name] = { theirs: failed.map(([id, one]) => `${id}: ${one.result}`), grade: whole.grade, ours: [...ours] };
}
gate.stop('done');
await lab.close();
process.stdout.write(`${JSON.stringify(found)}\n`);
process.exit(0);
