/** Canned flows and routers for the stand-in server. */

const KINDS = ['clear-text-patient-data', 'clear-text-credential', 'weak-authentication'] as const;
const id = (index: number) => `fnd_${String(index).padStart(26, '0')}`;

export const networkFlows = Array.from({ length: 24 }, (_, i) => ({
  finding: id(i + 1),
  kind: KINDS[i % 3],
  severity: i === 0 ? 'critical' : i % 3 === 0 ? 'high' : 'medium',
  client: `10.1.${i % 7}.${20 + i}`,
  server: `10.9.0.${1 + (i % 4)}`,
  port: [104, 8080, 445][i % 3],
  transport: 'tcp',
  application: ['dicom', 'http', 'smb'][i % 3],
  what: ['C-STORE ×12', 'Basic', 'SMBv1'][i % 3],
  fields: i % 3 === 0 ? '(0010,0010) ×12, (0010,0020) ×12' : '',
  names: i % 3 === 0 ? 'CT-2, PACS' : '',
  messages: 12 + i,
  patients: i % 3 === 0 ? 3 + i : 0,
  first_seen: '2026-05-20T10:00:00.000Z',
  last_seen: '2026-05-20T12:00:00.000Z',
  relay:
    i === 0
      ? { name: 'ct-2', state: 'still-clear', why: 'Clear text still flows from 10.1.0.20 to 10.9.0.1 port 104.' }
      : null,
}));

export const networkRouters = [
  {
    mac: '3c:a6:2f:00:00:01',
    addresses: ['192.168.178.1'],
    vendor: 'AVM (FRITZ!Box)',
    verdict: 'consumer',
    reasons: ['hands out addresses (DHCP)', 'made by AVM (FRITZ!Box), who sells to homes'],
    seen: '2026-05-20T12:00:00.000Z',
    override: null,
  },
  {
    mac: '00:1b:54:00:00:02',
    addresses: ['10.1.0.1'],
    vendor: 'Cisco',
    verdict: 'professional',
    reasons: ['forwards for 12 or more other networks', 'made by Cisco'],
    seen: '2026-05-20T12:00:00.000Z',
    override: { verdict: 'professional', owner: 'M. Keller', reason: 'core switch', at: '2026-05-20T12:00:00.000Z' },
  },
];
