/** What scans of the generated hospital saw, from inside and from outside: today, and a moment later with a change. */

import { createHash } from 'node:crypto';
import type { Hospital, Host } from './rehearsal-hospital.ts';

type Severity = 'critical' | 'high' | 'medium' | 'low';
const DAY_MS = 86_400_000;
/** Addresses for documentation (RFC 5737): nobody's. */
const PUBLIC = '203.0.113.';

interface Seen {
  readonly port: number;
  readonly service: string;
  readonly tls?: boolean;
  readonly grade?: string;
  readonly days?: number;
  readonly software?: readonly { name: string; version: string }[];
  readonly title?: string;
  readonly weak?: readonly (readonly [kind: string, severity: Severity, title: string, why: string, how: string])[];
}

const OUTSIDE: Readonly<Partial<Record<Host['role'], readonly Seen[]>>> = {
  portal: [
    {
      port: 443,
      service: 'http',
      tls: true,
      grade: 'B',
      days: 12,
      title: 'Patient portal',
      software: [{ name: 'nginx', version: '1.22.1' }],
      weak: [
        [
          'certificate-expiry',
          'medium',
          'The certificate ends soon',
          'Patients see a warning, and learn to click it away.',
          'Renew it, and let it renew itself (ACME).',
        ],
        [
          'http-csp',
          'low',
          'No content security policy',
          'Foreign script can run in the page.',
          'nginx: add_header Content-Security-Policy "default-src \'self\'" always;',
        ],
      ],
    },
    { port: 80, service: 'http', title: 'Patient portal' },
  ],
  vpn: [
    {
      port: 443,
      service: 'vpn-portal',
      tls: true,
      grade: 'A',
      days: 200,
      title: 'Remote access',
      weak: [
        [
          'single-factor-login',
          'high',
          'The way in for staff asks for a password only',
          'Most break-ins into hospitals begin with one guessed password.',
          'Require a second factor for every account.',
        ],
      ],
    },
  ],
  mail: [
    {
      port: 25,
      service: 'smtp',
      tls: true,
      grade: 'C',
      days: 61,
      software: [{ name: 'exim', version: '4.96' }],
      weak: [
        [
          'weak-tls',
          'medium',
          'Mail accepts TLS 1.0',
          'Somebody in the path has an easier time.',
          'Postfix: smtpd_tls_protocols = >=TLSv1.2',
        ],
      ],
    },
    { port: 993, service: 'imap', tls: true, grade: 'A', days: 61 },
  ],
};
const INSIDE: Readonly<Partial<Record<Host['role'], readonly Seen[]>>> = {
  ...OUTSIDE,
  files: [
    {
      port: 445,
      service: 'smb',
      weak: [
        [
          'smb-signing',
          'medium',
          'SMB does not require signing',
          'Log-ins can be relayed.',
          'Set-SmbServerConfiguration -RequireSecuritySignature $true',
        ],
      ],
    },
  ],
  directory: [
    { port: 389, service: 'ldap' },
    {
      port: 3389,
      service: 'rdp',
      weak: [
        [
          'rdp-without-nla',
          'medium',
          'Remote desktop needs no network level authentication',
          'Whoever connects reaches its faults before proving who they are.',
          'Require NLA by group policy.',
        ],
      ],
    },
  ],
  pacs: [
    {
      port: 11112,
      service: 'dicom',
      weak: [
        [
          'dicom-open',
          'high',
          'DICOM talks to any device',
          'Who may open an association can often fetch images of patients.',
          'Allow listed AE titles and addresses only; plan it with radiology.',
        ],
      ],
    },
    {
      port: 8042,
      service: 'orthanc',
      title: 'Orthanc Explorer',
      software: [{ name: 'orthanc', version: '1.11.0' }],
      weak: [
        [
          'clinical-without-tls',
          'high',
          'The image server is not encrypted',
          'Images and names of patients are readable in the path.',
          'Serve it over HTTPS only.',
        ],
      ],
    },
  ],
};
/** What appears between two looks from outside: somebody opened a desktop for a supplier. */
const OPENED: Seen = {
  port: 3389,
  service: 'rdp',
  weak: [
    [
      'exposed-service',
      'critical',
      'Remote desktop faces outside',
      'It is the most guessed log-in of all, and the usual way in for ransomware.',
      'Remove the port forwarding; suppliers come over the VPN with a second factor.',
    ],
  ],
};

function port(seen: Seen, place: string, address: string, nowMs: number) {
  const { service, software = [], weak = [], days } = seen;
  return {
    transport: 'tcp',
    port: seen.port,
    service,
    tls: seen.tls ?? false,
    banner: null,
    grade: seen.grade ?? null,
    certificate:
      days === undefined
        ? null
        : {
            sha256: createHash('sha256').update(place).digest('hex'),
            subject: `CN=${place}.hospital.example`,
            issuer: 'CN=Exercise CA',
            until: new Date(nowMs + days * DAY_MS).toISOString(),
          },
    software,
    facts: seen.title === undefined ? {} : { title: seen.title },
    weaknesses: weak.map(([kind, severity, title, why, how]) => ({
      kind,
      key: service,
      severity,
      title: `${title} on ${address}:${seen.port}`,
      why,
      seen: 'Seen in the exercise: nothing was sent to anybody',
      command: `nmap -Pn -sV -p ${seen.port} ${address}`,
      fix: { title: `Change ${service} on ${place}`, how, effort: 'hours', disrupts: true },
    })),
  };
}

export interface Look {
  readonly from: 'inside' | 'outside';
  readonly body: object;
}

/** The looks in the order in which they are handed over; the last one from outside has the change. */
export function perimeterLooks(hospital: Hospital, nowMs: number): Look[] {
  const views = (table: typeof INSIDE, from: Look['from'], extra: readonly Seen[]) =>
    (Object.keys(table) as Host['role'][]).flatMap((role) =>
      hospital.hostsOf(role).map(({ name, address: inner }) => {
        const address = from === 'outside' ? PUBLIC + inner.split('.').at(-1) : inner;
        const seen = [...(table[role] ?? []), ...(role === 'portal' && name.endsWith('-2') ? extra : [])];
        return { host: name, address, ports: seen.map((one) => port(one, name, address, nowMs)) };
      }),
    );
  const look = (from: Look['from'], table: typeof INSIDE, extra: readonly Seen[] = []): Look => {
    const list = views(table, from, extra);
    const ports = [...new Set(list.flatMap((view) => view.ports.map((one) => one.port)).concat(OPENED.port))];
    return { from, body: { from, ports, views: list, names: [] } };
  };
  return [look('inside', INSIDE), look('outside', OUTSIDE), look('outside', OUTSIDE, [OPENED])];
}
