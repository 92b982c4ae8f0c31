/** What a tired person meets when something is wrong at the start: one line that says what to do. */

import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FREE_PORTS, newDataDir, startDesk } from './harness/desk.ts';

const ROOT = join(import.meta.dirname, '..');
let folder: Awaited<ReturnType<typeof newDataDir>>;
beforeAll(async () => {
  folder = await newDataDir();
});
afterAll(() => folder.remove());

function run(args: string[], as: { uid?: number } = {}): Promise<{ code: number | null; said: string; out: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(ROOT, 'src', 'main.ts'), ...args], { ...as, cwd: ROOT });
    let said = '';
    let out = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
    });
    child.on('close', (code) => resolve({ code, said: said.trim(), out }));
  });
}
const serve = (name: string, config: string) => {
  const data = join(folder.path, name);
  mkdirSync(data, { recursive: true });
  writeFileSync(join(data, 'asepsis.yaml'), config);
  return run(['serve', '--data', data]);
};
const oneLine = (said: string) =>
  expect(said.split('\n').filter((line) => !line.startsWith('Made ') && line !== '')).toHaveLength(1);

test('an unknown setting names its place and what was probably meant', async () => {
  const { code, said } = await serve('typo', 'http:\n  prot: 8420\n');
  expect(code).toBe(2);
  oneLine(said);
  expect(said).toMatch(/asepsis\.yaml:2:3: "http\.prot" is not a setting\. Did you mean "http\.port"\?/);
});

test('an occupied port is named', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const { code, said } = await serve('port', FREE_PORTS.replace('http: { port: 0 }', `http: { port: ${port} }`));
  server.close();
  expect(code).toBe(2);
  oneLine(said);
  expect(said).toContain(`127.0.0.1:${port}`);
  expect(said).toContain('choose another port');
});

test('a network address without TLS is refused', async () => {
  const { code, said } = await serve(
    'plain',
    FREE_PORTS.replace('http: { port: 0 }', 'http: { host: 0.0.0.0, port: 0 }'),
  );
  expect(code).toBe(2);
  oneLine(said);
  expect(said).toContain('asepsis tls init');
});

test('a second instance on the same data is told who has it', async () => {
  const first = await newDataDir();
  const desk = await startDesk(first.path);
  const { code, said } = await run(['serve', '--data', first.path]);
  expect(code).toBe(2);
  oneLine(said);
  expect(said).toContain(String(desk.child.pid));
  await desk.stop();
  await first.remove();
});

test.skipIf(process.getuid?.() !== 0)('a data folder that may not be written is said so', async () => {
  const data = join(folder.path, 'sealed');
  mkdirSync(data);
  chmodSync(folder.path, 0o755);
  chmodSync(data, 0o555);
  const { code, said } = await run(['serve', '--data', data], { uid: 65534 });
  expect(code).toBe(2);
  oneLine(said);
  expect(said).toContain('cannot be written');
});

test('doctor finds nothing wrong with a fresh folder, and something wrong with a wrong configuration', async () => {
  const data = join(folder.path, 'doctor');
  mkdirSync(data, { mode: 0o700 });
  writeFileSync(join(data, 'asepsis.yaml'), FREE_PORTS);
  const good = await run(['doctor', '--data', data, '--json']);
  expect(good.code).toBe(0);
  writeFileSync(join(data, 'asepsis.yaml'), 'archive: { retention_days: forever }\n');
  const bad = await run(['doctor', '--data', data, '--json']);
  expect(bad.code).toBe(1);
  expect(bad.out).toContain('archive.retention_days');
});
