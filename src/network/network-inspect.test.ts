/** Whole inspections: planted patients are found, on any port and in any cut, and none of them comes out. */

import { describe, expect, test } from 'vitest';
import { assessInspection } from './network-assess.ts';
import {
  CANARY,
  connection,
  dicomStore,
  ethernet,
  HL7,
  inspectBytes,
  inspectTalk,
  ipv4,
  MLLP,
  pcap,
  pcapng,
  type Sent,
  said,
  tcp,
  udp,
} from './network-testing.ts';

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
