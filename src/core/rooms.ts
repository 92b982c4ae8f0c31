/** The nine rooms, one for each recommendation, and what a room offers to the rest through its door. */

export const ROOM_NAMES = [
  'patching',
  'perimeter',
  'network',
  'phishing',
  'detection',
  'access',
  'team',
  'procurement',
  'sharing',
] as const;
export type RoomName = (typeof ROOM_NAMES)[number];

/** The recommendation behind each room, in plain words, and the first step that brings evidence for it; an empty command means that there is none to run. */
export const RECOMMENDATIONS: Readonly<
  Record<RoomName, { title: string; asks: string; firstStep: string; command: string }>
> = {
  patching: {
    title: 'Patching',
    asks: 'Servers, workstations and devices get their security updates regularly.',
    firstStep: 'Run a first round of this machine; it lists the updates that wait.',
    command: 'asepsis check',
  },
  perimeter: {
    title: 'External servers',
    asks: 'What faces the internet is strengthened against automated scans.',
    firstStep: 'Run a first round of this machine; it lists what listens and how.',
    command: 'asepsis check',
  },
  network: {
    title: 'Routers and clear text',
    asks: 'Professional-grade routers, and no patient data in clear text.',
    firstStep: 'Capture an hour of traffic at a mirror port of a switch, and inspect it.',
    command: 'asepsis inspect capture.pcap --data ./data',
  },
  phishing: {
    title: 'Phishing awareness',
    asks: 'Staff recognise phishing and report it.',
    firstStep: 'This version cannot measure it yet.',
    command: '',
  },
  detection: {
    title: 'Critical servers watched',
    asks: 'Critical servers are monitored for signs of compromise.',
    firstStep: 'Point the log shipper of one critical server at this desk.',
    command: 'logger -n 127.0.0.1 -P 5514 -T "hello from $(hostname)"',
  },
  access: {
    title: 'Second factor',
    asks: 'Two-factor authentication, first on critical external services.',
    firstStep: 'Run a first round of this machine; it lists log-ins without a second factor.',
    command: 'asepsis check',
  },
  team: {
    title: 'A team that reacts',
    asks: 'A security chief and a team that handle threats quickly without disrupting care.',
    firstStep: 'Enrol the people who work on alerts, and assign the next incident.',
    command: 'asepsis people invite',
  },
  procurement: {
    title: 'Safe purchases',
    asks: 'A cyber risk assessment whenever medical equipment is bought.',
    firstStep: 'This version cannot measure it yet.',
    command: '',
  },
  sharing: {
    title: 'Sharing with others',
    asks: 'Information is shared with other professionals, nationally and internationally.',
    firstStep: 'This version cannot measure it yet.',
    command: '',
  },
};
