/** Active checks, each only where the scope names it: Heartbleed, CCS injection, ROBOT, Ticketbleed. Nothing read is kept. */

import { constants, createPublicKey, publicEncrypt, randomBytes, X509Certificate } from 'node:crypto';
import type { Gate } from '../perimeter-gate.ts';
import type { Link } from '../perimeter-link.ts';
import type { ActiveCheck } from '../perimeter-schema.ts';
import { secure } from '../perimeter-secure.ts';
import { at, fix, type Weakness } from '../perimeter-weakness.ts';
import { messages, parseServerHello, readRecord } from './tls-answer.ts';
import { CIPHER_NAMES, cipherName, isTls13Cipher } from './tls-ciphers.ts';
import { clientHello, record } from './tls-hello.ts';
import type { TlsProfile } from './tls-profile.ts';
import { createTalker, type Talker, type TlsTarget } from './tls-talk.ts';

const OLD = [...CIPHER_NAMES.keys()].filter((code) => !isTls13Cipher(code));

/** Says hello and reads the first flight to its end; the certificate and version that came with it. */
async function begin(
  talker: Talker,
  purpose: string,
  o: { ciphers?: readonly number[]; version?: 'TLS 1.0' | 'TLS 1.2'; sessionId?: Buffer; ticket?: Buffer },
): Promise<{ link: Link; version: number; leaf: Buffer | null; heartbeat: boolean; sessionId: Buffer } | null> {
  const link = await talker.connect(purpose);
  if (typeof link === 'string') return null;
  const version = o.version ?? 'TLS 1.2';
  link.write(
    clientHello({
      version,
      ciphers: [...(o.ciphers ?? OLD), 0x00ff],
      name: talker.name,
      curious: true,
      ...(o.sessionId ? { sessionId: o.sessionId } : {}),
      ...(o.ticket ? { ticket: o.ticket } : {}),
    }),
  );
  let leaf: Buffer | null = null;
  let hello: ReturnType<typeof parseServerHello> = null;
  for await (const message of messages(link)) {
    if ('kind' in message) break;
    if (message.type === 2) {
      hello = parseServerHello(message.body, message.raw);
      // A server that resumes what we invented goes on with what only it knows: its hello is all that is wanted.
      if (o.ticket) break;
    }
    if (message.type === 11 && message.body.length > 6)
      leaf = message.body.subarray(6, 6 + message.body.readUIntBE(3, 3));
    if (message.type === 14) break;
  }
  if (!hello) {
    link.close();
    return null;
  }
  return { link, version: hello.version, leaf, heartbeat: hello.extensions.has(15), sessionId: hello.sessionId };
}

/** CVE-2014-0160: a heartbeat that claims 64 bytes more than it brings. One answer that is too long is proof. */
async function heartbleed(talker: Talker): Promise<boolean> {
  const started = await begin(talker, 'heartbleed', {});
  if (!started) return false;
  const { link, version, heartbeat } = started;
  try {
    if (!heartbeat) return false;
    link.write(record(24, version, Buffer.concat([Buffer.from([1, 0, 64]), Buffer.alloc(0)])));
    for (let i = 0; i < 4; i++) {
      const next = await readRecord(link);
      if (next === null || typeof next === 'string') return false;
      if (next.type === 24) return next.body.length >= 3 + 64 && next.body[0] === 2;
      if (next.type === 21) return false;
    }
    return false;
  } finally {
    link.close();
  }
}

/** CVE-2014-0224: a ChangeCipherSpec before keys were exchanged must end the connection at once. */
async function ccsInjection(talker: Talker): Promise<boolean> {
  const started = await begin(talker, 'ccs injection', {});
  if (!started) return false;
  const { link, version } = started;
  try {
    link.write(record(20, version, Buffer.from([1])));
    const first = await Promise.race([
      readRecord(link),
      new Promise<'waiting'>((resolve) => setTimeout(resolve, 700, 'waiting')),
    ]);
    // A healthy server says unexpected_message (10) or closes; one that took it waits, and says later that it cannot decrypt.
    if (first !== 'waiting') return false;
    link.write(record(20, version, Buffer.from([1])));
    const second = await readRecord(link);
    return (
      second !== null &&
      typeof second !== 'string' &&
      second.type === 21 &&
      (second.body[1] === 20 || second.body[1] === 21)
    );
  } finally {
    link.close();
  }
}

/** ROBOT (CVE-2017-13099 and kin): five ways of wrong padding must all be answered alike. */
async function robot(talker: Talker, profile: TlsProfile): Promise<boolean> {
  const names = profile.versions.flatMap(({ ciphers }) => ciphers).filter((name) => name.startsWith('TLS_RSA_WITH_'));
  const ciphers = [...CIPHER_NAMES.keys()].filter((code) => names.includes(cipherName(code)));
  if (ciphers.length === 0) return false;
  const answersOf = async (finish: boolean): Promise<string[]> => {
    const one = async (kind: string): Promise<string | null> => {
      const started = await begin(talker, 'robot', { ciphers });
      if (!started?.leaf) return null;
      const { link, version, leaf } = started;
      try {
        const key = createPublicKey(new X509Certificate(leaf).publicKey.export({ type: 'spki', format: 'pem' }));
        const size = Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 2048) / 8);
        const encrypted = publicEncrypt({ key, padding: constants.RSA_NO_PADDING }, paddedBlock(kind, size, version));
        const body = Buffer.concat([Buffer.from([encrypted.length >> 8, encrypted.length & 255]), encrypted]);
        const exchange = record(
          22,
          version,
          Buffer.concat([Buffer.from([16, 0, body.length >> 8, body.length & 255]), body]),
        );
        const end = finish
          ? Buffer.concat([record(20, version, Buffer.from([1])), record(22, version, randomBytes(48))])
          : Buffer.alloc(0);
        link.write(Buffer.concat([exchange, end]));
        const answer = await Promise.race([
          readRecord(link),
          new Promise<'waiting'>((resolve) => setTimeout(resolve, 900, 'waiting')),
        ]);
        if (answer === 'waiting') return answer;
        if (answer === null) return link.ended ?? 'closed';
        return typeof answer === 'string' ? answer : `${answer.type}:${answer.body[1] ?? ''}`;
      } finally {
        link.close();
      }
    };
    const answers = (
      await Promise.all(['right', 'wrong-start', 'zero-missing', 'zero-early', 'wrong-version'].map(one))
    ).filter((answer) => answer !== null);
    return answers;
  };
  for (const finish of [true, false]) {
    const first = await answersOf(finish);
    if (first.length < 5 || new Set(first).size === 1) continue;
    // Only a difference that repeats is an oracle, and not a network that dropped something.
    const again = [await answersOf(finish), await answersOf(finish)];
    if (again.every((answers) => answers.join() === first.join())) return true;
  }
  return false;
}

function paddedBlock(kind: string, size: number, version: number): Buffer {
  const secret = Buffer.concat([Buffer.from([version >> 8, version & 255]), randomBytes(46)]);
  const padding = Buffer.alloc(size - 3 - secret.length, 0x42);
  const block = Buffer.concat([Buffer.from([0, 2]), padding, Buffer.from([0]), secret]);
  if (kind === 'wrong-start') block[1] = 1;
  if (kind === 'zero-missing') block[size - 49] = 0x42;
  if (kind === 'zero-early') block[size - 40] = 0;
  if (kind === 'wrong-version') block.writeUInt16BE(0x0202, size - 48);
  return block;
}

/** A ticket of TLS 1.2 that the server itself gave, by a whole handshake; null where it gives none. */
async function ownTicket(talker: Talker): Promise<Buffer | null> {
  const link = await talker.connect('ticket');
  if (typeof link === 'string') return null;
  link.detach();
  const inner = await secure(link.socket, talker.name, { maxVersion: 'TLSv1.2' });
  const ticket = inner?.getTLSTicket() ?? null;
  inner?.destroy();
  link.close();
  return ticket;
}

/** Ticketbleed (CVE-2016-9244): with a ticket that is taken, a session id of one byte comes back as one byte, not as 32. */
async function ticketbleed(talker: Talker): Promise<boolean> {
  const ticket = await ownTicket(talker);
  if (!ticket) return false;
  // A new session has an id of its own, which may begin like ours by chance: not three times.
  for (const first of [0x5a, 0xc3, 0x17]) {
    const started = await begin(talker, 'ticketbleed', { sessionId: Buffer.from([first]), ticket });
    started?.link.close();
    if (!started || started.sessionId.length < 2 || started.sessionId[0] !== first) return false;
  }
  return true;
}

export async function activeChecks(
  gate: Gate,
  target: TlsTarget,
  profile: TlsProfile,
  wanted: readonly ActiveCheck[],
): Promise<Weakness[]> {
  const older = profile.versions.some(({ version }) => version !== 'TLS 1.3' && version !== 'SSL 2.0');
  if (wanted.length === 0 || !older) return [];
  const talker = createTalker(gate, target);
  const where = at(target.host, target.port);
  const checks: Record<
    ActiveCheck,
    { run: () => Promise<boolean>; name: string; why: string; how: string; script: string }
  > = {
    heartbleed: {
      run: () => heartbleed(talker),
      name: 'Heartbleed (CVE-2014-0160)',
      why: 'Anybody reads the server’s memory: keys, passwords, patients.',
      how: 'Update OpenSSL, then replace key and certificate and change passwords.',
      script: 'ssl-heartbleed',
    },
    'ccs-injection': {
      run: () => ccsInjection(talker),
      name: 'CCS injection (CVE-2014-0224)',
      why: 'Somebody in the path sets the keys.',
      how: 'Update OpenSSL.',
      script: 'ssl-ccs-injection',
    },
    robot: {
      run: () => robot(talker, profile),
      name: 'ROBOT (CVE-2017-13099 and kin)',
      why: 'Recorded traffic can be decrypted, by asking the server.',
      how: 'Switch off the suites that begin with TLS_RSA_, and update.',
      script: 'ssl-enum-ciphers',
    },
    ticketbleed: {
      run: () => ticketbleed(talker),
      name: 'Ticketbleed (CVE-2016-9244)',
      why: 'Anybody reads pieces of the server’s memory.',
      how: 'Update BIG-IP, or switch off session tickets.',
      script: 'tls-ticketbleed',
    },
  };
  const found: Weakness[] = [];
  for (const name of wanted) {
    const check = checks[name];
    if (!(await check.run().catch(() => false))) continue;
    found.push({
      kind: 'tls-vulnerability',
      key: name,
      severity: 'critical',
      title: `${check.name} on ${where}`,
      why: check.why,
      seen: 'The server answered as only a vulnerable one does (nothing of the answer is kept)',
      command: `nmap -Pn -p ${target.port} --script ${check.script} ${target.host}`,
      fix: fix(`Update TLS on ${where}`, check.how, 'hours', true),
    });
  }
  return found;
}
