import { afterAll, beforeAll, expect, test } from 'vitest';
import { enrol, newDataDir, type Person, startDesk } from '../../test/harness/desk.ts';
import { perimeterFiles } from './perimeter-files.ts';
import { newScopeKey, signScope } from './perimeter-scope-file.ts';

let desk: Awaited<ReturnType<typeof startDesk>>;
let person: Person;
let remove: () => Promise<void>;
const key = newScopeKey();
const SCOPE = signScope(
  'asepsis_scope: 1\nname: lab\nowner: R. Keller\ncontact: a@b\nexpires: 2999-01-01\naddresses: [127.0.0.9]\n',
  key.privatePem,
);
beforeAll(async () => {
  const dir = await newDataDir();
  remove = dir.remove;
  perimeterFiles(dir.path).trust(key.publicKey);
  desk = await startDesk(dir.path);
  person = await enrol(desk);
});
afterAll(async () => {
  await desk.stop();
  await remove();
});
const send = (method: string, path: string, body?: object) => person.send<Record<string, unknown>>(method, path, body);

test('preview, install, scan, kill switch, push: the whole way over the desk', async () => {
  expect(await person.get<{ scope: unknown }>('/v1/perimeter')).toMatchObject({ scope: null, running: null });
  expect(await send('POST', '/v1/perimeter/preview', { text: SCOPE.replace('127.0.0.9', '127.0.0.8') })).toMatchObject({
    signed: false,
    targets: [{ host: '127.0.0.8' }],
  });
  await expect(send('POST', '/v1/perimeter/scope', { text: SCOPE.replace('127.0.0.9', '127.0.0.8') })).rejects.toThrow(
    /changed after it was signed/,
  );
  expect(await person.get<{ scope: unknown }>('/v1/perimeter')).toMatchObject({ scope: null });
  await send('POST', '/v1/perimeter/scope', { text: SCOPE });
  expect(await person.get('/v1/perimeter')).toMatchObject({ scope: { name: 'lab', may_now: true } });
  await send('POST', '/v1/perimeter/stop');
  expect(await person.get('/v1/perimeter')).toMatchObject({ killed: expect.stringContaining('stopped by') as string });
  await expect(send('POST', '/v1/perimeter/scan', { ports: '9' })).rejects.toThrow(/kill switch/);
  expect(await person.get('/v1/perimeter')).toMatchObject({ running: null, last: null });
  await send('POST', '/v1/perimeter/resume');
  await send('POST', '/v1/perimeter/scan', { ports: '9' });
  for (let i = 0; i < 50 && (await person.get<{ last: unknown }>('/v1/perimeter')).last === null; i++)
    await new Promise((resolve) => setTimeout(resolve, 200));
  expect(await person.get('/v1/perimeter')).toMatchObject({ running: null, last: { targets: 1, hosts: 1 } });
  const port = {
    transport: 'tcp',
    port: 3389,
    service: 'rdp',
    tls: false,
    banner: null,
    grade: null,
    certificate: null,
    software: [],
    facts: {},
    weaknesses: [
      {
        kind: 'exposed-service',
        key: 'rdp',
        severity: 'critical',
        title: 'Remote desktop faces outside on 203.0.113.7:3389',
        why: 'w',
        seen: 's',
        command: 'c',
        fix: { title: 'Close it', how: 'h', effort: 'minutes', disrupts: true },
      },
    ],
  };
  await send('POST', '/v1/perimeter/observations', {
    from: 'outside',
    ports: [3389],
    names: [],
    views: [{ host: '203.0.113.7', address: '203.0.113.7', ports: [port] }],
  });
  expect(await person.get('/v1/perimeter/services?from=outside&limit=100')).toMatchObject({
    items: [{ host: '203.0.113.7', service: 'rdp' }],
  });
  expect(await person.get('/v1/findings?room=perimeter&kind=exposed-service')).toMatchObject({
    items: [{ asset: { name: '203.0.113.7' } }],
  });
});
