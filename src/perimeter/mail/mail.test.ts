import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../core/index.ts';
import { readMessage, signedQuery } from '../perimeter-dns.ts';
import { createGate, type Gate } from '../perimeter-gate.ts';
import { freePort, has, type Lab, openLab } from '../testing/perimeter-lab.ts';
import { loopbackScope } from '../testing/perimeter-scopes.ts';
import { type AskDns, validate } from './mail-dnssec.ts';
import { lookName } from './mail-look.ts';
import { judgeDkim, judgeDmarc, judgeMtaSts, judgeSpf } from './mail-policies.ts';
import { systemNames } from './mail-resolver.ts';

let lab: Lab;
let gate: Gate;
beforeAll(() => {
  lab = openLab();
  gate = createGate({ scope: loopbackScope('names: [weak.example, good.example]\n'), clock: systemClock });
});
afterAll(async () => {
  gate.stop('done');
  await lab.close();
});

test.each([
  [['v=spf1 mx -all'], []],
  [['v=spf1 include:a include:b ~all'], []],
  [[], ['there is no SPF record']],
  [['v=spf1 +all'], ['it ends in +all: anybody may send']],
  [['v=spf1 mx'], ['it has no "all" at its end: nobody is refused']],
  [['v=spf1 a', 'v=spf1 mx'], ['there is more than one SPF record: receivers ignore them all']],
  [
    [`v=spf1 ${Array.from({ length: 11 }, (_, i) => `include:s${i}.example`).join(' ')} -all`],
    ['it takes 11 look-ups, and receivers make 10'],
  ],
  [['v=spf1 ip4:10.0.0.0/8 -all'], ['ip4:10.0.0.0/8 allows a whole region of the internet']],
  [['other', 'v=spf1 redirect=_spf.example'], []],
])('SPF %j', (records, faults) => {
  expect(judgeSpf(records).faults).toEqual(faults);
});

test.each([
  [['v=DMARC1; p=reject; rua=mailto:a@b'], []],
  [['v=DMARC1; p=none; rua=mailto:a@b'], ['its policy is none: forged letters are delivered']],
  [['v=DMARC1; p=quarantine; pct=10; rua=mailto:a@b'], ['it holds for 10 % of letters only']],
  [['v=DMARC1; p=reject'], ['nobody gets its reports (rua)']],
  [[], ['there is no DMARC record']],
])('DMARC %j', (records, faults) => {
  expect(judgeDmarc(records).faults).toEqual(faults);
});

test('DKIM keys and MTA-STS policies', () => {
  expect(judgeDkim('v=DKIM1; p=')).toMatchObject({ revoked: true });
  expect(judgeDkim(`v=DKIM1; k=rsa; p=${Buffer.alloc(94).toString('base64')}`).faults).toEqual([
    'its key has only 512 bits',
  ]);
  expect(judgeDkim(`v=DKIM1; k=rsa; t=y; p=${Buffer.alloc(294).toString('base64')}`).faults).toEqual([
    'it is marked as a test (t=y)',
  ]);
  expect(judgeMtaSts('version: STSv1\nmode: enforce\nmx: *.b.example\nmax_age: 604800\n', ['mx.b.example'])).toEqual(
    [],
  );
  expect(judgeMtaSts('version: STSv1\nmode: testing\nmx: a.example\nmax_age: 604800\n', ['mx.b.example'])).toHaveLength(
    2,
  );
});

/** A zone signed by BIND's own tools, and the DS of its key. */
function signedZone(
  name: string,
  dir: string,
): { file: string; ds: { tag: number; algorithm: number; type: number; digest: string } } {
  const zone = join(dir, `${name}.zone`);
  writeFileSync(
    zone,
    `$TTL 60\n@ IN SOA ns.${name}. root.${name}. 1 60 60 60 60\n@ IN NS ns.${name}.\nns IN A 127.0.0.1\n@ IN MX 10 ns.${name}.\n@ IN CAA 0 issue "ca.example"\n@ IN TXT "v=spf1 -all"\n_dmarc IN TXT "v=DMARC1; p=reject; rua=mailto:d@${name}"\n_mta-sts IN TXT "v=STSv1; id=1"\n_smtp._tls IN TXT "v=TLSRPTv1; rua=mailto:t@${name}"\n`,
  );
  execFileSync('dnssec-keygen', ['-q', '-a', 'ECDSAP256SHA256', '-f', 'KSK', '-K', dir, name]);
  execFileSync('dnssec-keygen', ['-q', '-a', 'ECDSAP256SHA256', '-K', dir, name]);
  execFileSync('dnssec-signzone', ['-q', '-S', '-K', dir, '-d', dir, '-o', name, '-f', `${zone}.signed`, zone]);
  const key = readdirSync(dir).find(
    (file) =>
      file.startsWith(`K${name}.`) &&
      file.endsWith('.key') &&
      readFileSync(join(dir, file), 'utf8').includes('DNSKEY 257'),
  ) as string;
  const [, tag, algorithm, type, digest] = /DS (\d+) (\d+) (\d+) ([0-9A-F ]+)/.exec(
    execFileSync('dnssec-dsfromkey', ['-2', join(dir, key)], { encoding: 'utf8' }),
  ) as unknown as string[];
  return {
    file: `${zone}.signed`,
    ds: {
      tag: Number(tag),
      algorithm: Number(algorithm),
      type: Number(type),
      digest: (digest as string).replaceAll(' ', '').toLowerCase(),
    },
  };
}

const able = has('named', 'dnssec-keygen', 'dnssec-signzone', 'dnssec-dsfromkey') && process.getuid?.() === 0;
test.skipIf(!able)(
  'a signed and a neglected zone on a real BIND: DNSSEC is validated here, and every planted weakness is found',
  async () => {
    const dir = join(lab.dir, 'zones');
    mkdirSync(dir);
    const good = signedZone('good.example', dir);
    writeFileSync(
      join(dir, 'weak.zone'),
      `$TTL 60\n@ IN SOA ns.weak.example. root.weak.example. 1 60 60 60 60\n@ IN NS ns.weak.example.\nns IN A 127.0.0.1\n@ IN MX 10 ns.weak.example.\n@ IN MX 20 gone.weak.example.\n@ IN TXT "v=spf1 +all"\n`,
    );
    const port = await freePort();
    const conf = lab.file(
      'named.conf',
      `options { directory "${dir}"; listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; }; pid-file "${dir}/pid"; session-keyfile "${dir}/session"; managed-keys-directory "${dir}"; recursion no; allow-transfer { none; }; };
controls { };
zone "good.example" { type primary; file "${good.file}"; };
zone "weak.example" { type primary; file "${dir}/weak.zone"; check-integrity no; allow-transfer { any; }; };`,
      0o644,
    );
    execFileSync('chmod', ['-R', 'a+rwX', lab.dir]);
    await lab.start('named', ['-g', '-c', conf, '-n', '1'], port);
    const askDns: AskDns = async (name, type) => {
      const [answer] = await gate.ask({ host: '127.0.0.1', port }, signedQuery(name, type), 'test');
      return answer ? readMessage(answer) : null;
    };
    const now = Date.now();
    const anchors = new Map([['good.example', [good.ds]]]);
    expect(await validate(askDns, 'good.example', now, anchors)).toMatchObject({ state: 'secure' });
    expect(await validate(askDns, 'good.example', now + 400 * 86_400_000, anchors)).toMatchObject({ state: 'bogus' });
    expect(
      await validate(
        askDns,
        'good.example',
        now,
        new Map([
          ['good.example', [{ ...good.ds, digest: good.ds.digest.replace(/^./, (c) => (c === '0' ? '1' : '0')) }]],
        ]),
      ),
    ).toMatchObject({ state: 'bogus' });
    const tampered: AskDns = async (name, type) => {
      const message = await askDns(name, type);
      return (
        message && {
          ...message,
          answers: message.answers.map((record) =>
            record.type === 6
              ? { ...record, data: Buffer.concat([record.data.subarray(0, -1), Buffer.from([9])]) }
              : record,
          ),
        }
      );
    };
    expect(await validate(tampered, 'good.example', now, anchors)).toMatchObject({ state: 'bogus' });
    const names = systemNames([`127.0.0.1:${port}`]);
    const base = {
      gate,
      scope: loopbackScope('names: [weak.example, good.example]\n'),
      nowMs: now,
      outside: true,
      lookAlikes: [],
      names,
      dnsPort: port,
      askDns,
    };
    const weak = await lookName({ ...base, name: 'weak.example', anchors: new Map([['weak.example', [good.ds]]]) });
    expect(
      [...new Set(weak.weaknesses.map(({ kind }) => kind))].toSorted((a, b) => (String(a) < String(b) ? -1 : 1)),
    ).toEqual([
      'dns-caa',
      'dns-dangling',
      'dns-zone-transfer',
      'dnssec-bogus',
      'mail-dmarc',
      'mail-mta-sts',
      'mail-spf',
      'mail-tls-rpt',
    ]);
    const fine = await lookName({ ...base, name: 'good.example', anchors });
    expect(fine.weaknesses.map(({ kind }) => kind)).toEqual([]);
    const alike = await lookName({
      ...base,
      name: 'good.example',
      anchors,
      lookAlikes: ['weak.example', 'none.example'],
    });
    expect(alike.weaknesses.map(({ kind, key }) => `${kind} ${key}`)).toEqual(['look-alike-name weak.example']);
  },
  60_000,
);

test('any bytes are a DNS message or none', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: 200 }), (bytes) => {
      readMessage(Buffer.from(bytes));
    }),
    { numRuns: 2000 },
  );
});
