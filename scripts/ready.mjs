/** Brings a clone to the point where everything runs: packages installed, and said so while it happens. Plain JavaScript, because it runs before there is a Node 24. */

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
export const NODE = join(ROOT, 'node_modules', '.bin', 'node');
const STAMP = join(ROOT, 'node_modules', '.asepsis-installed');

/** The digest of what is to be installed: when it is unchanged, nothing needs installing. */
function wanted() {
  const hash = createHash('sha256').update(process.arch).update(process.platform);
  for (const name of ['package.json', 'package-lock.json']) {
    const path = join(ROOT, name);
    if (existsSync(path)) hash.update(readFileSync(path));
  }
  return hash.digest('hex');
}

/**
 * Runs a program while telling every few seconds that it still runs; its output is shown only when it fails.
 *
 * @param {string} what the sentence for people
 * @param {string} command
 * @param {string[]} args
 * @param {boolean} optional a failure is answered as `false` instead of ending everything
 */
export async function step(what, command, args, env = process.env, optional = false) {
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  const live = process.stderr.isTTY;
  process.stderr.write(live ? `${what} …` : `${what} …\n`);
  const ticker = setInterval(
    () => process.stderr.write(live ? `\r\x1b[2K${what} … ${seconds()} s` : `  still at it, ${seconds()} s\n`),
    live ? 1000 : 20_000,
  );
  const output = [];
  const code = await new Promise((resolve) => {
    const child = spawn(command, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.on('data', (chunk) => output.push(chunk));
    child.stderr.on('data', (chunk) => output.push(chunk));
    child.on('error', (error) => {
      output.push(Buffer.from(`${error.message}\n`));
      resolve(127);
    });
    child.on('close', resolve);
  });
  clearInterval(ticker);
  process.stderr.write(live ? `\r\x1b[2K${what}: ${seconds()} s\n` : `${what}: ${seconds()} s\n`);
  if (code !== 0 && optional) {
    process.stderr.write(`  not done (exit ${code}); its tests say so.\n`);
    return false;
  }
  if (code !== 0) {
    process.stderr.write(Buffer.concat(output));
    process.stderr.write(`\nFailed: ${command} ${args.join(' ')} (exit ${code}).\n`);
    process.exit(2);
  }
  return true;
}

/** Installs the packages when they are missing or package.json changed. `npm install`, not `npm ci`: a lockfile made elsewhere may lack this platform's optional packages. */
export async function ready() {
  const digest = wanted();
  const installed = existsSync(STAMP) && existsSync(NODE) && readFileSync(STAMP, 'utf8') === digest;
  if (!installed) {
    await step('Installing packages (once, about a minute)', process.platform === 'win32' ? 'npm.cmd' : 'npm', [
      'install',
      '--no-audit',
      '--no-fund',
    ]);
    const version = spawnSync(NODE, ['--version'], { encoding: 'utf8' });
    if (!/^v2[4-9]\./.test(version.stdout ?? '')) {
      process.stderr.write(
        'Node 24 did not arrive with the packages (the npm package "node" needs its install script).\n' +
          'Allow install scripts (npm config set ignore-scripts false), remove node_modules, and start again.\n',
      );
      process.exit(2);
    }
    writeFileSync(STAMP, wanted());
  }
}
