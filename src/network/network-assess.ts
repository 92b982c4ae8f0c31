/** From what was seen to findings: how bad, what proves it, how to look again, what to do. Pure. */

import {
  type Evidence,
  type FindingObservation,
  isPrivateAddress,
  rfc3339,
  type Severity,
  severityRank,
} from '../core/index.ts';
import { consumerRouterFindings, middleFindings, tlsFindings } from './network-assess-middle.ts';
import { conflictsOf } from './network-certificates.ts';
import type { Inspection } from './network-inspect.ts';
import { type Count, HASHES_MAX, type Leak } from './network-report.ts';
import type { RouterVerdict } from './network-routers.ts';
import { cut, quoted, safeMs } from './network-text.ts';

type Observation = FindingObservation;
type Fix = Observation['fix'];

const APP_NAMES: Readonly<Record<string, string>> = {
  hl7: 'HL7',
  dicom: 'DICOM',
  fhir: 'FHIR',
  dicomweb: 'DICOMweb',
  http: 'HTTP',
  ftp: 'FTP',
  telnet: 'Telnet',
  smtp: 'SMTP',
  pop3: 'POP3',
  imap: 'IMAP',
  ldap: 'LDAP',
  snmp: 'SNMP',
  vnc: 'VNC',
  mysql: 'MySQL',
  postgresql: 'PostgreSQL',
  mqtt: 'MQTT',
  sip: 'SIP',
  radius: 'RADIUS',
  tftp: 'TFTP',
  rlogin: 'rlogin',
  rsh: 'rsh',
  tls: 'TLS',
  x12: 'X12',
  ncpdp: 'NCPDP',
  astm: 'ASTM',
  poct1a: 'POCT1-A',
  cda: 'a clinical document',
  hl7v3: 'HL7 version 3',
  text: 'plain text',
  syslog: 'syslog',
  smb: 'SMB',
  rdp: 'RDP',
  kerberos: 'Kerberos',
  tds: 'SQL Server (TDS)',
};

const HOW: Readonly<Record<string, string>> = {
  hl7: 'Let the interface engine take HL7 over TLS (IHE ATNA: MLLP over TLS), or put a pair of relays around both ends (asepsis relay pair; the Network page writes the command). Switch one interface at a time, with the vendor, and watch that acknowledgements keep coming.',
  dicom:
    'Turn on the DICOM secure transport profile (PS3.15 B.12, BCP 195) on archive and device, or put a pair of relays around both ends where the device cannot (asepsis relay pair). Test with C-ECHO before images are sent.',
  fhir: 'Serve FHIR with HTTPS only and close the clear port.',
  dicomweb: 'Serve DICOMweb with HTTPS only and close the clear port.',
  http: 'Serve the application with HTTPS only, redirect the clear port, and change the passwords that crossed.',
  ftp: 'Move the transfer to SFTP or FTPS, and change the password that crossed.',
  telnet:
    'Use SSH; where the device knows only Telnet, put it into a management network. Change the password that crossed.',
  smtp: 'Require TLS before AUTH on the mail server (port 465, or STARTTLS as a must), and change the password that crossed.',
  pop3: 'Switch the client to port 995, refuse log-ins without TLS, and change the password that crossed.',
  imap: 'Switch the client to port 993, refuse log-ins without TLS, and change the password that crossed.',
  ldap: 'Switch the client to LDAPS or StartTLS, make the directory refuse simple binds without TLS, and change the password that crossed.',
  snmp: 'Use SNMPv3 with authPriv, or limit SNMP to a management network and change the community.',
  vnc: 'Tunnel VNC through SSH or a gateway with its own log-in, and close the port.',
  mysql: 'Require TLS for this account (REQUIRE SSL), and change the password that crossed.',
  postgresql: 'Use hostssl with scram-sha-256 in pg_hba.conf, and change the password that crossed.',
  mqtt: 'Use MQTT over TLS (port 8883), and change the password that crossed.',
  sip: 'Use SIP over TLS with SRTP.',
  radius: 'Use RadSec or EAP instead of PAP, at least inside IPsec or a management network.',
  tftp: 'Keep TFTP inside a management network, or use HTTPS for firmware and configurations.',
  rlogin: 'Use SSH and remove the trust by host name.',
  rsh: 'Use SSH and remove the trust by host name.',
  x12: 'Send X12 over AS2, SFTP or HTTPS.',
  ncpdp: 'Send NCPDP messages over TLS.',
  astm: 'Put the instrument and its middleware into one segment, and a TLS relay in front of both ends where the path is longer. Test with a control sample.',
  poct1a:
    'Put the meters and their data manager into one segment, and a TLS relay in front of both ends where the path is longer.',
  cda: 'Exchange documents over HTTPS with mutual authentication (IHE ATNA).',
  hl7v3: 'Use HTTPS with mutual authentication (IHE ATNA).',
  text: 'Find the program that sends this text, and give it an encrypted way (SFTP, HTTPS).',
  syslog: 'Send logs over TLS (RFC 5425, port 6514), and stop the program from logging what nobody may read.',
  smb: 'Turn off SMBv1, require signing on the server, and refuse NTLMv1 (LmCompatibilityLevel 5). Look for old devices that know nothing newer first.',
  rdp: 'Require network level authentication on this machine, and let RDP in through a gateway only.',
  kerberos:
    'Give the account AES keys (change its password, then allow AES only), and remove RC4 and DES from the allowed types.',
  tds: 'Force encryption on the SQL Server with a certificate that clients check, and change the password that crossed.',
};

const words = (map: ReadonlyMap<string, Count>): string =>
  [...map].map(([word, { times }]) => (times > 1 ? `${word} ×${times}` : word)).join(', ');

type IsOurs = (address: string) => boolean;

export interface AssessOptions {
  /** MACs that may announce themselves as routers. */
  readonly routers: ReadonlySet<string>;
  /** Addresses and MACs that may move between machines: fail-over pairs, virtual routers. */
  readonly shared?: ReadonlySet<string>;
  /** What people said about routers, by MAC. */
  readonly overrides?: ReadonlyMap<string, { readonly verdict: RouterVerdict['verdict']; readonly owner: string }>;
  /** Which addresses are on site; private ones when nobody said. */
  readonly isOurs?: IsOurs;
  readonly exercise?: boolean;
}

/** All findings of one inspection, the worst first. */
export function assessInspection(seen: Inspection, o: AssessOptions): Observation[] {
  const isOurs = o.isOurs ?? isPrivateAddress;
  const worse = new Set(seen.leaks.filter((leak) => leak.kind === 'clear-text-patient-data').map(pathOf));
  const findings = [
    ...seen.leaks.filter((leak) => !namedWorse(leak, worse)).map((leak) => leakFinding(leak, isOurs)),
    ...middleFindings(seen, o),
    ...consumerRouterFindings(seen, o),
    ...tlsFindings(seen.certificates.flatMap(conflictsOf), seen.leaks),
  ];
  const sorted = findings.toSorted((a, b) => severityRank(a.severity) - severityRank(b.severity));
  return o.exercise === true ? sorted.map((finding) => ({ ...finding, exercise: true })) : sorted;
}

const pathOf = (leak: Leak): string =>
  `${leak.client}>${leak.server}:${leak.port}/${leak.udp ? 'udp' : 'tcp'}/${leak.app}`;

/** A protocol in clear needs no finding of its own where patients were seen in it. */
const namedWorse = (leak: Leak, worse: ReadonlySet<string>): boolean =>
  leak.kind === 'clear-text-clinical-protocol' && worse.has(pathOf(leak));

/** What says less than the application's name: an answer to a challenge, not the password itself. */
const CHALLENGES = /^(?:Digest|AUTH CRAM-MD5|AUTH DIGEST-MD5|APOP|SASL DIGEST-MD5|DES challenge)$/;

function leakSeverity(leak: Leak, isOurs: IsOurs): Severity {
  const outside = !isOurs(leak.client) || !isOurs(leak.server);
  if (leak.kind === 'clear-text-patient-data') return outside ? 'critical' : 'high';
  if (leak.kind === 'clear-text-clinical-protocol') return 'medium';
  if (leak.kind === 'clear-text-logs') return outside ? 'medium' : 'low';
  if (leak.kind === 'weak-authentication') {
    const kinds = [...leak.what.keys()];
    const worst = kinds.some((kind) => /^(?:NTLMv1|SMBv1|Kerberos with DES|RDP without TLS)/.test(kind));
    return worst ? (outside ? 'high' : 'medium') : outside ? 'medium' : 'low';
  }
  if (leak.kind === 'weak-tls') {
    const kinds = [...leak.what.keys()];
    return kinds.some((kind) => /^(?:SSL|TLS)|NULL|EXPORT|RC4|DES$|expired/.test(kind)) ? 'medium' : 'low';
  }
  const kinds = [...leak.what.keys()];
  if (kinds.every((kind) => kind === 'anonymous log-in')) return 'low';
  const weaker =
    leak.app === 'snmp' || leak.app === 'tftp' || leak.app === 'radius' || kinds.every((kind) => CHALLENGES.test(kind));
  if (weaker) return outside ? 'high' : 'medium';
  return outside ? 'critical' : 'high';
}

function lookAgain(leak: Leak): string {
  const family = leak.client.includes(':') ? 'ipv6' : 'ip';
  const protocol = leak.udp ? 'udp' : 'tcp';
  const filter = `${family}.addr==${leak.client} && ${family}.addr==${leak.server} && ${protocol}.port==${leak.port}`;
  const dissectors = new Set([
    'hl7',
    'dicom',
    'http',
    'ldap',
    'mqtt',
    'ftp',
    'telnet',
    'smtp',
    'imap',
    'tls',
    'sip',
    'snmp',
  ]);
  const as = dissectors.has(leak.app) ? ` -d ${protocol}.port==${leak.port},${leak.app}` : '';
  const from = leak.file === '-' ? 'CAPTURE' : leak.file;
  return cut(`tshark -r ${from}${as} -Y ${quoted(filter)}`, 4000);
}

function leakEvidence(leak: Leak): Evidence {
  const port = `${leak.port}/${leak.udp ? 'udp' : 'tcp'}`;
  const data: Record<string, string | number> = {
    flow: `${leak.client} → ${leak.server} port ${port}`,
    application: leak.app,
    kinds: cut(words(leak.what), 1000),
    messages: leak.messages,
    first: rfc3339(safeMs(leak.firstMs)),
    last: rfc3339(safeMs(leak.lastMs)),
    packet: leak.packet,
  };
  if (leak.fields.size > 0) data.fields = cut(words(leak.fields), 2000);
  if (leak.hashes.size > 0) {
    data[leak.kind === 'clear-text-patient-data' ? 'patients' : 'secrets'] = leak.hashes.size;
    data.hashes = [...leak.hashes].slice(0, 3).join(' ');
  }
  if (leak.nhsValid + leak.nhsInvalid > 0) data.nhs_numbers = `${leak.nhsValid} valid, ${leak.nhsInvalid} invalid`;
  if (leak.names.size > 0) data.names = [...leak.names].join(', ');
  const times = leak.messages === 1 ? 'Once' : `${leak.messages} times`;
  return {
    what: `${times} in clear between ${leak.client} and ${leak.server} (${port}), first in packet ${leak.packet}`,
    seen: rfc3339(safeMs(leak.lastMs)),
    command: lookAgain(leak),
    data,
  };
}

function leakFinding(leak: Leak, isOurs: IsOurs): Observation {
  const app = APP_NAMES[leak.app] ?? leak.app;
  const to = `${leak.server} port ${leak.port}`;
  const base = {
    room: 'network' as const,
    kind: leak.kind,
    key: pathOf(leak),
    severity: leakSeverity(leak, isOurs),
    evidence: [leakEvidence(leak)],
    due: null,
    exercise: false,
  };
  if (leak.kind === 'clear-text-patient-data') {
    const people = leak.hashes.size >= HASHES_MAX ? `at least ${HASHES_MAX}` : `${leak.hashes.size}`;
    return {
      ...base,
      asset: { name: leak.client },
      title: `Patient data in clear: ${app} from ${leak.client} to ${to}`,
      detail: `${leak.messages} messages about ${people} patients could be read on the way. Whoever is on the path can also change them.`,
      fix: fixOf(leak, `Encrypt ${app} between ${leak.client} and ${leak.server}`, 'days', true),
    };
  }
  if (leak.kind === 'clear-text-clinical-protocol') {
    return {
      ...base,
      asset: { name: leak.client },
      title: `${app} in clear from ${leak.client} to ${to}`,
      detail: 'No patient was in what the capture holds, but the next message may bring one.',
      fix: fixOf(leak, `Encrypt ${app} between ${leak.client} and ${leak.server}`, 'days', true),
    };
  }
  if (leak.kind === 'weak-tls') {
    return {
      ...base,
      asset: { name: leak.server },
      title: cut(`Weak TLS on ${to}: ${[...leak.what.keys()].join(', ')}`, 250),
      fix: {
        title: `Strengthen TLS on ${leak.server}`,
        how: 'Allow TLS 1.2 and 1.3 only, with AEAD suites, and give the server a certificate of a known authority with at least RSA 2048 or P-256 and SHA-256. Test old devices first: some speak nothing newer and need a relay.',
        effort: 'hours',
        disrupts: true,
      },
    };
  }
  if (leak.kind === 'clear-text-logs') {
    return {
      ...base,
      asset: { name: leak.client },
      title: `Logs in clear from ${leak.client} to ${to}`,
      detail: 'Whoever is on the path can read what this machine logs, and send lines in its name.',
      fix: fixOf(leak, `Send the logs of ${leak.client} over TLS`, 'hours', false),
    };
  }
  if (leak.kind === 'weak-authentication') {
    return {
      ...base,
      asset: { name: leak.server },
      title: cut(`Weak log-in: ${app} on ${to}: ${[...leak.what.keys()].join(', ')}`, 250),
      detail: `Log-ins from ${leak.client} cannot be read, but they can be broken by trying or passed on to another server.`,
      fix: fixOf(leak, `Strengthen ${app} log-ins on ${leak.server}`, 'days', true),
    };
  }
  return {
    ...base,
    asset: { name: leak.server },
    title: `Log-in in clear: ${app} from ${leak.client} to ${to}`,
    detail: `${[...leak.what.keys()].join(', ')}: whoever is on the path can take it and use it.`,
    fix: fixOf(leak, `End ${app} log-ins in clear on ${leak.server}`, 'hours', true),
  };
}

function fixOf(leak: Leak, title: string, effort: Fix['effort'], disrupts: boolean): Fix {
  return { title: cut(title, 250), how: HOW[leak.app] ?? 'Encrypt this connection.', effort, disrupts };
}
