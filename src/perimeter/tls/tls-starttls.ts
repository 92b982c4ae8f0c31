/** Asks protocols that begin in clear to change to TLS; each answer is a bounded line or message. */

import type { Link } from '../perimeter-link.ts';

export const STARTTLS = ['smtp', 'imap', 'pop3', 'ftp', 'ldap', 'postgresql', 'mysql', 'xmpp', 'xmpp-server'] as const;
export type StartTls = (typeof STARTTLS)[number];

const LINES_MAX = 100;
/** 1.3.6.1.4.1.1466.20037 as an ExtendedRequest (RFC 4511 section 4.14). */
const LDAP_STARTTLS = Buffer.from('301d02010177188016312e332e362e312e342e312e313436362e3230303337', 'hex');
/** SSLRequest (PostgreSQL's frontend/backend protocol, section "Message Formats"). */
const POSTGRES_SSL = Buffer.from('0000000804d2162f', 'hex');

/** Reads lines until one begins with three digits and a space; its code, or null. */
async function reply(link: Link): Promise<{ code: number; lines: string[] } | null> {
  const lines: string[] = [];
  while (lines.length < LINES_MAX) {
    const line = await link.line();
    if (line === null) return null;
    lines.push(line);
    const match = /^(\d{3})(?: |$)/.exec(line);
    if (match) return { code: Number(match[1]), lines };
  }
  return null;
}

async function smtp(link: Link): Promise<boolean> {
  if ((await reply(link))?.code !== 220) return false;
  link.write('EHLO asepsis.invalid\r\n');
  const hello = await reply(link);
  if (!hello?.lines.some((line) => /^250[ -]STARTTLS\s*$/i.test(line))) return false;
  link.write('STARTTLS\r\n');
  return (await reply(link))?.code === 220;
}

async function ftp(link: Link): Promise<boolean> {
  if ((await reply(link))?.code !== 220) return false;
  link.write('AUTH TLS\r\n');
  return (await reply(link))?.code === 234;
}

async function pop3(link: Link): Promise<boolean> {
  if (!(await link.line())?.startsWith('+OK')) return false;
  link.write('STLS\r\n');
  return (await link.line())?.startsWith('+OK') ?? false;
}

async function imap(link: Link): Promise<boolean> {
  if (!(await link.line())?.startsWith('* ')) return false;
  link.write('a1 STARTTLS\r\n');
  for (let i = 0; i < LINES_MAX; i++) {
    const line = await link.line();
    if (line === null) return false;
    if (line.startsWith('a1 ')) return /^a1 OK/i.test(line);
  }
  return false;
}

async function ldap(link: Link): Promise<boolean> {
  link.write(LDAP_STARTTLS);
  const head = await link.read(2);
  if (head?.readUInt8(0) !== 0x30 || head.readUInt8(1) > 127) return false;
  const body = await link.read(head.readUInt8(1));
  // resultCode is the first ENUMERATED: 0 is success.
  const at = body?.indexOf(Buffer.from([0x0a, 0x01])) ?? -1;
  return body !== null && at >= 0 && body[at + 2] === 0;
}

async function postgresql(link: Link): Promise<boolean> {
  link.write(POSTGRES_SSL);
  return (await link.read(1))?.toString('latin1') === 'S';
}

async function mysql(link: Link): Promise<boolean> {
  const head = await link.read(4);
  const length = head?.readUIntLE(0, 3) ?? 0;
  if (length < 20 || length > 1024) return false;
  const greeting = await link.read(length);
  const end = greeting?.indexOf(0, 1) ?? -1;
  if (!greeting || end < 0 || end + 16 > greeting.length) return false;
  // Protocol::HandshakeV10: thread id 4, salt 8, filler 1, then the lower capability flags; CLIENT_SSL is 0x0800.
  if ((greeting.readUInt16LE(end + 14) & 0x0800) === 0) return false;
  const request = Buffer.alloc(36);
  request.writeUIntLE(32, 0, 3);
  request.writeUInt8(1, 3);
  // CLIENT_PROTOCOL_41 | CLIENT_SSL | CLIENT_SECURE_CONNECTION
  request.writeUInt32LE(0x0000_8a00, 4);
  request.writeUInt32LE(1 << 24, 8);
  request.writeUInt8(33, 12);
  link.write(request);
  return true;
}

async function xmpp(link: Link, to: string, kind: 'client' | 'server'): Promise<boolean> {
  const name = /^[a-z0-9.:-]+$/i.test(to) ? to : 'localhost';
  link.write(
    `<?xml version='1.0'?><stream:stream xmlns='jabber:${kind}' xmlns:stream='http://etherx.jabber.org/streams' to='${name}' version='1.0'>`,
  );
  const until = async (word: RegExp) => {
    let text = '';
    while (text.length < 16_384) {
      const more = await link.some();
      if (!more) return false;
      text += more.toString('latin1');
      if (word.test(text)) return true;
    }
    return false;
  };
  if (!(await until(/urn:ietf:params:xml:ns:xmpp-tls/))) return false;
  link.write(`<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`);
  return until(/<proceed/);
}

/** True when the server now waits for a ClientHello. */
export function startTls(link: Link, protocol: StartTls, host: string): Promise<boolean> {
  switch (protocol) {
    case 'smtp':
      return smtp(link);
    case 'ftp':
      return ftp(link);
    case 'pop3':
      return pop3(link);
    case 'imap':
      return imap(link);
    case 'ldap':
      return ldap(link);
    case 'postgresql':
      return postgresql(link);
    case 'mysql':
      return mysql(link);
    case 'xmpp':
      return xmpp(link, host, 'client');
    case 'xmpp-server':
      return xmpp(link, host, 'server');
  }
}
