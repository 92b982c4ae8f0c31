/** Whole inspections: planted patients and secrets are found, on any port and in any cut, and none of them comes out. */

import { describe, expect, test } from 'vitest';
import { assessInspection } from './network-assess.ts';
import { createCaptureReader } from './network-capture.ts';
import { createInspector } from './network-inspect.ts';
import { keyedHash } from './network-service.ts';
import {
  CANARY,
  connection,
  dicomStore,
  ethernet,
  HL7,
  ipv4,
  MLLP,
  pcap,
  pcapng,
  type Sent,
  said,
  tcp,
  udp,
} from './network-testing.ts';

function inspectBytes(capture: Uint8Array, piece = capture.length) {
  const inspector = createInspector({ hash: keyedHash(Buffer.from('key')), flowsMax: 256 });
  const reader = createCaptureReader(inspector.frame);
  for (let at = 0; at < capture.length; at += piece) reader.push(capture.subarray(at, at + piece));
  const end = reader.end();
  const seen = inspector.finish();
  const findings = assessInspection(seen, { routers: new Set() });
  const all = JSON.stringify([
    findings,
    [...seen.pairs],
    seen.leaks.map((leak) => [...leak.fields, ...leak.names, ...leak.what]),
  ]);
  for (const canary of Object.values(CANARY)) expect(all).not.toContain(canary);
  expect(all).not.toContain(Buffer.from(CANARY.secret).toString('base64').slice(0, 12));
  return { findings, seen, end };
}
const inspectTalk = (talk: readonly Sent[], size?: number) =>
  inspectBytes(pcap(connection(talk, size === undefined ? {} : { size }))).findings;

const plain = (text: string) => Buffer.from(text).toString('base64');
const { secret, account } = CANARY;

const LOGINS: readonly (readonly [string, string, readonly Sent[]])[] = [
  [
    'http',
    'Basic',
    [said('client', `GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic ${plain(`${account}:${secret}`)}\r\n\r\n`)],
  ],
  ['http', 'Bearer', [said('client', `GET / HTTP/1.1\r\nAuthorization: Bearer ${secret}\r\n\r\n`)]],
  [
    'http',
    'Digest',
    [said('client', `GET / HTTP/1.1\r\nAuthorization: Digest username="${account}", response="1"\r\n\r\n`)],
  ],
  [
    'http',
    'form',
    [
      said(
        'client',
        `POST /in HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${`user=a&password=${secret}`.length}\r\n\r\nuser=a&password=${secret}`,
      ),
    ],
  ],
  [
    'ftp',
    'PASS',
    [
      said('server', '220 files\r\n'),
      said('client', `USER ${account}\r\n`),
      said('server', '331 ok\r\n'),
      said('client', `PASS ${secret}\r\n`),
    ],
  ],
  [
    'pop3',
    'PASS',
    [
      said('server', '+OK here\r\n'),
      said('client', `USER ${account}\r\n`),
      said('server', '+OK\r\n'),
      said('client', `PASS ${secret}\r\n`),
    ],
  ],
  ['imap', 'LOGIN', [said('server', '* OK IMAP4\r\n'), said('client', `a1 LOGIN ${account} ${secret}\r\n`)]],
  [
    'smtp',
    'AUTH PLAIN',
    [
      said('server', '220 mail ESMTP\r\n'),
      said('client', 'EHLO x\r\n'),
      said('server', '250-mail\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n'),
      said('client', `AUTH PLAIN ${plain(`\0${account}\0${secret}`)}\r\n`),
    ],
  ],
  [
    'smtp',
    'AUTH LOGIN',
    [
      said('server', '220 mail ESMTP\r\n'),
      said('client', 'EHLO x\r\n'),
      said('server', '250 AUTH LOGIN\r\n'),
      said('client', 'AUTH LOGIN\r\n'),
      said('server', '334 VXNlcm5hbWU6\r\n'),
      said('client', `${plain(account)}\r\n`),
      said('server', '334 UGFzc3dvcmQ6\r\n'),
      said('client', `${plain(secret)}\r\n`),
    ],
  ],
  [
    'telnet',
    'password',
    [
      said('server', '\xff\xfd\x18\r\nlogin: '),
      said('client', `${account}\r\n`),
      said('server', '\r\nPassword: '),
      said('client', `${secret}\r\n`),
    ],
  ],
  [
    'ldap',
    'simple bind',
    [
      {
        from: 'client',
        bytes: Buffer.concat([
          Buffer.from([0x30, 12 + 4 + secret.length, 2, 1, 1, 0x60, 7 + 4 + secret.length, 2, 1, 3, 4, 4]),
          Buffer.from('cn=a'),
          Buffer.from([0x80, secret.length]),
          Buffer.from(secret),
        ]),
      },
    ],
  ],
  [
    'postgresql',
    'clear password',
    [
      said('client', '\0\0\0\x16\0\x03\0\0user\0someone\0\0'),
      said('server', 'R\0\0\0\x08\0\0\0\x03'),
      said('client', `p\0\0\0${String.fromCharCode(secret.length + 5)}${secret}\0`),
    ],
  ],
  [
    'mysql',
    'mysql_clear_password',
    [
      said('server', '\x4a\0\0\0\x0a8.0.36\0'.padEnd(4 + 74, 'x')),
      said('client', '\x24\0\0\x01\x05\0\0\0'.padEnd(40, 'y')),
      said('server', '\x16\0\0\x02\xfemysql_clear_password\0'),
      said('client', `${String.fromCharCode(secret.length + 1)}\0\0\x03${secret}\0`),
    ],
  ],
  [
    'mqtt',
    'CONNECT',
    [
      said(
        'client',
        `\x10${String.fromCharCode(10 + 3 + 3 + 2 + secret.length)}\0\x04MQTT\x04\xc2\0\x3c\0\x01c\0\x01u\0${String.fromCharCode(secret.length)}${secret}`,
      ),
    ],
  ],
  [
    'vnc',
    'DES challenge',
    [
      said('server', 'RFB 003.008\n'),
      said('client', 'RFB 003.008\n'),
      said('server', '\x01\x02'),
      said('client', '\x02'),
    ],
  ],
];

describe('log-ins in clear, on a port that says nothing', () => {
  for (const [app, what, talk] of LOGINS) {
    for (const size of [1400, 7, 1]) {
      test(`${app} ${what} in segments of ${size}`, () => {
        const found = inspectTalk(talk, size).filter((one) => one.kind === 'clear-text-credential');
        expect(found.map((one) => [one.evidence[0]?.data?.application, one.evidence[0]?.data?.kinds])).toEqual([
          [app, what],
        ]);
        expect(found[0]?.asset.name).toBe('10.1.9.9');
      });
    }
  }
  test('an SMTP session that switches to TLS keeps its secret', () => {
    const talk = [
      said('server', '220 mail ESMTP\r\n'),
      said('client', 'EHLO x\r\n'),
      said('server', '250 STARTTLS\r\n'),
      said('client', 'STARTTLS\r\n'),
      said('server', '220 go\r\n'),
      said('client', `\x17\x03\x03\0\x40${'AUTH PLAIN abcdefgh\r\n'.padEnd(64, 'z')}`),
    ];
    expect(inspectTalk(talk)).toEqual([]);
  });
});

describe('datagrams', () => {
  const one = (bytes: Uint8Array) =>
    inspectBytes(pcap([ipv4(17, udp(40_000, 40_123, bytes))])).findings[0]?.evidence[0]?.data;
  test('SNMP community', () => {
    const bytes = Buffer.concat([
      Buffer.from([0x30, 7 + secret.length, 2, 1, 1, 4, secret.length]),
      Buffer.from(secret),
      Buffer.from([0xa0, 0]),
    ]);
    expect(one(bytes)).toMatchObject({ application: 'snmp', kinds: 'v2c community' });
  });
  test('TFTP, SIP, RADIUS', () => {
    expect(one(Buffer.from('\0\x02config\0octet\0'))).toMatchObject({ application: 'tftp' });
    const sip = `REGISTER sip:a SIP/2.0\r\nAuthorization: Digest username="${account}", response="x"\r\n\r\n`;
    expect(one(Buffer.from(sip))).toMatchObject({ application: 'sip', kinds: 'Digest' });
    const radius = Buffer.concat([
      Buffer.from([1, 1, 0, 42]),
      Buffer.alloc(16, 9),
      Buffer.from([1, 4, 65, 66, 2, 18]),
      Buffer.alloc(16, 3),
    ]);
    expect(one(radius)).toMatchObject({ application: 'radius', kinds: 'PAP' });
  });
});

describe('patients', () => {
  const fields = 'PID-3, PID-5, PID-7, PID-11, NK1-2, IN1-16';
  for (const size of [1400, 13, 1])
    test(`HL7 over MLLP in segments of ${size}`, () => {
      const [finding] = inspectTalk([said('client', MLLP + MLLP)], size);
      expect(finding).toMatchObject({ kind: 'clear-text-patient-data', severity: 'high', asset: { name: '10.1.2.3' } });
      expect(finding?.evidence[0]?.data).toMatchObject({
        messages: 2,
        patients: 1,
        nhs_numbers: '2 valid, 0 invalid',
        names: 'LAB, WARD7',
      });
      expect(String(finding?.evidence[0]?.data?.fields).replaceAll(' ×2', '')).toBe(fields);
    });
  test('HL7 bare, and in a datagram', () => {
    expect(inspectTalk([said('client', HL7)])[0]?.kind).toBe('clear-text-patient-data');
    expect(inspectBytes(pcap([ipv4(17, udp(4000, 4001, Buffer.from(HL7)))])).findings[0]?.kind).toBe(
      'clear-text-patient-data',
    );
  });
  test('an acknowledgement without a patient is no patient data', () => {
    const found = inspectTalk([said('server', '\x0bMSH|^~\\&|A|B|C|D|2026||ACK|1|P|2.5\rMSA|AA|1\r\x1c\r')]);
    expect(found.map((one) => one.kind)).toEqual(['clear-text-clinical-protocol']);
  });
  test('a connection whose beginning is not in the capture', () => {
    const packets = connection([said('client', 'x'.repeat(50)), said('client', MLLP)]).slice(3);
    expect(inspectBytes(pcap(packets)).findings[0]?.kind).toBe('clear-text-patient-data');
  });
  for (const explicit of [true, false])
    for (const [fragment, size] of [
      [4096, 1400],
      [11, 1400],
      [4096, 1],
    ] as const)
      test(`DICOM ${explicit ? 'explicit' : 'implicit'} in fragments of ${fragment}, segments of ${size}`, () => {
        const [finding] = inspectTalk(dicomStore(explicit, fragment), size);
        expect(finding?.kind).toBe('clear-text-patient-data');
        expect(finding?.evidence[0]?.data).toMatchObject({
          application: 'dicom',
          kinds: 'C-STORE',
          patients: 1,
          fields: '(0010,0010), (0010,0020), (0010,0030)',
        });
      });
  test('DICOM from the middle of an association', () => {
    const talk = dicomStore(true).slice(2);
    expect(inspectTalk(talk)[0]?.evidence[0]?.data).toMatchObject({ application: 'dicom', patients: 1 });
  });
  test('FHIR and DICOMweb bodies and searches', () => {
    const body = JSON.stringify({
      resourceType: 'Bundle',
      entry: [
        {
          resource: {
            resourceType: 'Patient',
            identifier: [{ value: CANARY.nhs }],
            name: [{ family: CANARY.family }],
            birthDate: '1961-11-23',
          },
        },
      ],
    });
    const answer = (type: string, text: string) =>
      said(
        'server',
        `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`,
      );
    const get = (path: string) => said('client', `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    for (const size of [1400, 5]) {
      const [fhir] = inspectTalk([get('/fhir/Patient/1'), answer('application/fhir+json', body)], size);
      expect(fhir?.evidence[0]?.data).toMatchObject({
        application: 'fhir',
        fields: 'Patient.identifier, Patient.name, Patient.birthDate',
        nhs_numbers: '1 valid, 0 invalid',
      });
    }
    const [search] = inspectTalk([get(`/fhir/Patient?family=${CANARY.family}`)]);
    expect(search?.evidence[0]?.data?.fields).toBe('Patient?family');
    const json = JSON.stringify([{ '00100010': { vr: 'PN', Value: [{ Alphabetic: CANARY.family }] } }]);
    expect(
      inspectTalk([get('/dicom-web/studies'), answer('application/dicom+json', json)])[0]?.evidence[0]?.data,
    ).toMatchObject({ application: 'dicomweb', fields: '(0010,0010)' });
  });
});

describe('on the way', () => {
  const packets = connection([said('client', MLLP)], { size: 40 });
  const patient = (frames: readonly Uint8Array[], link = 101) =>
    inspectBytes(pcap(frames, { link })).findings[0]?.evidence[0]?.data?.fields;
  const whole = patient(packets);

  test('every form of capture, in any pieces', () => {
    expect(whole).toContain('PID-5');
    for (const capture of [pcap(packets, { big: true }), pcap(packets, { nano: true }), pcapng(packets)])
      for (const piece of [1, 37, 4096]) {
        const { findings, end } = inspectBytes(capture, piece);
        expect(end.fault).toBeNull();
        expect(findings[0]?.evidence[0]?.data?.fields).toBe(whole);
        expect(findings[0]?.evidence[0]?.data?.first).toBe(
          new Date(
            (1_780_000_000 + 2 + (findings[0]?.evidence[0]?.data?.packet as number) - 3) * 1000 + 500,
          ).toISOString(),
        );
      }
  });
  test('a file that ends early gives what it holds', () => {
    const capture = pcap(packets);
    const { end, findings } = inspectBytes(capture.subarray(0, capture.length - 70));
    expect(end.fault).toContain('middle of a packet');
    expect(findings).toHaveLength(1);
  });
  test('out of order, repeated, overlapping: what came first wins', () => {
    const shuffled = packets.toSpliced(3, 4, packets[6]!, packets[4]!, packets[4]!, packets[5]!, packets[3]!);
    expect(patient(shuffled)).toBe(whole);
    const lie = tcp(51_000, 40_001, 0xfffffff1, 0, 24, Buffer.from('\x0bMSH|^~\\&|'.padEnd(MLLP.length, 'X')));
    expect(patient([...packets.slice(0, -2), ipv4(6, lie), ...packets.slice(-2)])).toBe(whole);
  });
  test('a lost segment costs one segment, not the message', () => {
    expect(patient(packets.toSpliced(4, 1))).toContain('NK1-2, IN1-16');
  });
  test('tunnels and tags', () => {
    const frame = (type: number, head: string) =>
      packets.map((packet) => ethernet(type, Buffer.concat([Buffer.from(head, 'hex'), packet])));
    expect(patient(frame(0x0800, ''), 1)).toBe(whole);
    expect(patient(frame(0x8100, '00050800'), 1)).toBe(whole);
    expect(patient(frame(0x88a8, '0005810000060800'), 1)).toBe(whole);
    expect(patient(frame(0x8864, '1100000100640021'), 1)).toBe(whole);
    expect(patient(frame(0x8847, '0000013f'), 1)).toBe(whole);
    const vxlan = packets.map((p) =>
      ipv4(17, udp(5555, 4789, Buffer.concat([Buffer.from('0800000000000100', 'hex'), ethernet(0x0800, p)]))),
    );
    expect(patient(vxlan)).toBe(whole);
    const gre = packets.map((p) => ipv4(47, Buffer.concat([Buffer.from('00000800', 'hex'), p])));
    expect(patient(gre)).toBe(whole);
    const cooked = packets.map((p) => Buffer.concat([Buffer.from('00000001000602000000000100000800', 'hex'), p]));
    expect(patient(cooked, 113)).toBe(whole);
  });
  test('fragments in any order', () => {
    const datagram = udp(4000, 4001, Buffer.from(HL7));
    const first = ipv4(17, datagram.subarray(0, 80), undefined, undefined, { id: 7, field: 0x2000 });
    const middle = ipv4(17, datagram.subarray(80, 160), undefined, undefined, { id: 7, field: 0x2000 | 10 });
    const last = ipv4(17, datagram.subarray(160), undefined, undefined, { id: 7, field: 20 });
    expect(patient([first, middle, last])).toContain('PID-5');
    expect(patient([last, first, middle])).toContain('PID-5');
    expect(patient([last, middle])).toBeUndefined();
  });
});

test('what nobody can judge is unknown, not protected', () => {
  const states = (talk: readonly Sent[]) =>
    [...inspectBytes(pcap(connection(talk))).seen.pairs.values()].map((pair) => pair.state);
  expect(states([said('client', 'something of its own')])).toEqual(['unknown']);
  expect(states([said('client', 'GET / HTTP/1.1\r\n\r\n')])).toEqual(['unknown']);
  expect(states([])).toEqual([]);
  expect(states([said('server', 'SSH-2.0-x\r\n')])).toEqual(['protected']);
  expect(states([said('client', MLLP)])).toEqual(['clear']);
});

describe('somebody in the middle', () => {
  const arp = (mac: number, address: number) =>
    ethernet(
      0x0806,
      Buffer.from([0, 1, 8, 0, 6, 4, 0, 2, 2, 0, 0, 0, 0, mac, 10, 0, 0, address, 2, 0, 0, 0, 0, 9, 10, 0, 0, 9]),
      mac,
    );
  test('one address, two machines, back and forth', () => {
    const { findings } = inspectBytes(pcap([arp(1, 5), arp(1, 5), arp(2, 5), arp(1, 5), arp(3, 6)], { link: 1 }));
    expect(findings.map((one) => [one.kind, one.asset.name, one.severity])).toEqual([
      ['arp-conflict', '10.0.0.5', 'high'],
    ]);
  });
  test('a router that nobody named', () => {
    const head = Buffer.from(
      `6000000000103aff${'fe80000000000000000000000000000a'}ff020000000000000000000000000001`,
      'hex',
    );
    const frame = ethernet(
      0x86dd,
      Buffer.concat([head, Buffer.from([134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0])]),
      7,
    );
    const { seen, findings } = inspectBytes(pcap([frame], { link: 1 }));
    expect(findings[0]).toMatchObject({
      kind: 'unexpected-router-advertisement',
      severity: 'low',
      asset: { name: 'fe80::a' },
    });
    expect(assessInspection(seen, { routers: new Set(['02:00:00:00:00:07']) })).toEqual([]);
  });
});
