/** Formats and log-ins that are told by content: what is one is found on any port, what only looks like one is not. */

import { describe, expect, test } from 'vitest';
import { isSsn } from './network-labels.ts';
import { CANARY, inspectBytes, inspectTalk, ipv4, pcap, type Sent, said, udp } from './network-testing.ts';

interface Seen {
  kind: string;
  app: string;
  what: string;
  fields: string;
  severity: string;
}
const seenIn = (found: ReturnType<typeof inspectTalk>): Seen[] =>
  found.map((one) => ({
    kind: one.kind,
    app: String(one.evidence[0]?.data?.application),
    what: String(one.evidence[0]?.data?.kinds),
    fields: String(one.evidence[0]?.data?.fields ?? ''),
    severity: one.severity,
  }));
const talk = (...sent: Sent[]) => seenIn(inspectTalk(sent));
/** Each case holds in large segments and in segments of seven bytes. */
const both = (...sent: Sent[]) => {
  const whole = talk(...sent);
  expect(seenIn(inspectTalk(sent, 7))).toEqual(whole);
  return whole;
};
const datagram = (bytes: Uint8Array) => seenIn(inspectBytes(pcap([ipv4(17, udp(4000, 4001, bytes))])).findings);
const hex = (from: Sent['from'], text: string): Sent => ({ from, bytes: Buffer.from(text.replaceAll(' ', ''), 'hex') });

const ISA = `ISA*00*          *00*          *ZZ*CLINIC         *ZZ*PAYER          *260520*1200*^*00501*000000001*0*P*:~`;
const x12 = (group: string, body: string) =>
  `${ISA}GS*${group}*CLINIC*PAYER*20260520*1200*1*X*005010X222A1~ST*837*0001~${body}SE*9*0001~GE*1*1~IEA*1*000000001~`;

describe('clinical formats', () => {
  test('X12: persons in NM1 and DMG, whatever the separators are', () => {
    const person = `NM1*85*2*HOSPITAL*****XX*1234567893~HL*2*1*22*0~NM1*IL*1*${CANARY.family}*${CANARY.given}****MI*${CANARY.id}~N3*${CANARY.street}~DMG*D8*${CANARY.birth}*F~`;
    const text = x12('HC', person);
    for (const one of [text, text.replaceAll('~', '\n'), text.replaceAll('*', '|')]) {
      const [found, ...more] = both(said('client', one));
      expect(more).toEqual([]);
      expect(found).toMatchObject({ kind: 'clear-text-patient-data', app: 'x12', what: 'transaction 837' });
      expect(found?.fields).toBe('NM1-03, NM1-04, NM1-09, N3-01, DMG-02');
    }
    expect(both(said('client', x12('HC', 'BHT*0019*00*1*20260520*1200*CH~')))).toMatchObject([
      { kind: 'clear-text-clinical-protocol', app: 'x12' },
    ]);
    // An order for paper, and an organisation in place of a person.
    expect(both(said('client', x12('PO', 'BEG*00*NE*1~')))).toEqual([]);
    expect(both(said('client', 'ISABELLA went to the market and bought many, many things'.repeat(3)))).toEqual([]);
  });
  test('NCPDP Telecommunication and SCRIPT', () => {
    const claim = `610066D0B1${'PCN'.padEnd(10)}1011234567893     20260520${' '.repeat(10)}\x1e\x1cAM01\x1cCX99\x1cCY${CANARY.id}\x1cC4${CANARY.birth}\x1cCA${CANARY.given}\x1cCB${CANARY.family}\x1e\x1cAM04\x1cC2${CANARY.id}\x1d\x1e\x1cAM07\x1cEM1`;
    const [found] = talk(said('client', claim));
    expect(found).toMatchObject({ kind: 'clear-text-patient-data', app: 'ncpdp', what: 'D0 B1' });
    expect(found?.fields).toBe('Patient.CX, Patient.CY, Patient.C4, Patient.CA, Patient.CB, Insurance.C2');
    expect(talk(said('client', `\x02${claim}\x03`))).toMatchObject([{ app: 'ncpdp' }]);
    const script = `UNA:+./*'UIB+UNOA:0++1+++C:P+H:P'UIH+SCRIPT:010:006:NEWRX+1'PTT+1+${CANARY.birth}+${CANARY.family}:${CANARY.given}+F+${CANARY.id}:MR'UIT+1+3'`;
    expect(talk(said('client', script))).toMatchObject([{ app: 'ncpdp', fields: 'PTT-020, PTT-030, PTT-050' }]);
    expect(talk(said('client', `610066D0B1 is a number, ${'and this is text '.repeat(8)}`))).toEqual([]);
  });
  test('ASTM in frames, over frame borders, and bare', () => {
    const records = `H|\\^&|||ANALYZER^1|||||||P|1\rP|1|${CANARY.id}|||${CANARY.family}^${CANARY.given}||${CANARY.birth}|F\rO|1|S1\rR|1|^^^GLU|99\rL|1\r`;
    const framed = `\x05\x021${records.slice(0, 60)}\x17AB\r\n\x022${records.slice(60)}\x03CD\r\n\x04`;
    for (const one of [framed, records])
      expect(both(said('client', one), said('server', '\x06'))).toMatchObject([
        { kind: 'clear-text-patient-data', app: 'astm', fields: 'P-3, P-6, P-8' },
      ]);
    expect(both(said('client', '\x05\x021H|\\^&|||A\rL|1\r\x03CD\r\n\x04'))).toMatchObject([
      { kind: 'clear-text-clinical-protocol', app: 'astm' },
    ]);
    expect(both(said('client', 'H|ello|, this is P|1|not|a|patient\rP|1|123|||A^B\r'))).toEqual([]);
  });
  test('POCT1-A, clinical documents, HL7 version 3', () => {
    const poct = `<?xml version="1.0"?><OBS.R01><HDR><HDR.control_id V="1"/></HDR><SVC><PT><PT.patient_id V="${CANARY.id}"/><PT.name V="${CANARY.family}"/><OBS/></PT></SVC></OBS.R01>`;
    expect(both(said('client', poct))).toMatchObject([{ app: 'poct1a', fields: 'PT.patient_id, PT.name' }]);
    const post = (type: string, body: string) =>
      said('client', `POST /x HTTP/1.1\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    const cda = `<ClinicalDocument xmlns="urn:hl7-org:v3"><recordTarget><patientRole><id extension="${CANARY.id}" root="2.16"/><patient><name><given>${CANARY.given}</given><family>${CANARY.family}</family></name><birthTime value="${CANARY.birth}"/></patient></patientRole></recordTarget></ClinicalDocument>`;
    expect(both(post('text/xml', cda))).toMatchObject([
      { app: 'cda', fields: 'patientRole.id, patient.name, patient.birthTime' },
    ]);
    expect(both(post('text/xml', '<a><patient>doctor who</patient></a>'))).toEqual([]);
    expect(both(post('application/x12', x12('HC', `NM1*QC*1*${CANARY.family}~`)))).toMatchObject([{ app: 'x12' }]);
  });
});

describe('labels', () => {
  const post = (type: string, body: string) =>
    said('client', `POST /x HTTP/1.1\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  test('an identifier beside its label counts, a number alone does not', () => {
    for (const text of [
      `NHS number: 943 476 5919, Ward 7`,
      `MRN: ${CANARY.id}, DOB: 23.11.1961`,
      `Patient name: ${CANARY.family}; date of birth: 1961-11-23`,
    ])
      expect(both(said('client', `A report of the night\r\n${text}\r\n`))).toMatchObject([
        { kind: 'clear-text-patient-data', app: 'text' },
      ]);
    for (const text of [
      '943 476 5919 is a number',
      'NHS number: 943 476 5918',
      'SSN: 000-12-3456',
      'MRN: 12345',
      'dob: 1961-11-23',
      'order number: 9434765919',
    ])
      expect(both(said('client', `A report of the night\r\n${text}\r\n`))).toEqual([]);
  });
  test('forms, objects, tables, mail', () => {
    expect(both(post('application/x-www-form-urlencoded', `ward=7&mrn=${CANARY.id}&dob=1961-11-23`))).toMatchObject([
      { app: 'http', kind: 'clear-text-patient-data', fields: 'medical record number, birth date' },
    ]);
    expect(both(post('application/json', `{"nhsNumber":"${CANARY.nhs}"}`))).toMatchObject([{ what: 'JSON' }]);
    expect(both(post('application/json', `{"dateOfBirth":"1961-11-23","city":"X"}`))).toEqual([]);
    const table = `ward;patient_id;date of birth\r\n7;${CANARY.id};1961-11-23\r\n`;
    expect(both(said('client', table))).toMatchObject([{ app: 'text' }]);
    const mail = said('client', `MAIL FROM:<a@b>\r\nDATA\r\nSubject: x\r\n\r\nNHS No: ${CANARY.nhs}\r\n.\r\nQUIT\r\n`);
    expect(both(said('server', '220 mx ESMTP\r\n'), said('client', 'EHLO x\r\n'), mail)).toMatchObject([
      { app: 'smtp', kind: 'clear-text-patient-data' },
    ]);
  });
  test('social security numbers by the rules of their ranges', () => {
    expect(['212-09-9990', '899 45 6789'].map(isSsn)).toEqual([true, true]);
    expect(['666-12-3456', '900-12-3456', '123-00-4567', '123-45-0000', '078-05-1120', '12-345-6789'].some(isSsn)).toBe(
      false,
    );
  });
});

/** An AUTHENTICATE message (MS-NLMP section 2.2.1.3) with an answer of so many bytes. */
function authenticate(answer: number, flags: number): Buffer {
  const user = Buffer.from(CANARY.account, 'utf16le');
  const head = Buffer.alloc(64);
  head.write('NTLMSSP\0', 0, 'latin1');
  head.writeUInt32LE(3, 8);
  head.writeUInt16LE(answer, 20);
  head.writeUInt32LE(64 + user.length, 24);
  head.writeUInt16LE(user.length, 36);
  head.writeUInt32LE(64, 40);
  head.writeUInt32LE(flags, 60);
  return Buffer.concat([head, user, Buffer.alloc(answer, 9)]);
}
function smb2(command: number, answer: boolean, body: Uint8Array): Buffer {
  const head = Buffer.alloc(64);
  head.write('\xfeSMB', 0, 'latin1');
  head.writeUInt16LE(64, 4);
  head.writeUInt16LE(command, 12);
  head.writeUInt32LE(answer ? 1 : 0, 16);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(64 + body.length);
  return Buffer.concat([length, head, body]);
}

describe('log-ins of Windows', () => {
  const negotiated = (mode: number): Sent => ({
    from: 'server',
    bytes: smb2(0, true, Buffer.from([65, 0, mode, 0, ...Buffer.alloc(60)])),
  });
  const setup = (answer: number): Sent => ({ from: 'client', bytes: smb2(1, false, authenticate(answer, 0x10)) });
  test('SMB: version 1, NTLMv1, signing not required', () => {
    expect(both(negotiated(1), setup(300))).toMatchObject([
      { kind: 'weak-authentication', app: 'smb', what: 'NTLM without required signing', severity: 'low' },
    ]);
    expect(both(negotiated(3), setup(24))).toMatchObject([{ what: 'NTLMv1', severity: 'medium' }]);
    expect(both(negotiated(3), setup(300))).toEqual([]);
    const old = Buffer.alloc(73);
    old.write('\xffSMB\x72', 4, 'latin1');
    old[3] = 69;
    old[13] = 0x80;
    old[36] = 17;
    old[39] = 3;
    expect(both({ from: 'server', bytes: old })).toMatchObject([{ app: 'smb', what: 'SMBv1' }]);
  });
  test('NTLM in HTTP and LDAP', () => {
    const header = (answer: number) =>
      said(
        'client',
        `GET / HTTP/1.1\r\nAuthorization: NTLM ${authenticate(answer, 0x10).toString('base64')}\r\nHost: intranet\r\n\r\n`,
      );
    expect(both(header(24))).toMatchObject([{ kind: 'weak-authentication', app: 'http', what: 'NTLMv1' }]);
    expect(both(header(200))).toMatchObject([{ what: 'NTLM relayable' }]);
    const start = said('client', 'GET / HTTP/1.1\r\nAuthorization: NTLM TlRMTVNTUAABAAAAB4IIAAAAAAA=\r\n\r\n');
    expect(both(start)).toEqual([]);
  });
  test('RDP without network level authentication', () => {
    const request = hex(
      'client',
      '0300002a25e00000000000 436f6f6b69653a206d737473686173683d61626364650d0a 0100080003000000'.replace(
        '2a25',
        '2a25',
      ),
    );
    const confirm = (protocol: string) => hex('server', `03000013 0ed00000123400 02 00 0800 ${protocol}`);
    expect(both(request, confirm('00000000'))).toMatchObject([{ app: 'rdp', what: 'RDP without TLS and NLA' }]);
    expect(both(request, confirm('01000000'))).toMatchObject([
      { app: 'rdp', what: 'RDP without NLA', severity: 'low' },
    ]);
    expect(both(request, confirm('02000000'))).toEqual([]);
    // A programmable controller opens in the same way (RFC 1006), without the cookie.
    expect(both(hex('client', '0300001611e00000000100c0010ac1020100c2020102'), confirm('00000000'))).toEqual([]);
  });
  test('Kerberos with old ciphers, over UDP and TCP', () => {
    const reply = (type: string) =>
      `6b36 3034 a003020105 a10302010b a628 3026 a003020117 a103020102 a21a 0418 ${'00'.repeat(24)}`.replace(
        'a003020117',
        `a0030201${type}`,
      );
    const bytes = (type: string) => Buffer.from(reply(type).replaceAll(' ', ''), 'hex');
    expect(datagram(bytes('17'))).toMatchObject([{ app: 'kerberos', what: 'Kerberos with RC4', fields: 'AS-REP' }]);
    expect(datagram(bytes('03'))).toMatchObject([{ what: 'Kerberos with DES', severity: 'medium' }]);
    expect(datagram(bytes('12'))).toEqual([]);
    const framed = Buffer.concat([Buffer.from([0, 0, 0, bytes('17').length]), bytes('17')]);
    expect(both({ from: 'server', bytes: framed })).toMatchObject([{ app: 'kerberos' }]);
  });
  test('SQL Server: the password that is only turned around, and the log-in inside TLS', () => {
    const secret = Buffer.from(
      [...Buffer.from(CANARY.secret, 'utf16le')].map((c) => (((c >> 4) | (c << 4)) & 255) ^ 0xa5),
    );
    const fixed = Buffer.alloc(94);
    fixed.writeUInt32LE(94 + secret.length, 0);
    fixed.writeUInt32LE(0x74000004, 4);
    fixed.writeUInt16LE(94, 44);
    fixed.writeUInt16LE(CANARY.secret.length, 46);
    const packet = (type: number, body: Uint8Array): Sent => {
      const head = Buffer.from([type, 1, 0, 0, 0, 0, 1, 0]);
      head.writeUInt16BE(8 + body.length, 2);
      return { from: 'client', bytes: Buffer.concat([head, body]) };
    };
    const prelogin = packet(
      0x12,
      Buffer.from(
        '0000150006010 01b000102001c000103001d000404002100 01ff0c00100100000000000000000000'.replaceAll(' ', ''),
        'hex',
      ),
    );
    expect(both(prelogin, packet(0x10, Buffer.concat([fixed, secret])))).toMatchObject([
      { kind: 'clear-text-credential', app: 'tds', what: 'obfuscated password' },
    ]);
    const tls: Sent = { from: 'client', bytes: Buffer.from('1703030040'.padEnd(138, '0'), 'hex') };
    expect(both(prelogin, tls)).toEqual([]);
    // The server agrees to encrypt the log-in and nothing else.
    const agreed = (encryption: number): Sent => ({
      ...packet(4, Buffer.from([0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 255, 15, 0, 0, 0, 0, 0, encryption])),
      from: 'server',
    });
    const query = packet(1, Buffer.from('SELECT 1', 'utf16le'));
    expect(both(prelogin, agreed(0), tls, query)).toMatchObject([
      { kind: 'weak-tls', what: 'SQL Server encrypts the log-in only' },
    ]);
    expect(both(prelogin, agreed(1), tls, query)).toEqual([]);
    // The handshake lies in the envelope of the pre-login, in pieces: an old version is seen there too.
    const hello = Buffer.concat([
      Buffer.from('160301002e0200002a0301', 'hex'),
      Buffer.alloc(32, 7),
      Buffer.from('00002f000002ff01', 'hex').subarray(0, 7),
    ]);
    const answer = (bytes: Uint8Array): Sent => ({ ...packet(0x12, bytes), from: 'server' });
    hello.writeUInt16BE(hello.length - 5, 3);
    hello.writeUIntBE(hello.length - 9, 6, 3);
    expect(both(prelogin, agreed(1), answer(hello.subarray(0, 20)), answer(hello.subarray(20)))).toMatchObject([
      { kind: 'weak-tls', what: 'TLS 1.0' },
    ]);
  });
});

describe('logs, and log-ins by challenge', () => {
  test('syslog in datagrams and streams', () => {
    const line = '<34>1 2026-05-20T12:00:00Z host app - - - started';
    expect(datagram(Buffer.from(line))).toMatchObject([{ kind: 'clear-text-logs', app: 'syslog', severity: 'low' }]);
    const secret = `<34>May 20 12:00:00 host app: connecting with password=${CANARY.secret}`;
    expect(datagram(Buffer.from(secret))).toMatchObject([{ kind: 'clear-text-credential', fields: 'password' }]);
    expect(both(said('client', `${secret.length} ${secret}${line.length} ${line}`)).map((one) => one.kind)).toEqual([
      'clear-text-credential',
      'clear-text-logs',
    ]);
    expect(both(said('client', `${line}\n${line}\n`))).toMatchObject([{ kind: 'clear-text-logs' }]);
    expect(datagram(Buffer.from('<html>this is a page</html>'))).toEqual([]);
    expect(datagram(Buffer.from('<999>May 20 12:00:00 host x'))).toEqual([]);
  });
  test('mail and databases', () => {
    expect(
      both(
        said('server', '220 mx ESMTP\r\n'),
        said('client', 'EHLO x\r\n'),
        said('server', '250-mx\r\n250 AUTH CRAM-MD5\r\n'),
        said('client', 'AUTH CRAM-MD5\r\n'),
        said('server', '334 PDE+\r\n'),
        said('client', 'dXNlciBhYmM=\r\n'),
      ),
    ).toMatchObject([{ app: 'smtp', what: 'AUTH CRAM-MD5', severity: 'medium' }]);
    expect(both(said('server', '+OK <1@x>\r\n'), said('client', `APOP ${CANARY.account} 0123\r\n`))).toMatchObject([
      { app: 'pop3', what: 'APOP', severity: 'medium' },
    ]);
    expect(
      both(
        said('server', '* OK x\r\n'),
        said('client', `a LOGIN ${CANARY.account} {${CANARY.secret.length}}\r\n`),
        said('server', '+ ok\r\n'),
        said('client', `${CANARY.secret}\r\n`),
      ),
    ).toMatchObject([{ app: 'imap', what: 'LOGIN' }]);
  });
  test('a prompt without Telnet’s negotiation', () => {
    expect(
      both(
        said('server', 'Welcome\r\nlogin: '),
        said('client', `${CANARY.account}\r\n`),
        said('server', `${CANARY.account}\r\nPassword: `),
        said('client', `${CANARY.secret}\r\n`),
      ),
    ).toMatchObject([{ app: 'telnet', kind: 'clear-text-credential' }]);
  });
  test('HTTP: objects, parts, SOAP and tokens', () => {
    const post = (type: string, body: string) =>
      said('client', `POST /x HTTP/1.1\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    expect(both(post('application/json', `{"user":"a","password":"${CANARY.secret}"}`))).toMatchObject([
      { app: 'http', what: 'JSON log-in', fields: 'body password' },
    ]);
    expect(
      both(
        post(
          'multipart/form-data; boundary=b',
          `--b\r\nContent-Disposition: form-data; name="password"\r\n\r\n${CANARY.secret}\r\n--b--\r\n`,
        ),
      ),
    ).toMatchObject([{ what: 'form', fields: 'form password' }]);
    expect(
      both(post('text/xml', `<s:Envelope><wsse:Password Type="x">${CANARY.secret}</wsse:Password></s:Envelope>`)),
    ).toMatchObject([{ what: 'SOAP log-in' }]);
    expect(both(said('client', `GET / HTTP/1.1\r\nX-API-Key: ${CANARY.secret}\r\n\r\n`))).toMatchObject([
      { what: 'token', fields: 'x-api-key' },
    ]);
    const page = said(
      'server',
      'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n{"password":"is what you need"}',
    );
    expect(both(page)).toEqual([]);
  });
});
