/** The texts of the Perimeter page. */

const many = (count: number, one: string, more: string): string =>
  `${count.toLocaleString('en')} ${count === 1 ? one : more}`;

export const perimeter = {
  answer: (services: number, hosts: number, more: boolean) =>
    services === 0
      ? 'Nothing has been looked at yet.'
      : `${more ? 'At least ' : ''}${many(services, 'service', 'services')} on ${many(hosts, 'host', 'hosts')}.`,
  grave: (count: number) =>
    count === 0 ? 'None of them needs you now.' : `${many(count, 'is', 'are')} worth an attacker’s time.`,
  none: 'No scan yet',
  noneText:
    'A scan runs inside a scope that its owner signed, and nowhere else. Write one, sign it, install it; then scan.',
  noneFrom: 'Nothing was seen from there',
  noneFromText: 'A scan from outside runs on any host there with --from outside and --push; see the Perimeter chapter.',
  command: 'asepsis perimeter scope new --owner "NAME" --contact MAIL > scope.yaml',
  tabs: {
    services: 'Services',
    map: 'Map',
    certificates: 'Certificates',
    drift: 'Changes',
    compare: 'Inside and outside',
    scope: 'Scope',
  },
  place: 'Where',
  address: 'Address',
  service: 'Service',
  grade: 'TLS',
  gradeLong: 'TLS grade',
  grades: {
    A: 'Mozilla intermediate or better',
    B: 'small lapses',
    C: 'old',
    D: 'broken parts',
    F: 'no protection',
    T: 'not trusted',
  } as Readonly<Record<string, string>>,
  gradeLegend:
    'TLS grades: A Mozilla’s intermediate level or better · B small lapses · C old · D broken parts · F no protection · T not trusted · – no TLS.',
  worst: 'Worst finding',
  nothing: 'none',
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
  detail: 'Service in detail',
  days: (days: number) =>
    days < 0 ? `expired ${many(-days, 'day', 'days')} ago` : `${many(days, 'day', 'days')} left`,
  noCertificates: 'No certificate was seen yet',
  noCertificatesText: 'Every certificate that a scan meets stands here, the next to expire first.',
  noDrift: 'Nothing has changed between scans',
  noDriftText:
    'The first scan is what later ones are compared with. A new port, another service, a worse grade and another issuer become alerts.',
  compare: { 'outside only': 'Seen from outside only', both: 'Seen from both', 'inside only': 'Seen from inside only' },
  compareLead: {
    'outside only':
      'The inside scan did not meet these: something else answers at the address, or the scope inside leaves it out.',
    both: 'These reach the internet. Each should be meant to.',
    'inside only': 'The firewall keeps these to ourselves, or nobody looked at them from outside.',
  },
  noCompare: 'Nothing to compare yet',
  noCompareText: 'It takes a scan from inside and one from outside; see the Perimeter chapter.',
  noFindings: 'Nothing was found on this host.',
  allFindings: 'All findings of this host',
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
  noScope: 'No scope is installed.',
  last: 'The last scan ended',
  lastWas: (hosts: number, targets: number, probes: number) =>
    `${hosts.toLocaleString('en')} of ${many(targets, 'target', 'targets')} looked at, ${many(probes, 'probe', 'probes')} sent,`,
  lastStopped: (why: string) => `It did not reach its end: ${why}.`,
  ending: 'The scan is ending.',
  lastFindings: (count: number) => many(count, 'finding', 'findings'),
  notSeen: (count: number) => `${many(count, 'thing was', 'things were')} not looked at, and why`,
  scopeSteps:
    'A scope says what may be looked at. Write one with this command, let its owner sign it, trust the owner’s key, and put the signed text here.',
  scopeNotYours: 'Leads see and preview the scope; administrators put a signed one in force.',
  moreTargets: (count: number) => `and ${many(count, 'more', 'more')}`,
  scopeText: 'The scope file',
  scopeHint: 'A change needs a new signature: asepsis perimeter scope sign scope.yaml --key KEY',
  preview: 'Preview',
  install: 'Install this scope',
  installed: 'The scope is installed.',
  would: (count: number) => `${many(count, 'target', 'targets')} would be touched.`,
  signed: 'Signed by a trusted key.',
  notTouched: 'Not touched',
  mapLead: 'One box for each host, one line for each service, with its TLS grade and its worst finding.',
} as const;
