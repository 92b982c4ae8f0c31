import { createHash, createPrivateKey, randomBytes, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import 'reflect-metadata';
import { BasicConstraintsExtension, X509CertificateGenerator } from '@peculiar/x509';
import { afterAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { parseGatewayConfig } from './gateway-config.ts';
import { registeredPasskey } from './gateway-factors.ts';

const folder = mkdtempSync(join(tmpdir(), 'asepsis-attestation-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const PARTY = { id: 'login.hosp.example', name: 'Hospital', origin: 'https://login.hosp.example' };
const MODEL = '2fc0579f-8113-47ea-b116-bb5a8db9202a';
const OTHER = 'ee882879-721c-4913-9775-3dfcce97072a';
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** As much of CBOR (RFC 8949) as an attestation needs, written here so that reader and writer are not the same code. */
function cbor(value: unknown): Buffer {
  const head = (major: number, count: number) =>
    count < 24
      ? Buffer.from([(major << 5) | count])
      : count < 256
        ? Buffer.from([(major << 5) | 24, count])
        : Buffer.from([(major << 5) | 25, count >> 8, count & 255]);
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value);
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.length), value]);
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(cbor)]);
  const entries = [...(value as Map<unknown, unknown>)];
  return Buffer.concat([head(5, entries.length), ...entries.flatMap(([key, one]) => [cbor(key), cbor(one)])]);
}

const keyPair = () => crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
async function maker(name: string) {
  const keys = await keyPair();
  const root = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: ALGORITHM,
    notBefore: new Date(Date.now() - 86_400_000),
    notAfter: new Date(Date.now() + 864_000_000),
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  });
  return { keys, root };
}

/** A key that enrols: its own credential, and a statement by a batch certificate of its maker, by itself, or none. */
async function enrol(
  passkeys: object,
  by: Awaited<ReturnType<typeof maker>> | 'itself' | 'nobody',
  aaguid = MODEL,
): Promise<'ok' | 'wrong' | 'model'> {
  const config = parseGatewayConfig(stringify({ origin: PARTY.origin, passkeys }), 'x');
  const challenge = randomBytes(32).toString('base64url');
  const clientData = Buffer.from(
    JSON.stringify({ type: 'webauthn.create', challenge, origin: PARTY.origin, crossOrigin: false }),
  );
  const credential = await keyPair();
  const jwk = await crypto.subtle.exportKey('jwk', credential.publicKey);
  const id = randomBytes(16);
  const cose = cbor(
    new Map<number, unknown>([
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, Buffer.from(jwk.x as string, 'base64url')],
      [-3, Buffer.from(jwk.y as string, 'base64url')],
    ]),
  );
  const authData = Buffer.concat([
    createHash('sha256').update(PARTY.id).digest(),
    Buffer.from([0x45, 0, 0, 0, 1]),
    Buffer.from(aaguid.replaceAll('-', ''), 'hex'),
    Buffer.from([0, id.length]),
    id,
    cose,
  ]);
  const signed = Buffer.concat([authData, createHash('sha256').update(clientData).digest()]);
  const signWith = async (key: CryptoKey) =>
    sign(
      'sha256',
      signed,
      createPrivateKey({ key: Buffer.from(await crypto.subtle.exportKey('pkcs8', key)), format: 'der', type: 'pkcs8' }),
    );
  let statement = new Map<string, unknown>();
  if (by === 'itself')
    statement = new Map<string, unknown>([
      ['alg', -7],
      ['sig', await signWith(credential.privateKey)],
    ]);
  else if (by !== 'nobody') {
    const batch = await keyPair();
    const leaf = await X509CertificateGenerator.create({
      subject: 'C=SE, O=Maker, OU=Authenticator Attestation, CN=Batch 1',
      issuer: by.root.subject,
      publicKey: batch.publicKey,
      signingKey: by.keys.privateKey,
      signingAlgorithm: ALGORITHM,
      notBefore: new Date(Date.now() - 86_400_000),
      notAfter: new Date(Date.now() + 86_400_000),
      extensions: [new BasicConstraintsExtension(false, undefined, true)],
    });
    statement = new Map<string, unknown>([
      ['alg', -7],
      ['sig', await signWith(batch.privateKey)],
      ['x5c', [new Uint8Array(leaf.rawData)]],
    ]);
  }
  const object = cbor(
    new Map<string, unknown>([
      ['fmt', by === 'nobody' ? 'none' : 'packed'],
      ['attStmt', statement],
      ['authData', authData],
    ]),
  );
  const answer = await registeredPasskey(PARTY, config, {
    account: 'anna',
    name: 'key',
    nowMs: Date.now(),
    challenge,
    response: {
      id: id.toString('base64url'),
      rawId: id.toString('base64url'),
      type: 'public-key',
      clientExtensionResults: {},
      response: {
        clientDataJSON: clientData.toString('base64url'),
        attestationObject: object.toString('base64url'),
        transports: ['usb'],
      },
    },
  });
  return answer.ok ? 'ok' : answer.why;
}

test('without a list every key enrols; a list lets in its models only, and needs a maker that vouches', async () => {
  const good = await maker('Maker Root');
  const list = { attestation: 'direct', allowed_aaguids: [MODEL] };
  for (const by of [good, 'itself', 'nobody'] as const) expect(await enrol({}, by)).toBe('ok');
  expect(await enrol(list, good)).toBe('ok');
  expect(await enrol(list, good, OTHER)).toBe('model');
  // A program that says to be that model.
  expect(await enrol(list, 'itself')).toBe('model');
  expect(await enrol(list, 'nobody')).toBe('model');
});

test('with the makers’ roots, a certificate of somebody else’s vouches for nothing', async () => {
  const [good, bad] = [await maker('Maker Root'), await maker('Maker Root')];
  const file = join(folder, 'roots.pem');
  writeFileSync(file, `Maker\n${good.root.toString('pem')}\n`);
  const list = { attestation: 'direct', allowed_aaguids: [MODEL], attestation_roots_file: file };
  expect(await enrol(list, good)).toBe('ok');
  expect(await enrol(list, bad)).toBe('model');
  expect(await enrol({ ...list, attestation_roots_file: join(folder, 'gone.pem') }, good)).toBe('model');
});

test('a list without attestation is a fault of the file', () => {
  expect(() =>
    parseGatewayConfig(stringify({ origin: PARTY.origin, passkeys: { allowed_aaguids: [MODEL] } }), 'x'),
  ).toThrow(/attestation: direct/);
});
