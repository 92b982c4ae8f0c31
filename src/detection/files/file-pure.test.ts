import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { deflateRawSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createBurstWatch } from './file-burst.ts';
import { compareEntries, entropyOf, type FileEntry, gainedRights, looksEncrypted } from './file-entry.ts';
import { namesOf, readSums } from './file-packages.ts';
import { lineDifference, maskedCommand, maskedLines } from './file-text.ts';

const entry = (change: Partial<FileEntry> = {}): FileEntry => ({
  path: '/etc/x',
  type: 'file',
  size: 1,
  mtimeMs: 1,
  ctimeMs: 1,
  inode: 1,
  mode: 0o644,
  uid: 0,
  gid: 0,
  hash: 'a',
  xattr: '',
  ...change,
});

describe('entries', () => {
  test.each([
    [null, entry(), ['created']],
    [entry(), null, ['removed']],
    [entry(), entry({ hash: 'b' }), ['content']],
    [entry(), entry({ mode: 0o600, uid: 5 }), ['mode', 'owner']],
    [entry(), entry({ type: 'link' }), ['type']],
    [entry(), entry({ xattr: 'c' }), ['xattr']],
  ] as const)('%#', (before, after, kinds) => expect(compareEntries(before, after)?.kinds).toEqual(kinds));
  test('a new time alone is nothing', () =>
    expect(compareEntries(entry(), entry({ mtimeMs: 9, ctimeMs: 9 }))).toBeNull());
  test('setuid is a gain once', () => {
    const change = (before: FileEntry | null, mode: number) => ({
      path: '/x',
      kinds: ['mode' as const],
      before,
      after: entry({ mode }),
    });
    expect(gainedRights(change(entry({ mode: 0o755 }), 0o4755))).toBe(true);
    expect(gainedRights(change(null, 0o2755))).toBe(true);
    expect(gainedRights(change(entry({ mode: 0o4755 }), 0o4755))).toBe(false);
    expect(gainedRights(change(entry(), 0o4644))).toBe(false);
  });
});

describe('encryption', () => {
  const text = Buffer.from('The patient was seen in the morning and felt well. '.repeat(200));
  test('ciphertext is told from text, packed forms and tables', () => {
    const cipher = createCipheriv('aes-256-ctr', randomBytes(32), randomBytes(16));
    expect(looksEncrypted(cipher.update(text).subarray(0, 4096))).toBe(true);
    expect(looksEncrypted(randomBytes(600))).toBe(true);
    for (const plain of [text, gzipSync(randomBytes(9000)), Buffer.alloc(4096), Buffer.from('x'.repeat(100))])
      expect(looksEncrypted(plain.subarray(0, 4096))).toBe(false);
    expect(looksEncrypted(Buffer.concat([Buffer.from('PK\x03\x04'), deflateRawSync(randomBytes(5000))]))).toBe(false);
    const dicom = randomBytes(4096);
    dicom.write('DICM', 128, 'latin1');
    expect(looksEncrypted(dicom)).toBe(false);
  });
  test('entropy is between 0 and 8, and 8 for every byte once', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(entropyOf(bytes)).toBeGreaterThanOrEqual(0);
        expect(entropyOf(bytes)).toBeLessThanOrEqual(8);
      }),
    );
    expect(entropyOf(Uint8Array.from({ length: 256 }, (_, i) => i))).toBeCloseTo(8);
  });
});

describe('many files at once', () => {
  type Kind = 'created' | 'removed' | 'content';
  const run = (make: (i: number) => { path: string; kind: Kind; encrypted?: boolean }[], n = 40, everyMs = 50) => {
    const watch = createBurstWatch();
    const found = [];
    for (let i = 0; i < n; i++)
      for (const one of make(i)) {
        const burst = watch.take({ atMs: i * everyMs, encrypted: false, ...one });
        if (burst) found.push(burst);
      }
    return found;
  };
  test('encrypted in place', () => {
    const [burst, ...more] = run((i) => [{ path: `/srv/s/${i}.docx`, kind: 'content', encrypted: true }]);
    expect(burst).toMatchObject({ folder: '/srv/s', ending: '' });
    expect(more).toEqual([]);
  });
  test('replaced under a new ending, content not looked at', () => {
    const [burst] = run((i) => [
      { path: `/srv/s/a/${i}.docx.k3x9`, kind: 'created' },
      { path: `/srv/s/a/${i}.docx`, kind: 'removed' },
    ]);
    expect(burst).toMatchObject({ ending: 'k3x9', folder: '/srv/s/a' });
  });
  test.each<[string, (i: number) => { path: string; kind: Kind; encrypted?: boolean }[]]>([
    ['a copy of pictures', (i) => [{ path: `/srv/s/${i}.jpg`, kind: 'created' }]],
    ['a clean-up', (i) => [{ path: `/srv/s/${i}.docx`, kind: 'removed' }]],
    ['a build', (i) => [{ path: `/srv/s/${i}.o`, kind: 'content' }]],
    [
      'logs that rotate',
      (i) => [
        { path: `/var/log/${i}.log.1`, kind: 'created' },
        { path: `/var/log/${i}.log`, kind: 'removed' },
      ],
    ],
    ['a few keys among many files', (i) => [{ path: `/srv/s/${i}.bin`, kind: 'created', encrypted: i % 5 === 0 }]],
  ])('%s is none', (_, make) => expect(run(make)).toEqual([]));
  test('thousands of files that come and go are judged in time', () => {
    const start = process.cpuUsage();
    run(
      (i) => [
        { path: `/srv/data/folder/old-${i}.txt`, kind: 'removed' },
        { path: `/srv/data/folder/new-${i}.txt`, kind: 'created' },
      ],
      2000,
      1,
    );
    expect(process.cpuUsage(start).user / 1000).toBeLessThan(5000);
  }, 60_000);
  test('the same over hours is none', () =>
    expect(run((i) => [{ path: `/srv/s/${i}`, kind: 'content', encrypted: true }], 100, 30_000)).toEqual([]));
});

describe('differences of configuration', () => {
  const masked = (text: string) => maskedLines(Buffer.from(text), 'key') as string[];
  test.each([
    'password = hunter22',
    'DB_PASSWORD="hunter22"',
    '{"api_key": "hunter22"}',
    'url=postgres://app:hunter22@db/x',
    'bindpw hunter22',
    'root:$6$salt$hunter22hunter22:19000:0:99999:7:::',
    '-----BEGIN OPENSSH PRIVATE KEY-----\nhunter22\n-----END OPENSSH PRIVATE KEY-----',
  ])('%j hides its secret', (text) => expect(masked(text).join('\n')).not.toContain('hunter22'));
  test('a changed secret shows that it changed', () =>
    expect(lineDifference(masked('a = 1\npassword = x1'), masked('a = 1\npassword = x2'))).toHaveLength(2));
  test('ordinary lines stay', () => expect(masked('PermitRootLogin no')).toEqual(['PermitRootLogin no']));
  test('what is no text is none', () => expect(maskedLines(Buffer.from([65, 0, 66]), 'k')).toBeNull());
  test('applying the difference gives the new lines', () => {
    const lines = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 12 });
    fc.assert(
      fc.property(lines, lines, (before, after) => {
        const out = lineDifference(before, after);
        const bag = (list: readonly string[]) => [...list].sort();
        const plus = out.filter((line) => line.startsWith('+')).map((line) => line.slice(1));
        const minus = out.filter((line) => line.startsWith('-')).map((line) => line.slice(1));
        expect(bag([...after, ...minus])).toEqual(bag([...before, ...plus]));
      }),
    );
  });
});

test('packages name files by either side of the merged /usr', () => {
  expect(namesOf('/usr/bin/ssh')).toContain('/bin/ssh');
  expect(namesOf('/bin/ssh')).toContain('/usr/bin/ssh');
  expect(namesOf('/etc/hosts')).toEqual(['/etc/hosts']);
  const sums = new Map<string, string>();
  const md5 = createHash('md5').update('x').digest('hex');
  readSums(`${md5}  bin/ssh\nnonsense\n`, sums);
  expect([...sums]).toEqual([['/bin/ssh', md5]]);
});

describe('command lines of writers', () => {
  test.each([
    [['mysqldump', '-psecret9', '-u', 'backup'], 'mysqldump -p‹hidden› -u backup'],
    [['mysqldump', '--password=secret9', 'ward'], 'mysqldump --password=‹hidden› ward'],
    [['restic', '--password', 'secret9', 'backup'], 'restic --password ‹hidden› backup'],
    [['sshpass', '-p', 'secret9', 'scp', '-p', 'a', 'b'], 'sshpass -p ‹hidden› scp -p a b'],
    [['curl', '-u', 'bob:secret9', 'https://bob:secret9@x/y'], 'curl -u bob:‹hidden› https://bob:‹hidden›@x/y'],
    [['curl', '-H', 'Authorization: Bearer secret9', 'x'], 'curl -H Authorization: ‹hidden› x'],
    [['sh', '-c', 'TOKEN=secret9 run --api-key secret9'], 'sh -c TOKEN=‹hidden›'],
    [['rsync', '-a', '--password-file=/etc/p', 'a', 'b'], 'rsync -a --password-file=/etc/p a b'],
    [['vim', '/etc/passwd'], 'vim /etc/passwd'],
    [['mkdir', '-p', '/srv/x'], 'mkdir -p /srv/x'],
  ])('%j', (words, shown) => expect(maskedCommand(words)).toBe(shown));
});
