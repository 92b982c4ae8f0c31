/** Windows events: the same event in every coat it comes in. */

import { describe, expect, test } from 'vitest';
import { decodeOne, RECEIVED_MS } from '../decode-testing.ts';

const XML = `<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Microsoft-Windows-Security-Auditing' Guid='{54849625}'/><EventID>4625</EventID><Version>0</Version><Level>0</Level><Keywords>0x8010000000000000</Keywords><TimeCreated SystemTime='2026-05-20T09:14:03.1234567Z'/><EventRecordID>77</EventRecordID><Execution ProcessID='700' ThreadID='1'/><Channel>Security</Channel><Computer>dc1.h.example</Computer><Security/></System><EventData><Data Name='SubjectUserName'>-</Data><Data Name='TargetUserName'>ada &amp; co</Data><Data Name='TargetDomainName'>HOSP</Data><Data Name='LogonType'>3</Data><Data Name='IpAddress'>::ffff:203.0.113.9</Data><Data Name='IpPort'>51000</Data><Data Name='Empty'></Data></EventData></Event>`;
const DATA = {
  SubjectUserName: '-',
  TargetUserName: 'ada & co',
  TargetDomainName: 'HOSP',
  LogonType: '3',
  IpAddress: '::ffff:203.0.113.9',
  IpPort: '51000',
};
const TIME = '2026-05-20T09:14:03.123Z';

const COATS: readonly (readonly [string, string])[] = [
  ['XML', XML],
  [
    'flat',
    JSON.stringify({
      EventID: 4625,
      Channel: 'Security',
      SourceName: 'Microsoft-Windows-Security-Auditing',
      Hostname: 'dc1.h.example',
      TimeCreated: TIME,
      ...DATA,
    }),
  ],
  [
    'NXLog',
    JSON.stringify({
      EventID: 4625,
      Channel: 'Security',
      SourceName: 'Microsoft-Windows-Security-Auditing',
      Hostname: 'dc1.h.example',
      EventTime: '2026-05-20 09:14:03.123',
      EventType: 'AUDIT_FAILURE',
      ...DATA,
    }),
  ],
  [
    'Winlogbeat',
    JSON.stringify({
      '@timestamp': TIME,
      message: 'An account failed to log on.',
      winlog: {
        event_id: '4625',
        channel: 'Security',
        computer_name: 'dc1.h.example',
        provider_name: 'Microsoft-Windows-Security-Auditing',
        event_data: DATA,
      },
    }),
  ],
  [
    'Winlogbeat, dotted',
    JSON.stringify({
      '@timestamp': TIME,
      'winlog.event_id': 4625,
      'winlog.channel': 'Security',
      'winlog.computer_name': 'dc1.h.example',
      ...Object.fromEntries(Object.entries(DATA).map(([name, value]) => [`winlog.event_data.${name}`, value])),
    }),
  ],
  [
    'EVTX dump',
    JSON.stringify({
      Event: {
        System: {
          Provider: { '#attributes': { Name: 'Microsoft-Windows-Security-Auditing' } },
          EventID: 4625,
          Channel: 'Security',
          Computer: 'dc1.h.example',
          TimeCreated: { '#attributes': { SystemTime: TIME } },
        },
        EventData: DATA,
      },
    }),
  ],
  [
    'OpenTelemetry',
    JSON.stringify({
      time_unix_nano: '1779268443123000000',
      body: {
        channel: 'Security',
        computer: 'dc1.h.example',
        event_id: { id: 4625, qualifiers: 0 },
        provider: { name: 'Microsoft-Windows-Security-Auditing' },
        system_time: TIME,
        event_data: DATA,
      },
      attributes: {},
      resource: {},
    }),
  ],
  [
    'JSON in syslog',
    `<13>May 20 09:14:04 collector nxlog[3]: ${JSON.stringify({ EventID: 4625, Channel: 'Security', Hostname: 'dc1.h.example', TimeCreated: TIME, ...DATA })}`,
  ],
];

test.each(COATS)('a failed log-on as %s', (_name, record) => {
  const event = decodeOne(record);
  expect(event).toMatchObject({
    format: 'windows/security',
    timeMs: Date.parse(TIME),
    logsource: { product: 'windows', service: 'security' },
    norm: {
      class_uid: 3002,
      action: 'logon',
      outcome: 'failure',
      user: 'ada & co',
      user_domain: 'HOSP',
      src_ip: '203.0.113.9',
      src_port: 51000,
      host: 'dc1.h.example',
      event_code: '4625',
    },
    fields: { Channel: 'Security', TargetUserName: 'ada & co', IpAddress: '::ffff:203.0.113.9', LogonType: '3' },
  });
  expect(String(event.fields.EventID)).toBe('4625');
});

describe('log sources', () => {
  test.each([
    [
      1,
      'Microsoft-Windows-Sysmon/Operational',
      {},
      { product: 'windows', service: 'sysmon', category: 'process_creation' },
    ],
    [
      12,
      'Microsoft-Windows-Sysmon/Operational',
      { EventType: 'DeleteKey' },
      { product: 'windows', service: 'sysmon', category: 'registry_delete' },
    ],
    [4688, 'Security', {}, { product: 'windows', service: 'security', category: 'process_creation' }],
    [
      4104,
      'Microsoft-Windows-PowerShell/Operational',
      {},
      { product: 'windows', service: 'powershell', category: 'ps_script' },
    ],
    [7045, 'System', {}, { product: 'windows', service: 'system' }],
    [1, 'Linux-Sysmon/Operational', {}, { product: 'linux', service: 'sysmon', category: 'process_creation' }],
    [9, 'Vendor/Own', {}, { product: 'windows' }],
  ])('%s of %s', (EventID, Channel, more, logsource) => {
    expect(decodeOne(JSON.stringify({ EventID, Channel, TimeCreated: TIME, ...more })).logsource).toEqual(logsource);
  });
});

test('a new process: names that Sigma knows beside those of the log', () => {
  const { norm, fields } = decodeOne(
    JSON.stringify({
      EventID: 4688,
      Channel: 'Security',
      SubjectUserName: 'ada',
      NewProcessName: 'C:\\a.exe',
      ParentProcessName: 'C:\\p.exe',
      CommandLine: 'a.exe /x',
      NewProcessId: '0x1f4',
    }),
  );
  expect(fields).toMatchObject({ Image: 'C:\\a.exe', ParentImage: 'C:\\p.exe', NewProcessName: 'C:\\a.exe' });
  expect(norm).toMatchObject({
    action: 'process-start',
    user: 'ada',
    process: 'C:\\a.exe',
    parent_process: 'C:\\p.exe',
    command_line: 'a.exe /x',
    pid: 500,
  });
});

test('a member added to a group', () => {
  const { norm } = decodeOne(
    JSON.stringify({
      EventID: 4732,
      Channel: 'Security',
      SubjectUserName: 'eve',
      TargetUserName: 'Administrators',
      MemberName: 'CN=Mallory',
    }),
  );
  expect(norm).toMatchObject({ class_uid: 3006, action: 'group-add', user: 'eve', target_user: 'CN=Mallory' });
});

describe('event XML', () => {
  test('unnamed data, user data, entities, CDATA', () => {
    const of = (body: string) =>
      decodeOne(
        `<Event><System><EventID Qualifiers="3">18456</EventID><Channel>Application</Channel></System>${body}</Event>`,
      ).fields;
    expect(of('<EventData><Data>sa</Data><Data>a&#x3c;b</Data></EventData>').Data).toEqual(['sa', 'a<b']);
    expect(
      of('<UserData><LogFileCleared xmlns="x"><SubjectUserName>eve</SubjectUserName></LogFileCleared></UserData>')
        .SubjectUserName,
    ).toBe('eve');
    expect(of('<EventData><Data Name="a"><![CDATA[<b>&amp;]]></Data></EventData>').a).toBe('<b>&amp;');
  });
  test.each([
    '<Event><System>',
    '<Event><a></b></Event>',
    '<!DOCTYPE x><Event></Event>',
    '<Event></Event>',
    '<Event <a',
  ])('%s is kept raw', (xml) => {
    expect(decodeOne(xml)).toMatchObject({ format: 'raw', timeMs: RECEIVED_MS });
  });
});
