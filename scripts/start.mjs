/** `npm start`: installs what is missing, builds the console when it changed, and serves. Arguments go to `asepsis serve`. */

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { NODE, ROOT, ready } from './ready.mjs';

await ready();
const build = spawn(NODE, [join(ROOT, 'scripts', 'build.mjs')], { cwd: ROOT, stdio: 'inherit' });
const built = await new Promise((resolve) => build.on('close', resolve));
if (built !== 0) process.exit(2);

const args = process.argv.slice(2);
const verb = args.includes('--rehearse') ? 'rehearse' : 'serve';
const child = spawn(join(ROOT, 'bin', 'asepsis'), [verb, ...args.filter((arg) => arg !== '--rehearse')], {
  cwd: ROOT,
  stdio: 'inherit',
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('close', (code, signal) => process.exit(signal ? 0 : (code ?? 2)));
