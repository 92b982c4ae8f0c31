/** The words of the Network page. */

const many = (count: number, one: string, more: string) => `${count.toLocaleString('en')} ${count === 1 ? one : more}`;

export const networkTexts = {
  tabs: { flows: 'What leaks', map: 'Who talks clear text to whom', routers: 'Routers' },
  answer: (patients: number, logins: number) =>
    patients + logins === 0
      ? 'No capture shows patients or log-ins in clear. What no capture held is not counted.'
      : `${many(patients, 'connection carries', 'connections carry')} patients in clear, ${many(logins, 'carries', 'carry')} log-ins.`,
  kinds: {
    'clear-text-patient-data': 'Patients',
    'clear-text-clinical-protocol': 'Clinical protocol',
    'clear-text-credential': 'Log-ins',
    'clear-text-logs': 'Logs',
    'weak-authentication': 'Weak log-ins',
    'weak-tls': 'Weak TLS',
  } as Readonly<Record<string, string>>,
  from: 'From',
  to: 'To',
  application: 'Speaks',
  leaks: 'Leaks',
  patients: 'Patients',
  messages: 'Messages',
  last: 'Last seen',
  detail: 'Flow',
  fields: 'Fields that are filled',
  what: 'Seen',
  names: 'Calls itself',
  openFinding: 'Open the finding with its evidence',
  hashed: 'Patients are told apart by a keyed hash; no value of theirs is kept.',
  none: 'No capture was inspected yet, or none showed anything in clear.',
  noneText: 'Mirror a switch port to this machine, or hand a capture over:',
  relay: {
    title: 'Make a relay',
    text: 'A pair of relays puts TLS around a device that knows only clear text. The command writes both configurations (also for stunnel and HAProxy), the certificates and the steps of the switch-over; later captures judge whether the clear text ended.',
    near: 'Near relay, in the device’s segment (host:port)',
    far: 'Far relay, beside the server (host:port)',
    command: 'The command for this flow',
    states: {
      fixed: 'The relay carries it.',
      'still-clear': 'Clear text still flows.',
      waiting: 'Waiting for a capture.',
    },
  },
  map: {
    label: 'Connections in clear, from the left to the right; the table under “What leaks” says the same in words',
    more: (count: number) => `${many(count, 'more machine is', 'more machines are')} not drawn; the table has all.`,
    none: 'Nothing to draw: nobody was seen talking in clear.',
    edge: (client: string, server: string, apps: string) => `${client} to ${server}: ${apps}`,
  },
  routers: {
    sentence: (consumer: number, unknown: number) =>
      `${many(consumer, 'router', 'routers')} made for homes, ${unknown} of unknown kind.`,
    none: 'No capture showed a router yet.',
    noneText:
      'Routers show themselves by handing out addresses, by announcing themselves and by what they say of their model.',
    verdicts: { consumer: 'made for homes', professional: 'professional', unknown: 'unknown' },
    vendor: 'Made by',
    addresses: 'Addresses',
    reasons: 'Why',
    seen: 'Seen',
    noVendor: 'maker unknown',
    override: 'What it really is',
    why: 'Why you know',
    said: (owner: string, verdict: string, reason: string) =>
      `${owner} says: ${verdict}${reason === '' ? '' : ` (${reason})`}`,
    keep: 'Say so in my name',
    takeBack: 'Take it back',
  },
} as const;
