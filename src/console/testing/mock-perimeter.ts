/** Canned services, changes and the scan state of the perimeter for the stand-in server. */

const AT = '2026-05-20T12:00:00.000Z';
const WORST = ['critical', 'high', 'medium', 'low', null] as const;
const SERVICES = [
  [6379, 'redis', false, null],
  [443, 'http', true, 'F'],
  [22, 'ssh', false, null],
  [80, 'http', false, null],
  [8443, 'http', true, 'A'],
] as const;

export const perimeterServices = Array.from({ length: 15 }, (_, i) => {
  const [port, service, tls, grade] = SERVICES[i % SERVICES.length] ?? SERVICES[0];
  const host = i % 6 === 5 ? `2001:db8::${i}` : `192.0.2.${1 + Math.floor(i / 3)}`;
  return {
    id: `inside:${host}@${host}/tcp/${port}`,
    host,
    address: host,
    from: i % 4 === 3 ? 'outside' : 'inside',
    at: AT,
    transport: 'tcp',
    port,
    service,
    tls,
    grade,
    banner: i % 2 === 0 ? 'nginx/1.22.1' : null,
    title: i % 2 === 0 ? 'Patient portal' : '',
    certificate: tls
      ? {
          sha256: '4f'.repeat(32),
          subject: 'CN=portal.hospital.example',
          issuer: 'CN=Hospital CA',
          until: `2026-0${6 + (i % 3)}-07T00:00:00.000Z`,
        }
      : null,
    software: i % 2 === 0 ? [{ name: 'nginx', version: '1.22.1' }] : [],
    worst: WORST[i % WORST.length] ?? null,
  };
});

export const perimeterDrift = [
  { severity: 'high', sentence: 'Port 6379 (redis) is open on 192.0.2.1 since this scan.', kind: 'port-open' },
  { severity: 'low', sentence: 'Port 21 is no longer open on 192.0.2.2.', kind: 'port-closed' },
].map((row, i) => ({ ...row, id: `drift-${i}`, at: AT, from: 'inside', host: `192.0.2.${i + 1}`, where: '6379/tcp' }));

export const perimeterEmpty = { scope: null, fault: null, killed: null, running: null, last: null };
export const perimeterState = {
  ...perimeterEmpty,
  scope: {
    name: 'our perimeter',
    owner: 'R. Keller',
    contact: 'security@hospital.example',
    expires: '2027-02-23',
    addresses: 2,
    names: 1,
    may_now: true,
    reason: null,
    key: 'key',
  },
  last: {
    at: AT,
    ended: AT,
    from: 'inside',
    hosts: 5,
    targets: 14,
    probes: 3593,
    refused: 0,
    stopped: null,
    not_seen: ['192.0.2.9 is excluded by the scope.'],
    findings: 17,
    drift: 2,
  },
};
