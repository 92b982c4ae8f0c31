/** The texts of the Access page. */

const many = (count: number, one: string, more: string): string =>
  `${count.toLocaleString('en')} ${count === 1 ? one : more}`;

export const access = {
  answer: (missing: number, services: number, whole: boolean) =>
    services === 0
      ? 'Nothing is known yet about who signs in with what.'
      : `${whole ? '' : 'At least '}${many(missing, 'account', 'accounts')} on ${many(services, 'service', 'services')} can be opened without a second factor.`,
  none: 'No account is known yet',
  noneText: 'Export the users of your identity systems and let the audit read them; a first round adds this machine:',
  command: 'asepsis access audit exports/ --data ./data',
  services: {
    title: 'Coverage by service',
    lead: 'Services that can be reached from the internet come first. Unknown is never counted as covered.',
    service: 'Service',
    external: 'from the internet',
    enforced: 'Enforced',
    registered: 'Not enforced',
    bypassed: 'Bypassed',
    noFactor: 'None',
    unknown: 'Unknown',
  },
  missing: {
    title: 'Who is missing',
    lead: (shown: number, all: number) =>
      shown < all
        ? `The first ${shown} of ${all}, privileged and external accounts first.`
        : 'Privileged and external accounts first.',
    nobody: 'Nobody is known to be without an enforced second factor.',
    unknown: 'Nobody can be judged before an export was read.',
    account: 'Account',
    service: 'Service',
    state: 'Second factor',
    why: 'Evidence',
    privileged: 'privileged',
    letter: 'A letter to them',
    letterLead: 'Copy it into a mail to the people above.',
    letterText: (origin: string | null) =>
      `Dear colleague,\n\nyour account can still be opened with a password alone. Passwords are guessed and stolen every day, and patients depend on what your account can do.\n\nPlease set up a second factor: a passkey, a security key, or an app on your phone. ${origin === null ? 'The service desk shows you how.' : `The service desk gives you a code for ${origin}/enrol.`} It takes two minutes. Your work goes on as before.\n\nThank you\nYour security team`,
  },
  enrol: {
    title: 'Set up somebody’s second factor',
    account: 'Account',
    kind: 'How',
    link: 'One-time link, 7 days',
    desk: 'Help-desk code, 15 minutes',
    identity: 'How you know that it is them',
    identityHelp: 'Staff card seen, call back to the ward’s number, manager on the phone',
    reset: 'End the old factors and sessions (lost phone or key)',
    local: 'Make a local account when there is none',
    make: 'Make it',
    once: 'It is shown only now and works once, together with the account’s password.',
    linkLabel: 'Link',
    until: 'Until',
  },
  gateway: {
    title: 'The gateway',
    none: 'No gateway runs here',
    noneText:
      'It puts a second factor in front of applications that will never learn one. Write access/gateway.yaml in the data folder; docs/operate/gateway.md shows one to begin with.',
    at: (origin: string, apps: number, sessions: number) =>
      `People sign in at ${origin}: ${many(apps, 'application', 'applications')} behind it, ${many(sessions, 'person', 'people')} signed in.`,
    apart: 'It runs as a process of its own; this desk shares its data.',
    app: 'Application',
    hosts: 'Host',
    emergency: 'In an emergency',
    emergencies: { closed: 'stays closed', 'break-glass': 'break-glass opens it' } as Readonly<Record<string, string>>,
  },
  sessions: {
    title: 'Live sessions',
    none: 'Nobody is signed in at the gateway.',
    person: 'Person',
    from: 'From',
    factors: 'Factors',
    seen: 'Last seen',
    end: 'End',
    endOf: (name: string) => `End the session of ${name}`,
    locked: 'locked',
    emergency: 'break-glass',
  },
  held: {
    title: 'Held back now',
    none: 'No account or address is held back.',
    lead: 'Guessing is slowed down by these counters. People with a passkey, or from where they signed in before, are not kept waiting.',
    what: 'Counter',
    key: 'Of',
    failures: 'Failures',
    until: 'Until',
    kinds: {
      account: 'account, from unknown places',
      address: 'address',
      pair: 'account and address',
      known: 'account, from a known place',
      code: 'codes of an account',
      'code-known': 'codes, from a known place',
      spraying: 'address that tries many accounts',
      stuffing: 'account tried from many addresses',
      overall: 'everything from unknown places',
      stranger: 'links and sealed codes',
    } as Readonly<Record<string, string>>,
  },
  emergencies: {
    title: 'Break-glass',
    none: 'Break-glass was never used.',
    waiting: (count: number) => `${many(count, 'use waits', 'uses wait')} for a review.`,
    done: 'Every use has been reviewed.',
    opened: (person: string, app: string) => `${person} opened ${app}`,
    asked: (person: string, app: string, approvals: number) =>
      `${person} asked for ${app}; ${approvals} of 2 approvals`,
    reason: 'Reason given',
    review: 'What came of it',
    save: 'Reviewed',
    reviewed: (who: string) => `Reviewed by ${who}`,
  },
} as const;
