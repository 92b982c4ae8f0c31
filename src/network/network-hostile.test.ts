/** Input made to exhaust or mislead: many tiny pieces, headers without end, packed bodies, words that only look like secrets. */

import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { createBudget } from './network-budget.ts';
import { newFlow } from './network-flow.ts';
import { createStreams } from './network-stream.ts';
import { CANARY, inspectBytes, inspectTalk, ipv4, pcap, said, udp } from './network-testing.ts';

test('segments of one byte out of order: few wait, whatever they weigh together', () => {
  const streams = createStreams({ find: () => null, unclaimed: () => undefined }, createBudget(1 << 20));
  const flow = newFlow(0);
  const one = Buffer.from('x');
  streams.segment(flow, 0, 1000, 0, 16, one, 0, 1);
  let most = 0;
  for (let i = 0; i < 6000; i++) {
    streams.segment(flow, 0, 1002 + i * 2, 0, 16, one, 0, 1);
    if (i % 500 !== 0) continue;
    let waiting = 0;
    for (let at = flow.sides![0].pending; at !== null; at = at.next) waiting++;
    most = Math.max(most, waiting);
  }
  expect(most).toBeGreaterThan(100);
  expect(most).toBeLessThan(2000);
});

test('log lines of sudo and passwd hold no secret', () => {
  const lines = [
    '<85>Nov 25 10:00:00 h sudo: alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/bin/ls',
    '<85>Nov 25 10:00:00 h sudo: alice : TTY=pts/0 ; PWD=~ ; USER=root ; COMMAND=/bin/ls',
    '<86>Nov 25 10:00:00 h passwd[12]: pam_unix(passwd:chauthtok): password changed for bob',
    '<86>Nov 25 10:00:00 h passwd: gkr-pam: could not update',
  ];
  const kinds = (text: string) =>
    inspectBytes(pcap([ipv4(17, udp(40_000, 514, Buffer.from(text)))])).findings.map((one) => one.kind);
  for (const line of lines) expect(kinds(line), line).toEqual(['clear-text-logs']);
  for (const secret of ['pwd=/x9secret!', 'passwd=hunter22', '{"passwd":"hunter22"}', 'pwd: hunter22'])
    expect(kinds(`<86>Nov 25 10:00:00 h app: ${secret}`), secret).toEqual(['clear-text-credential']);
});

test('a packed body that unpacks to more than is read still shows its first patients', () => {
  const patient = (n: number) => ({
    resource: {
      resourceType: 'Patient',
      identifier: [{ value: `MRN-${n}` }],
      name: [{ family: `${CANARY.account}${n}` }],
      text: { div: 'x'.repeat(900) },
    },
  });
  const bundle = { resourceType: 'Bundle', entry: Array.from({ length: 1800 }, (_, n) => patient(n)) };
  const body = gzipSync(JSON.stringify(bundle)).toString('latin1');
  const answer = `HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nContent-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const findings = inspectTalk([said('client', 'GET /Patient HTTP/1.1\r\nHost: a\r\n\r\n'), said('server', answer)]);
  expect(findings.map((one) => one.kind)).toContain('clear-text-patient-data');
});
