/** Clinical services, looked at as gently as can be: DICOM by an association for C-ECHO only; MLLP is never spoken to. */

import { type Probe, talk } from '../perimeter-probe.ts';
import { at, fix, oneLine, type Weakness } from '../perimeter-weakness.ts';

/** Ports of clinical machines: where one is open, no question is asked on that host that the port does not suggest. */
export const CLINICAL_PORTS: readonly number[] = [104, 2575, 2761, 2762, 4242, 4243, 11112, 6661];
/** Whatever is sent here is printed, or is a message about a patient: a connection is all that is made. */
export const SILENT_PORTS: readonly number[] = [515, 2575, 6661, 9100, 9101, 9102, 9103, 9104, 9105, 9106, 9107];

const VERIFICATION = '1.2.840.10008.1.1';
const IMPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2';
const ANSWER_BYTES_MAX = 64 * 1024;

const item = (type: number, body: Buffer) => {
  const head = Buffer.from([type, 0, 0, 0]);
  head.writeUInt16BE(body.length, 2);
  return Buffer.concat([head, body]);
};

/** A-ASSOCIATE-RQ for Verification only (PS3.8 section 9.3.2): C-ECHO could follow, and nothing else. */
export function associateRequest(called: string, calling: string): Buffer {
  const title = (text: string) => Buffer.from(text.padEnd(16).slice(0, 16), 'latin1');
  const presentation = item(
    0x20,
    Buffer.concat([
      Buffer.from([1, 0, 0, 0]),
      item(0x30, Buffer.from(VERIFICATION)),
      item(0x40, Buffer.from(IMPLICIT_LITTLE_ENDIAN)),
    ]),
  );
  const user = item(
    0x50,
    Buffer.concat([
      item(0x51, Buffer.from([0, 0, 0x40, 0])),
      item(0x52, Buffer.from('2.25.329800735698586629295641978511506172918')),
    ]),
  );
  const body = Buffer.concat([
    Buffer.from([0, 1, 0, 0]),
    title(called),
    title(calling),
    Buffer.alloc(32),
    item(0x10, Buffer.from('1.2.840.10008.3.1.1.1')),
    presentation,
    user,
  ]);
  const head = Buffer.alloc(6);
  head.writeUInt8(1, 0);
  head.writeUInt32BE(body.length, 2);
  return Buffer.concat([head, body]);
}

/** `accepted`, `rejected` with its reason, `aborted`; null when it is no DICOM. */
export function parseAssociate(
  head: Buffer,
  body: Buffer,
): { kind: 'accepted' | 'rejected' | 'aborted'; reason: string; implementation: string } | null {
  const type = head[0];
  if (type === 3 && body.length === 4)
    return { kind: 'rejected', reason: `${body[1]}/${body[2]}/${body[3]}`, implementation: '' };
  if (type === 7 && body.length === 4) return { kind: 'aborted', reason: `${body[2]}/${body[3]}`, implementation: '' };
  if (type !== 2 || body.length < 68) return null;
  let implementation = '';
  for (let at1 = 68; at1 + 4 <= body.length; ) {
    const length = body.readUInt16BE(at1 + 2);
    const inner = body.subarray(at1 + 4, at1 + 4 + length);
    if (body[at1] === 0x50)
      for (let at2 = 0; at2 + 4 <= inner.length; at2 += 4 + inner.readUInt16BE(at2 + 2))
        if (inner[at2] === 0x55)
          implementation = oneLine(inner.toString('latin1', at2 + 4, at2 + 4 + inner.readUInt16BE(at2 + 2)), 16);
    at1 += 4 + length;
  }
  return { kind: 'accepted', reason: '', implementation };
}

const ABORT = Buffer.from('07000000000400000000', 'hex');
const RELEASE = Buffer.from('05000000000400000000', 'hex');

export const dicom: Probe = {
  service: 'dicom',
  ports: [104, 11112, 2761, 2762, 4242],
  anywhere: true,
  look: async (context) => {
    const link = await talk(context, 'dicom association', {
      timeMs: context.port < 1024 ? 4000 : 2000,
      bytesMax: ANSWER_BYTES_MAX,
    });
    if (!link) return null;
    try {
      link.write(associateRequest('ANY-SCP', 'ASEPSIS'));
      const head = await link.read(6);
      if (!head || ![2, 3, 7].includes(head[0] as number) || head[1] !== 0) return null;
      const length = head.readUInt32BE(2);
      if (length > ANSWER_BYTES_MAX - 6) return null;
      const body = await link.read(length);
      const answer = body ? parseAssociate(head, body) : null;
      if (!answer) return null;
      link.write(answer.kind === 'accepted' ? RELEASE : ABORT);
      if (answer.kind === 'accepted') await link.some(500);
      const where = at(context.host, context.port);
      const weaknesses: Weakness[] = [];
      const command = `echoscu -v -aet ASEPSIS -aec ANY-SCP ${context.host} ${context.port}`;
      if (answer.kind === 'accepted')
        weaknesses.push({
          kind: 'dicom-open',
          severity: context.outside ? 'critical' : 'high',
          title: `DICOM on ${where} talks to any device`,
          why: 'Who may open an association can often find and fetch images of patients.',
          seen: 'An association with made-up application entity titles was accepted (verification only; nothing was asked)',
          command,
          fix: fix(
            `Let DICOM on ${where} know its partners`,
            'Allow listed AE titles and addresses only (Orthanc: DicomCheckCalledAet and DicomAlwaysAllowEcho false; dcm4chee: accepted calling AETs), switch on TLS (PS3.15 annex B), and close the port to all but the imaging network. Plan it with radiology.',
            'hours',
            true,
          ),
        });
      if (context.outside)
        weaknesses.push({
          kind: 'exposed-service',
          key: 'dicom',
          severity: 'critical',
          title: `DICOM faces outside on ${where}`,
          why: 'Thousands of such servers were found by scanners with their images of patients.',
          seen: `A DICOM association was ${answer.kind}`,
          command,
          fix: fix(
            `Close DICOM on ${where} to the outside`,
            'Remove the port forwarding; partners come over a VPN.',
            'minutes',
            true,
          ),
        });
      if (!context.tls && answer.kind === 'accepted')
        weaknesses.push({
          kind: 'clinical-without-tls',
          key: 'dicom',
          severity: 'medium',
          title: `DICOM on ${where} is not encrypted`,
          why: 'Images and names of patients are readable in the path.',
          seen: 'The association came about without TLS',
          command,
          fix: fix(
            `Encrypt DICOM on ${where}`,
            'Switch on DICOM TLS (port 2762) on both sides, or put both in a VPN.',
            'days',
            true,
          ),
        });
      return {
        service: 'dicom',
        tls: context.tls,
        banner: answer.implementation || null,
        software: [],
        facts: { association: answer.kind, reason: answer.reason, implementation: answer.implementation },
        weaknesses,
      };
    } finally {
      link.close();
    }
  },
};

/** HL7 over MLLP says nothing until a message comes, and none is sent: the port and its silence are all there is. */
export const mllp: Probe = {
  service: 'mllp',
  ports: [2575, 6661],
  look: async (context) => {
    if (context.banner) return null;
    const where = at(context.host, context.port);
    return {
      service: 'mllp',
      tls: false,
      banner: null,
      software: [],
      facts: { by: 'port number' },
      weaknesses: context.outside
        ? [
            {
              kind: 'exposed-service',
              key: 'mllp',
              severity: 'high',
              title: `HL7 (MLLP) seems to face outside on ${where}`,
              why: 'Messages about patients have neither password nor encryption there.',
              seen: 'The port is open and waits in silence; no message was sent',
              command: `nmap -Pn -p ${context.port} ${context.host}`,
              fix: fix(
                `Close port ${context.port} on ${context.host} to the outside`,
                'Remove the port forwarding; partners come over a VPN.',
                'minutes',
                true,
              ),
            },
          ]
        : [],
      notSeen: ['Whether it is MLLP is not known: nothing was sent'],
    };
  },
};

export const printer: Probe = {
  service: 'printer',
  ports: [9100, 515],
  look: async (context) => ({
    service: 'printer',
    tls: false,
    banner: null,
    software: [],
    facts: { by: 'port number' },
    weaknesses: context.outside
      ? [
          {
            kind: 'exposed-service',
            key: 'printer',
            severity: 'medium',
            title: `A printer faces outside on ${at(context.host, context.port)}`,
            why: 'Anybody prints on it, and reads what waits in it.',
            seen: 'The port is open; nothing was sent, for it would be printed',
            command: `nmap -Pn -p ${context.port} ${context.host}`,
            fix: fix(
              `Close port ${context.port} on ${context.host} to the outside`,
              'Let the firewall allow the print server only.',
              'minutes',
              true,
            ),
          },
        ]
      : [],
  }),
};
