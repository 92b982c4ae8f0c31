/** The words of the pages Rules, Hunt and ATT&CK. */

const plural = (count: number, one: string, more: string) =>
  `${count.toLocaleString('en')} ${count === 1 ? one : more}`;

export const detectionTexts = {
  rules: {
    page: 'Rules',
    detail: 'Rule',
    answer: (o: { on: number; off: number; quarantined: number; suppressed: number }) =>
      `${plural(o.on, 'rule looks', 'rules look')} at every event${o.off > 0 ? `, ${o.off} switched off` : ''}.${
        o.quarantined > 0 ? ` ${plural(o.quarantined, 'rule failed and was', 'rules failed and were')} set aside.` : ''
      }${o.suppressed > 0 ? ` ${plural(o.suppressed, 'alert was', 'alerts were')} kept silent since the start.` : ''}`,
    state: (o: { groups: number; mb: number; late: number; evicted: number }) =>
      `Remembers ${plural(o.groups, 'group', 'groups')} in ${o.mb} MB · ${plural(o.late, 'event', 'events')} too late to count · ${plural(o.evicted, 'group', 'groups')} forgotten for want of room`,
    columns: { title: 'Rule', alerts: 'Alerts, 90 days', precision: 'Right', kind: 'Kind', on: 'State' },
    on: 'on',
    off: 'off',
    aside: 'set aside',
    unjudged: 'not judged',
    precision: (share: number) => `${Math.round(share * 100)} %`,
    sentence: (o: { alerts: number; real: number; harmless: number; suppressed: number }) =>
      o.alerts === 0
        ? 'It raised no alert in the last 90 days.'
        : `${plural(o.alerts, 'alert', 'alerts')} in 90 days: ${o.real} real, ${o.harmless} harmless, ${
            o.alerts - o.real - o.harmless
          } not judged.${o.suppressed > 0 ? ` ${o.suppressed} more were kept silent.` : ''}`,
    showAlerts: 'Its alerts',
    reason: 'Why',
    switchOff: 'Switch off',
    switchOn: 'Switch on',
    saidOff: (title: string) => `${title} is off: it neither alerts nor counts.`,
    saidOn: (title: string) => `${title} is on.`,
    tune: 'Propose filters from harmless alerts',
    tuneUse: (days: string) => (days === '1' ? 'Keep these silent for a day' : `Keep these silent for ${days} days`),
    quiet: 'Keep alerts silent',
    quietOwn: 'Silence alerts that fit a condition',
    quietField: 'Field',
    quietFieldHelp: 'A field of the event, or entity.address, entity.account, entity.host',
    quietOp: 'Comparison',
    ops: {
      equals: 'is',
      startswith: 'begins with',
      endswith: 'ends with',
      contains: 'contains',
      cidr: 'is in the network',
    },
    quietValue: 'Value',
    quietDays: 'For',
    quietDurations: [
      { value: '1', label: 'a day' },
      { value: '7', label: 'a week' },
      { value: '30', label: '30 days' },
      { value: '90', label: '90 days' },
      { value: '365', label: 'a year' },
    ],
    quietReason: 'Reason',
    quietMissing: 'A value and a reason: whoever reads it next year will want to know',
    quietGo: 'Keep silent',
    backtest: 'Try a change on the archive',
    backtestOpen: 'Change a copy',
    backtestText: 'The rule as YAML',
    backtestHelp: 'A copy: nothing is put into force. It is compared with the rule as it is, over the last 30 days.',
    backtestGo: 'Try it',
    backtestPart: 'The time was up, or there were too many: this is a part.',
    missing: '(not there)',
    bytes: (from: number, to: number) => `bytes ${from} to ${to}`,
    whyFired: 'Why exactly: predicate by predicate',
    whyEvent: 'Why did a rule fire on this, or not?',
    whyRule: 'Rule',
    whyHelp: 'Its title or id',
    whyUnknown: 'No rule has this title or id.',
    saidSilent: 'They are kept silent, and stay counted.',
    silentReason: 'Proposed from alerts that were found harmless',
    suppressions: 'Kept silent',
    suppression: (o: { owner: string; until: string; count: number }) =>
      `by ${o.owner}, until ${o.until}, ${plural(o.count, 'alert', 'alerts')} so far`,
    takeBack: 'Undo',
    saidBack: 'Alerts are raised again from the next event on.',
    anyRule: 'any rule',
    explain: 'Why did it fire, or not?',
    explainEvent: 'Id of an event',
    explainGo: 'Explain',
    none: 'No rules are loaded.',
    noneText: 'Rules are YAML files in the folder “rules” of the data folder.',
    noneCommand: 'asepsis rules lint data/rules',
    cost: 'Cost',
    costWords: (us: number) => `${us} µs an event, where the index does not spare it`,
  },
  hunt: {
    page: 'Hunt',
    answer: (o: { running: number; indicators: number; hits: number }) =>
      `${o.indicators === 0 ? 'No indicators are loaded.' : `Every event is compared with ${plural(o.indicators, 'indicator', 'indicators')}; ${plural(o.hits, 'find', 'finds')} since the start.`}${
        o.running > 0 ? ` ${plural(o.running, 'hunt is', 'hunts are')} under way.` : ''
      }`,
    columns: { name: 'Hunt', state: 'State', parts: 'Parts', alerts: 'Alerts', started: 'Started' },
    states: { waiting: 'waiting', running: 'running', done: 'done', stopped: 'stopped', failed: 'failed' },
    progress: (done: number, all: number) => (all === 0 ? '–' : `${done} of ${all}`),
    newTitle: 'Look for something in all archived events',
    kind: 'What',
    kinds: { indicators: 'A list of indicators', rule: 'A Sigma rule' },
    name: 'Name',
    text: 'The list or the rule',
    textHelp: 'One value a line, CSV, STIX 2.1, MISP JSON; or the rule as YAML',
    start: 'Start the hunt',
    keep: 'Keep as indicators for new events too',
    saidStarted: (name: string) => `The hunt for ${name} has begun; alerts become incidents.`,
    saidImported: (added: number, left: number) =>
      `${plural(added, 'indicator', 'indicators')} added, ${left} left out as common or own.`,
    stop: 'Stop',
    lists: 'Lists',
    list: (count: number) => plural(count, 'entry', 'entries'),
    remove: 'Remove the list',
    saidRemoved: (count: number) => `${plural(count, 'indicator', 'indicators')} removed.`,
    none: 'Nothing was hunted for yet.',
    noneText: 'A new list or a new rule says more when it has also looked at last year.',
    noneCommand: 'asepsis hunt --indicators list.txt',
  },
  attack: {
    page: 'ATT&CK',
    answer: (o: { techniques: number; tactics: number; fired: number }) =>
      `Rules look for ${plural(o.techniques, 'technique', 'techniques')} in ${o.tactics} of 14 tactics; ${o.fired} of them raised alerts in 90 days.`,
    rules: (count: number) => plural(count, 'rule', 'rules'),
    alerts: (count: number) => plural(count, 'alert', 'alerts'),
    none: 'no rule looks for this tactic',
    caption: 'Techniques by tactic, each with its rules and alerts',
  },
};
