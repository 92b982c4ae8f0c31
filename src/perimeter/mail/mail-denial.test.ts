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
import { compareNames, nsec3Hash, typesOf } from './mail-denial.ts';
import { type Anchors, type AskDns, validate } from './mail-dnssec.ts';

let lab: Lab;
let gate: Gate;
let ask: AskDns;
const anchors = new Map<string, { tag: number; algorithm: number; type: number; digest: string }[]>();
const able = has('named', 'dnssec-keygen', 'dnssec-signzone', 'dnssec-dsfromkey') && process.getuid?.() === 0;
const PARENTS = [
  ['nsec.example', []],
  ['nsec3.example', ['-3', 'aabbccdd', '-H', '5']],
  ['optout.example', ['-3', '-', '-H', '0', '-A']],
] as const;

/** Signs a zone with BIND's own tools, and answers the DS line of its key. */
function sign(dir: string, name: string, records: string, options: readonly string[]): string {
  const file = join(dir, `${name}.zone`);
  writeFileSync(
    file,
    `$TTL 60\n@ IN SOA ns.${name}. root.${name}. 1 60 60 60 60\n@ IN NS ns.${name}.\nns IN A 127.0.0.1\n${records}`,
  );
  execFileSync('dnssec-keygen', ['-q', '-a', 'ECDSAP256SHA256', '-f', 'KSK', '-K', dir, name]);
  execFileSync('dnssec-keygen', ['-q', '-a', 'ECDSAP256SHA256', '-K', dir, name]);
  execFileSync('dnssec-signzone', [
    '-q',
    '-S',
    '-K',
    dir,
    '-d',
    dir,
    ...options,
    '-o',
    name,
    '-f',
    `${file}.signed`,
    file,
  ]);
  const key = readdirSync(dir).find(
    (one) =>
      one.startsWith(`K${name}.`) &&
      one.endsWith('.key') &&
      readFileSync(join(dir, one), 'utf8').includes('DNSKEY 257'),
  ) as string;
  return execFileSync('dnssec-dsfromkey', ['-2', join(dir, key)], { encoding: 'utf8' }).trim();
}

beforeAll(async () => {
  lab = openLab();
  gate = createGate({ scope: loopbackScope(), clock: systemClock });
  if (!able) return;
  const dir = join(lab.dir, 'zones');
  mkdirSync(dir);
  const zones: string[] = [];
  for (const [parent, options] of PARENTS) {
    let records = 'www IN A 127.0.0.1\nzz IN A 127.0.0.1\n';
    for (const child of ['signed', 'deep.on.the.way']) {
      const ds = sign(dir, `${child}.${parent}`, '', []);
      records += `${child} IN NS ns.${child}.${parent}.\nns.${child} IN A 127.0.0.1\n${ds}\n`;
      zones.push(`zone "${child}.${parent}" { type primary; file "${dir}/${child}.${parent}.zone.signed"; };`);
    }
    records += `plain IN NS ns.plain.${parent}.\nns.plain IN A 127.0.0.1\n`;
    writeFileSync(
      join(dir, `plain.${parent}.zone`),
      `$TTL 60\n@ IN SOA ns root 1 60 60 60 60\n@ IN NS ns\nns IN A 127.0.0.1\n`,
    );
    zones.push(`zone "plain.${parent}" { type primary; file "${dir}/plain.${parent}.zone"; };`);
    const [, tag, algorithm, type, digest] = /DS (\d+) (\d+) (\d+) ([0-9A-F ]+)/.exec(
      sign(dir, parent, records, options),
    ) as unknown as string[];
    zones.push(`zone "${parent}" { type primary; file "${dir}/${parent}.zone.signed"; };`);
    anchors.set(parent, [
      {
        tag: Number(tag),
        algorithm: Number(algorithm),
        type: Number(type),
        digest: (digest as string).replaceAll(' ', '').toLowerCase(),
      },
    ]);
  }
  const port = await freePort();
  const conf = lab.file(
    'named.conf',
    `options { directory "${dir}"; listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; }; pid-file "${dir}/pid"; session-keyfile "${dir}/session"; managed-keys-directory "${dir}"; recursion no; };\ncontrols { };\n${zones.join('\n')}\n`,
    0o644,
  );
  execFileSync('chmod', ['-R', 'a+rwX', lab.dir]);
  await lab.start('named', ['-g', '-c', conf, '-n', '1'], port);
  ask = async (name, type) => {
    const [answer] = await gate.ask({ host: '127.0.0.1', port }, signedQuery(name, type), 'test');
    return answer ? readMessage(answer) : null;
  };
}, 60_000);
afterAll(async () => {
  gate.stop('done');
  await lab.close();
});

const stateOf = async (name: string, through: AskDns = ask, nowMs = Date.now()) =>
  (await validate(through, name, nowMs, anchors as Anchors)).state;
const DS = 43;

test.skipIf(!able).each(PARENTS.map(([parent]) => parent))(
  '%s: signed children are secure, also behind names that are only on the way; an unsigned one is proven to be so',
  async (parent) => {
    expect(await stateOf(`signed.${parent}`)).toBe('secure');
    expect(await stateOf(`deep.on.the.way.${parent}`)).toBe('secure');
    expect(await stateOf(`plain.${parent}`)).toBe('unsigned');
  },
);

test.skipIf(!able).each(PARENTS.map(([parent]) => parent))(
  '%s: whoever takes the DS away is found out, whatever is put in its place',
  async (parent) => {
    const signed = `signed.${parent}`;
    const bare: AskDns = async (name, type) => {
      const message = await ask(name, type);
      return message && name === signed && type === DS ? { ...message, answers: [], authorities: [] } : message;
    };
    expect(await stateOf(signed, bare)).toBe('bogus');
    // Real, signed proofs about other names, and the child's own about itself.
    for (const [other, kind] of [
      [`www.${parent}`, DS],
      [`zz.${parent}`, DS],
      [`nothing-is-here.${parent}`, DS],
      [signed, 16],
    ] as const) {
      const replayed: AskDns = async (name, type) => {
        const message = await ask(name, type);
        if (!message || name !== signed || type !== DS) return message;
        return { ...message, answers: [], authorities: (await ask(other, kind))?.authorities ?? [] };
      };
      expect(await stateOf(signed, replayed), `${other} ${kind}`).toBe('bogus');
    }
    const plain = `plain.${parent}`;
    const forged: AskDns = async (name, type) => {
      const message = await ask(name, type);
      return (
        message && {
          ...message,
          authorities: message.authorities.map((one) =>
            one.type === 47 || one.type === 50
              ? { ...one, data: Buffer.concat([one.data.subarray(0, -1), Buffer.from([0x55])]) }
              : one,
          ),
        }
      );
    };
    expect(await stateOf(plain, forged)).toBe('bogus');
    expect(await stateOf(plain, ask, Date.now() + 400 * 86_400_000)).toBe('bogus');
    // A name of the parent's own is no zone, and the parent proves it.
    expect(await stateOf(`www.${parent}`)).toBe('bogus');
  },
);

test('hashes are those of RFC 5155 appendix A', () => {
  const salt = Buffer.from('aabbccdd', 'hex');
  expect(nsec3Hash('example', salt, 12)).toBe('0p9mhaveqvm6t7vbl5lop2u3t2rp3tom');
  expect(nsec3Hash('a.example', salt, 12)).toBe('35mthgpgcu1qg68fab165klnsnk3dpvl');
  expect(nsec3Hash('x.y.w.example', salt, 12)).toBe('2vptu5timamqttgl4luu9kg21e0aor3s');
});

test('names stand in the order of RFC 4034 section 6.1', () => {
  const order = [
    'example',
    'a.example',
    'yljkjljk.a.example',
    'z.a.example',
    'zabc.a.example',
    'z.example',
    '\x01.z.example',
    '*.z.example',
    '\xc8.z.example',
  ];
  expect(order.toReversed().toSorted(compareNames)).toEqual(order);
});

test('any bytes are a bitmap or none', () => {
  expect([...(typesOf(Buffer.from('0006400100000003', 'hex')) ?? [])]).toEqual([1, 15, 46, 47]);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => void typesOf(Buffer.from(bytes))));
});
