/** The words of responses: the page, the form that shows the effect first, and the buttons on an incident. */

const plural = (count: number, one: string, more: string) => `${count} ${count === 1 ? one : more}`;

export const responseTexts = {
  page: 'Responses',
  detail: 'Response',
  kinds: {
    block: 'Block an address',
    'disable-account': 'Disable an account',
    'revoke-sessions': 'End an account’s sessions',
  },
  states: {
    proposed: 'waits for a lead',
    active: 'in force',
    expired: 'over',
    undone: 'taken back',
    refused: 'refused',
    failed: 'failed',
  },
  answer: (o: { active: number; waiting: number; more: boolean; simulate: boolean }) => {
    const count = o.active === 0 ? 'Nothing is blocked now.' : `${o.active}${o.more ? ' or more' : ''} in force.`;
    const waiting = o.waiting > 0 ? ` ${plural(o.waiting, 'proposal waits', 'proposals wait')} for a lead.` : '';
    return `${count}${waiting}${o.simulate ? ' Everything is rehearsed only: nothing is really changed.' : ''}`;
  },
  status: (o: { blocks: number; most: number; bouncers: number; nftables: boolean }) =>
    `${o.blocks} of ${o.most} blocks this hour · ${
      o.nftables ? 'this host drops packets itself' : 'this host drops nothing itself'
    } · ${plural(o.bouncers, 'bouncer asks', 'bouncers ask')} for decisions`,
  simulate: 'To enforce, set this in asepsis.yaml and start again:',
  simulateLine: 'responses: { mode: enforce }',
  none: 'No response was ever needed.',
  noneText: 'Open an incident and choose what stops it, or block an address by hand. Its effect is shown first.',
  noneCommand: 'asepsis respond preview block 203.0.113.7',
  columns: { target: 'Whom', kind: 'What', ends: 'Ends', by: 'By' },
  by: 'Proposed by',
  approvedBy: 'Approved by',
  endedBy: 'Ended by',
  reason: 'Reason',
  ends: 'Ends',
  incident: 'Incident',
  done: 'What was done',
  failedMark: 'failed',
  dropped: (packets: number) => `${plural(packets, 'packet', 'packets')} dropped by this host`,
  simulated: 'rehearsed only',
  newTitle: 'Block an address or stop an account',
  form: {
    kind: 'What',
    target: 'Whom',
    targetHelp: 'An address, a range such as 203.0.113.0/24, or an account',
    duration: 'For',
    durations: [
      { value: '30', label: '30 minutes' },
      { value: '240', label: '4 hours' },
      { value: '1440', label: '1 day' },
      { value: '10080', label: '7 days' },
    ],
    reason: 'Reason',
    reasonHelp: 'Stands in the audit log for good',
    reasonMissing: 'Say why, in a few words.',
    show: 'Show the effect',
    now: (kind: string, target: string) => `${kind}: ${target}`,
    propose: 'Propose to a lead',
  },
  preview: {
    title: 'Its effect',
    touches: 'Touches',
    affected: 'Who uses it',
    careful: 'May disturb',
    undo: 'Taken back by',
    refused: 'Not possible',
    simulated: 'Responses are rehearsed only: it is written down, and nothing is changed.',
    lead: 'A lead has to approve it.',
  },
  approve: 'Approve',
  refuse: 'Refuse',
  undo: 'Take back',
  saidProposed: (target: string) => `Proposed for ${target}; a lead has to approve it.`,
  saidActive: (target: string) => `In force for ${target}.`,
  saidApproved: (target: string) => `Approved for ${target}.`,
  saidRefused: (target: string) => `Refused for ${target}.`,
  saidUndone: (target: string) => `Taken back for ${target}.`,
  onIncident: {
    title: 'Stop it',
    block: (address: string) => `Block ${address}`,
    disable: (account: string) => `Disable ${account}`,
    sessions: (account: string) => `End sessions of ${account}`,
    reason: (title: string) => `Incident: ${title}`,
    nobody: 'No attacker’s address and no account is known yet.',
  },
} as const;
