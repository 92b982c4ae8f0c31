/** `npm run build`: builds the console into dist/console when its sources changed, and says so in one line. */

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const DIST = join(ROOT, 'dist');
const OUT = join(DIST, 'console');
const NEXT = join(DIST, 'console.next');
const STAMP = join(DIST, '.stamp');

/** Files that decide what the console is; its test aids do not. */
function sources() {
  const folder = join(ROOT, 'src', 'console');
  const inside = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/\.test\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !relative(folder, path).startsWith('testing'));
  return [...inside, fileURLToPath(import.meta.url), join(ROOT, 'vite.config.ts'), join(ROOT, 'package-lock.json')]
    .filter(existsSync)
    .sort();
}

function digest() {
  const hash = createHash('sha256');
  for (const path of sources()) hash.update(relative(ROOT, path)).update('\0').update(readFileSync(path)).update('\0');
  return hash.digest('hex');
}

/** Each text once compressed here instead of once a visitor: the first page of a cold browser waits for nothing. */
function compressed(folder) {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.(?:js|css|svg)$/.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = readFileSync(path);
    if (bytes.length < 1024) continue;
    writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }));
    writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
  }
}

const wanted = digest();
const have = existsSync(STAMP) && existsSync(join(OUT, 'index.html')) ? readFileSync(STAMP, 'utf8') : '';
if (have !== wanted) {
  const started = performance.now();
  const live = process.stderr.isTTY;
  if (live) process.stderr.write('Building the console …');
  try {
    // A test runner's NODE_ENV would put React's development build, half as large again, into the desk.
    process.env.NODE_ENV = 'production';
    const { build } = await import('vite');
    mkdirSync(DIST, { recursive: true });
    await build({
      configFile: join(ROOT, 'vite.config.ts'),
      logLevel: 'error',
      build: { outDir: NEXT, emptyOutDir: true },
    });
    compressed(NEXT);
    // The old console stays whole until the new one is; a failed build leaves it in place.
    rmSync(OUT, { recursive: true, force: true });
    renameSync(NEXT, OUT);
    writeFileSync(STAMP, wanted);
  } catch (error) {
    process.stderr.write(`${live ? '\r\x1b[2K' : ''}The console could not be built.\n${error?.stack ?? error}\n`);
    process.exit(2);
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stderr.write(`${live ? '\r\x1b[2K' : ''}Building the console: ${seconds} s\n`);
}
