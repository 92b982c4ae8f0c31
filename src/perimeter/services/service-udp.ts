/** Chosen UDP services, each asked once: DNS, SNMP, NTP, IKE, SIP. */

import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { dnsQuery, readMessage } from '../perimeter-dns.ts';
import type { ProbeContext } from '../perimeter-probe.ts';
import { at, fix, oneLine, type ServiceView, type Weakness } from '../perimeter-weakness.ts';

export interface UdpProbe {
  readonly service: string;
  readonly port: number;
  readonly look: (context: ProbeContext) => Promise<ServiceView | null>;
}

async function send(context: ProbeContext, payload: Buffer, purpose: string): Promise<Buffer | null> {
  const fixed = isIP(context.host) ? {} : { address: context.address };
  const [answer] = await context.gate.ask({ host: context.host, port: context.port, ...fixed }, payload, purpose, {
    timeoutMs: 1200,
  });
  return answer ?? null;
}

const view = (
  service: string,
  banner: string | null,
  facts: ServiceView['facts'],
  weaknesses: readonly Weakness[],
  software: ServiceView['software'] = [],
): ServiceView => ({
  service,
  tls: false,
  banner: banner === null ? null : oneLine(banner),
  software,
  facts,
  weaknesses,
});

const dns: UdpProbe = {
  service: 'dns',
  port: 53,
  look: async (context) => {
    const query = dnsQuery('example.com', 1);
    const answer = await send(context, query, 'dns recursion');
    const version = await send(context, dnsQuery('version.bind', 16, 3, false), 'dns version');
    if (!answer && !version) return null;
    const flags =
      answer && answer.length >= 12 && answer.readUInt16BE(0) === query.readUInt16BE(0) ? answer.readUInt16BE(2) : 0;
    const recursion = (flags & 0x8080) === 0x8080 && (flags & 15) !== 5;
    const where = at(context.host, context.port);
    const told = version ? readMessage(version)?.answers.find(({ type }) => type === 16)?.data : undefined;
    const tail = told ? oneLine(told.toString('latin1', 1, 1 + Math.min(64, told[0] ?? 0))) : '';
    const weaknesses: Weakness[] = [];
    if (recursion)
      weaknesses.push({
        kind: 'open-resolver',
        severity: context.outside ? 'high' : 'low',
        title: `DNS on ${where} resolves foreign names for whoever asks`,
        why: 'It is used to amplify attacks on others, and its cache can be poisoned.',
        seen: 'A question for example.com was taken on (recursion available)',
        command: `dig @${context.host} -p ${context.port} example.com A +recurse`,
        fix: fix(
          `Close recursion on ${where}`,
          'BIND: recursion no; (authoritative), or allow-recursion { the hospital’s networks; }; Unbound: access-control. Windows DNS: disable recursion, or policies.',
          'minutes',
          true,
        ),
      });
    if (/\d+\.\d+/.test(tail))
      weaknesses.push({
        kind: 'dns-version-told',
        severity: 'information',
        title: `DNS on ${where} tells its version`,
        why: 'Scanners pick servers by it.',
        seen: `version.bind is "${tail}"`,
        command: `dig @${context.host} -p ${context.port} version.bind TXT CH`,
        fix: fix(`Hide the version on ${where}`, 'BIND: options { version none; };'),
      });
    const bind = /^(\d+\.\d+\.\d+)/.exec(tail)?.[1];
    return view(
      'dns',
      tail || null,
      { recursion },
      weaknesses,
      bind === undefined ? [] : [{ name: 'bind', version: bind }],
    );
  },
};

/** SNMPv3 engine discovery (RFC 3414 section 4): no community, no user. */
const SNMP3_DISCOVERY = Buffer.from(
  '303e020103301102047a6b1d00020300ffe30401040201030410300e0400020100020100040004000400301404000400a00e020400b7d3a10201000201003000',
  'hex',
);
/** GET sysDescr.0 with the community "public" (v2c): only where the scope authorises it for this host. */
const SNMP_PUBLIC = Buffer.from(
  '302902010104067075626c6963a01c02047a6b1d01020100020100300e300c06082b060102010101000500',
  'hex',
);

const snmp: UdpProbe = {
  service: 'snmp',
  port: 161,
  look: async (context) => {
    const where = at(context.host, context.port);
    const discovery = await send(context, SNMP3_DISCOVERY, 'snmp discovery');
    const guess = context.mayGuess?.(context.address)
      ? await send(context, SNMP_PUBLIC, 'snmp community public')
      : null;
    if (discovery?.[0] !== 0x30 && guess?.[0] !== 0x30) return null;
    const weaknesses: Weakness[] = [];
    if (context.outside)
      weaknesses.push({
        kind: 'exposed-service',
        key: 'snmp',
        severity: 'high',
        title: `SNMP faces outside on ${where}`,
        why: 'Community strings are guessed, and it amplifies attacks on others.',
        seen: 'SNMP answered',
        command: `snmpget -v3 -l noAuthNoPriv -u x ${where} 1.3.6.1.2.1.1.1.0`,
        fix: fix(
          `Close SNMP on ${where} to the outside`,
          'Let the firewall allow port 161 from the monitoring server only.',
          'minutes',
          true,
        ),
      });
    if (guess?.[0] === 0x30)
      weaknesses.push({
        kind: 'default-credentials',
        key: 'snmp',
        severity: 'high',
        title: `SNMP on ${where} answers to "public"`,
        why: 'Anybody reads how the machine is built, and sometimes changes it.',
        seen: 'sysDescr was answered (its text is not kept)',
        command: `snmpget -v2c -c public ${where} 1.3.6.1.2.1.1.1.0`,
        fix: fix(
          `Change SNMP on ${where}`,
          'Use SNMPv3 with authPriv; remove the communities public and private.',
          'minutes',
          true,
        ),
      });
    return view('snmp', null, { v3: discovery !== null }, weaknesses);
  },
};

const ntp: UdpProbe = {
  service: 'ntp',
  port: 123,
  look: async (context) => {
    const ask = Buffer.alloc(48);
    ask.writeUInt8(0x23);
    const answer = await send(context, ask, 'ntp');
    // READVAR of mode 6 (RFC 9327): answers are larger than questions.
    const control = await send(context, Buffer.from('160200010000000000000000', 'hex'), 'ntp control');
    if ((answer?.length ?? 0) < 48 && !control) return null;
    const where = at(context.host, context.port);
    const open = control !== null && control.length > 12;
    return view(
      'ntp',
      null,
      { stratum: answer?.[1] ?? 0 },
      open
        ? [
            {
              kind: 'ntp-control',
              severity: context.outside ? 'medium' : 'low',
              title: `NTP on ${where} answers control questions`,
              why: 'It tells about itself, and amplifies attacks on others.',
              seen: `A question of 12 bytes was answered with ${control.length}`,
              command: `ntpq -c rv ${context.host}`,
              fix: fix(
                `Restrict NTP on ${where}`,
                'ntp.conf: restrict default kod limited nomodify noquery; or use chrony, which answers none.',
              ),
            },
          ]
        : [],
    );
  },
};

/** One transform of a proposal (RFC 7296 section 3.3.2). */
const transform = (last: boolean, type: number, id: number, keyBits = 0) => {
  const attribute = keyBits > 0 ? [0x80, 0x0e, keyBits >> 8, keyBits & 255] : [];
  return Buffer.from([last ? 0 : 3, 0, 0, 8 + attribute.length, type, 0, id >> 8, id & 255, ...attribute]);
};
const payload = (next: number, body: Buffer) =>
  Buffer.concat([Buffer.from([next, 0, (body.length + 4) >> 8, (body.length + 4) & 255]), body]);

/** A whole IKE_SA_INIT with usual algorithms: what is less is dropped in silence by many. The exchange is not gone on with. */
function ikeInit(spi: Buffer): Buffer {
  const transforms = [
    transform(false, 1, 12, 256), // AES-CBC
    transform(false, 1, 12, 128),
    transform(false, 2, 5), // HMAC-SHA2-256
    transform(false, 2, 2), // HMAC-SHA1
    transform(false, 3, 12), // HMAC-SHA2-256-128
    transform(false, 3, 2), // HMAC-SHA1-96
    transform(false, 4, 14), // 2048-bit MODP
    transform(true, 4, 19), // 256-bit ECP
  ];
  const list = Buffer.concat(transforms);
  const proposal = Buffer.concat([Buffer.from([0, 0, 0, 8 + list.length, 1, 1, 0, transforms.length]), list]);
  const body = Buffer.concat([
    payload(34, proposal),
    payload(40, Buffer.concat([Buffer.from([0, 14, 0, 0]), randomBytes(256)])),
    payload(0, randomBytes(32)),
  ]);
  const head = Buffer.alloc(28);
  spi.copy(head);
  head.writeUInt8(33, 16);
  head.writeUInt8(0x20, 17);
  head.writeUInt8(34, 18);
  head.writeUInt8(0x08, 19);
  head.writeUInt32BE(28 + body.length, 24);
  return Buffer.concat([head, body]);
}

const ike: UdpProbe = {
  service: 'ike',
  port: 500,
  look: async (context) => {
    const spi = randomBytes(8);
    const answer = await send(context, ikeInit(spi), 'ike');
    if (!answer || answer.length < 28 || !answer.subarray(0, 8).equals(spi)) return null;
    return view('ike', null, { version: (answer[17] ?? 0) >> 4 }, []);
  },
};

const sip: UdpProbe = {
  service: 'sip',
  port: 5060,
  look: async (context) => {
    const tag = randomBytes(6).toString('hex');
    const answer = await send(
      context,
      Buffer.from(
        `OPTIONS sip:${at(context.host, 5060)} SIP/2.0\r\nVia: SIP/2.0/UDP asepsis.invalid;branch=z9hG4bK${tag};rport\r\nMax-Forwards: 1\r\nFrom: <sip:look@asepsis.invalid>;tag=${tag}\r\nTo: <sip:${context.host}>\r\nCall-ID: ${tag}@asepsis.invalid\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n`,
      ),
      'sip options',
    );
    const text = answer?.toString('latin1') ?? '';
    if (!text.startsWith('SIP/2.0 ')) return null;
    const agent = /^(?:Server|User-Agent):\s*(.{1,100})/im.exec(text)?.[1]?.trim() ?? null;
    return view(
      'sip',
      agent,
      { status: text.slice(8, 11) },
      context.outside
        ? [
            {
              kind: 'exposed-service',
              key: 'sip',
              severity: 'medium',
              title: `Telephony (SIP) faces outside on ${at(context.host, context.port)}`,
              why: 'Passwords of extensions are guessed, and calls are made at your cost.',
              seen: 'OPTIONS was answered',
              command: `nmap -Pn -sU -p ${context.port} --script sip-methods ${context.host}`,
              fix: fix(
                `Close SIP on ${context.host} to the outside`,
                'Allow the provider’s addresses only.',
                'minutes',
                true,
              ),
            },
          ]
        : [],
    );
  },
};

export const UDP_PROBES: readonly UdpProbe[] = [dns, snmp, ntp, ike, sip];
