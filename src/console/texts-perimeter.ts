/** The texts of the Perimeter page. */

const many = (count: number, one: string, more: string): string =>
  `${count.toLocaleString('en')} ${count === 1 ? one : more}`;

export const perimeter = {
  answer: (services: number, hosts: number, grave: number) =>
    services === 0
      ? 'Nothing has been looked at yet.'
      : `${many(services, 'service', 'services')} on ${many(hosts, 'host', 'hosts')}; ${grave === 0 ? 'none of them needs you now' : `${many(grave, 'is', 'are')} worth an attacker’s time`}.`,
  none: 'No scan yet',
  noneText:
    'A scan runs inside a scope that its owner signed, and nowhere else. Write one, sign it, install it; then scan.',
  command: 'asepsis perimeter scope new --owner "NAME" --contact MAIL > scope.yaml',
  tabs: { services: 'Services', map: 'Map', certificates: 'Certificates', drift: 'Changes', scope: 'Scope' },
  host: 'Host',
  address: 'Address',
  port: 'Port',
  service: 'Service',
  grade: 'TLS',
  gradeLegend:
    'A Mozilla intermediate or better, B small lapses, C old, D broken parts, F no protection, T not trusted',
  worst: 'Worst',
  nothing: 'nothing found',
  seen: 'Seen',
  from: 'Seen from',
  everywhere: 'Everywhere',
  inside: 'inside',
  outside: 'outside',
  title: 'Title',
  banner: 'Banner',
  software: 'Versions it tells',
  certificate: 'Certificate',
  until: 'Valid until',
  issuer: 'Issuer',
  findings: 'Findings of this host',
  detail: 'Service',
  days: (days: number) =>
    days < 0 ? `expired ${many(-days, 'day', 'days')} ago` : `${many(days, 'day', 'days')} left`,
  noCertificates: 'No certificate was seen.',
  noDrift: 'Nothing has changed between scans.',
  scan: 'Scan now',
  stop: 'Stop the scan',
  kill: 'Forbid scans',
  stopHint: 'Ends every scan at once and lets none begin until it is taken back',
  resume: 'Allow scans again',
  killed: (why: string) => `The kill switch is on: ${why}.`,
  running: (done: number, hosts: number, open: number) =>
    `A scan is running: ${done} of ${many(hosts, 'host', 'hosts')}, ${many(open, 'open port', 'open ports')} so far.`,
  scopeNow: (name: string, owner: string, until: string) => `Scope “${name}” of ${owner}, until ${until}.`,
  mayNot: (reason: string) => `No scan now: ${reason}.`,
  noScope: (fault: string) => `No scope is installed: ${fault}`,
  last: (hosts: number, targets: number, probes: number) =>
    `Last scan: ${hosts} of ${many(targets, 'target', 'targets')} looked at, ${many(probes, 'probe', 'probes')} sent.`,
  scopeText: 'The scope file',
  scopeHint: 'A change needs a new signature: asepsis perimeter scope sign scope.yaml --key KEY',
  preview: 'Preview',
  install: 'Install this scope',
  installed: 'The scope is installed.',
  would: (count: number) => `${many(count, 'target', 'targets')} would be touched.`,
  signed: 'Signed by a trusted key',
  notTouched: 'Not touched',
  mapLead: 'One box a host, one mark a service; the shape and the word say how bad it is.',
} as const;
