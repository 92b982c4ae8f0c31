/** A backup taken while records come in, restored beside the running desk: everything acknowledged before is there, once. */

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { enrol, eventually, newDataDir, type Person, startDesk } from './harness/desk.ts';

const ROOT = join(import.meta.dirname, '..');
const LINES = 3000;

function asepsis(...args: string[]): Promise<{ code: number | null; text: string }> {
  return new Promise((resolve) => {
    const child = spawn(join(ROOT, 'bin', 'asepsis'), args, { cwd: ROOT });
    let text = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
    child.on('close', (code) => resolve({ code, text }));
  });
}

async function rawLines(origin: string, cookie: string): Promise<string[]> {
  const lines: string[] = [];
  let next: string | null = null;
  do {
    const after: string = next === null ? '' : `&after=${encodeURIComponent(next)}`;
    const response = await fetch(`${origin}/v1/events?query=host:backup-1&limit=500${after}`, { headers: { cookie } });
    expect(response.status).toBe(200);
    const page = (await response.json()) as { items: { raw: string }[]; next: string | null };
    lines.push(...page.items.map((item) => item.raw));
    next = page.next;
  } while (next !== null);
  return lines;
}

test('backup under load, restore, and both proofs hold', { timeout: 180_000 }, async () => {
  const folder = await newDataDir();
  const data = join(folder.path, 'one');
  await import('node:fs/promises').then(({ mkdir }) => mkdir(data));
  const desk = await startDesk(data);
  const person: Person = await enrol(desk);
  const { token } = await person.send<{ token: string }>('POST', '/v1/tokens', { name: 'backup', scope: 'ingest' });
  let sent = 0;
  const send = async (count: number) => {
    const body = Array.from(
      { length: count },
      () => `<38>1 ${new Date().toISOString()} backup-1 cron 7 - - run ${sent++}.`,
    ).join('\n');
    const response = await fetch(`${desk.origin}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'text/plain' },
      body,
    });
    expect(response.status).toBe(200);
    await response.arrayBuffer();
  };
  await send(LINES);
  const acknowledged = sent;
  let going = true;
  const load = (async () => {
    while (going) {
      await send(200);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  const made = await asepsis('backup', join(folder.path, 'copy'), '--data', data);
  going = false;
  await load;
  expect(made.text).toContain('files in');
  expect(made.code).toBe(0);

  const restored = join(folder.path, 'two');
  expect((await asepsis('restore', join(folder.path, 'copy'), '--data', restored)).code).toBe(0);
  const second = await startDesk(restored);
  await eventually('the restored pipeline', async () => {
    const response = await fetch(`${second.origin}/v1/pipeline`, { headers: { cookie: person.cookie } });
    const state = (await response.json()) as { durable_seq: number; last_seq: number };
    return state.durable_seq >= state.last_seq && state.last_seq > 0;
  });
  const runs = (await rawLines(second.origin, person.cookie)).map((raw) => Number(/run (\d+)\./.exec(raw)?.[1]));
  expect(new Set(runs).size, 'none twice').toBe(runs.length);
  const present = new Set(runs);
  const missing = Array.from({ length: acknowledged }, (_, i) => i).filter((i) => !present.has(i));
  expect(missing).toEqual([]);
  await second.stop();
  await desk.stop();
  for (const dir of [data, restored]) {
    expect((await asepsis('archive', 'verify', '--data', dir)).code, `archive of ${dir}`).toBe(0);
    expect((await asepsis('audit', 'verify', '--data', dir)).code, `audit of ${dir}`).toBe(0);
  }
  await folder.remove();
});
