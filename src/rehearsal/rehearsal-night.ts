/** What happens in the rehearsal: an ordinary night shift, and in it one opportunistic attack from scan to ransom. */

import type { Hospital, Host } from './rehearsal-hospital.ts';
import {
  cronRun,
  device,
  firewallDrop,
  groupAdded,
  imapLogin,
  type Line,
  mailDelivered,
  sshClosed,
  sshFailure,
  sshSuccess,
  sudoRun,
  unitStarted,
  userAdded,
  webAccess,
  windows,
} from './rehearsal-lines.ts';
import type { Random } from './rehearsal-random.ts';

/** Addresses that are reserved for documentation (RFC 5737), so that nobody real is accused. */
export const ATTACKER = '203.0.113.66';
const SCANNER = '198.51.100.23';
const BROWSER = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0';
const KNOWN_HOLES = [
  '/.env',
  '/.git/config',
  '/wp-login.php',
  '/phpmyadmin/',
  '/cgi-bin/luci',
  '/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php',
  '/remote/fgt_lang?lang=/../../../..//////////dev/cmdb/sslvpn_websession',
  '/dana-na/../dana/html5acc/guacamole/../../../../../../etc/passwd?/dana/html5acc/guacamole/',
  '/actuator/env',
  '/manager/html',
  '/solr/admin/info/system',
  '/owa/auth/x.js',
  '/api/jsonws/invoke',
  '/boaform/admin/formLogin',
  '/HNAP1/',
  '/server-status',
  '/backup.zip',
  '/db.sql',
  '/config.php.bak',
  '/.aws/credentials',
];
const PAGES = [
  '/',
  '/login',
  '/appointments',
  '/results',
  '/messages',
  '/static/app.js',
  '/static/app.css',
  '/favicon.ico',
];

const role = (hospital: Hospital, name: Host['role']): Host => hospital.hostsOf(name)[0] as Host;

/** Where somebody works from at home: one person has one address, as outside the rehearsal. */
const homeOf = (hospital: Hospital, user: string): string => `192.0.2.${1 + (hospital.staff.indexOf(user) % 250)}`;

/** One ordinary record of a random host. */
export function ordinaryLine(at: number, hospital: Hospital, random: Random): Line {
  const user = random.pick(hospital.staff);
  const inside = `10.20.3.${10 + random.int(24)}`;
  const outside = `192.0.2.${1 + random.int(250)}`;
  const port = 30_000 + random.int(30_000);
  const server = random.pick(hospital.hostsOf('server'));
  switch (random.int(14)) {
    case 0:
      return sshSuccess(at, server, 'backup', '10.20.2.30', port, 'publickey');
    case 1:
      return sshClosed(at, server, 'backup', '10.20.2.30', port);
    case 2:
      return random.chance(0.05)
        ? sshFailure(at, role(hospital, 'vpn'), user, homeOf(hospital, user), port, true)
        : sshSuccess(at, role(hospital, 'vpn'), user, homeOf(hospital, user), port);
    case 3:
      return cronRun(
        at,
        server,
        random.pick(['/usr/local/bin/rotate', 'run-parts /etc/cron.hourly', '/usr/bin/certbot -q renew']),
      );
    case 4:
      return unitStarted(
        at,
        server,
        random.pick(['Daily apt activities', 'Cleanup of Temporary Directories', 'Backup of the record database']),
      );
    case 5:
      return mailDelivered(
        at,
        role(hospital, 'mail'),
        random
          .int(2 ** 32)
          .toString(16)
          .toUpperCase(),
        user,
      );
    case 6:
      return imapLogin(at, role(hospital, 'mail'), user, inside);
    case 7:
      return firewallDrop(
        at,
        role(hospital, 'firewall'),
        outside,
        role(hospital, 'portal').address,
        random.pick([23, 445, 3389, 5900]),
      );
    case 8:
      return device(
        at,
        random.pick(hospital.hostsOf('device')),
        random.pick(['self-test passed', 'battery 92 %', 'association accepted from pacs-1', 'link up 1000 Mbit/s']),
      );
    case 9:
      return windows(
        at,
        random.pick(hospital.hostsOf('directory')),
        'Security',
        'Microsoft-Windows-Security-Auditing',
        4624,
        {
          TargetUserName: user,
          TargetDomainName: 'HOSPITAL',
          LogonType: '3',
          IpAddress: inside,
          IpPort: String(port),
          WorkstationName: `WARD-${10 + random.int(24)}`,
        },
      );
    case 10:
      return windows(
        at,
        random.pick(hospital.hostsOf('ward')),
        'Microsoft-Windows-Sysmon/Operational',
        'Microsoft-Windows-Sysmon',
        1,
        {
          Image: 'C:\\Program Files\\Viewer\\viewer.exe',
          CommandLine: '"C:\\Program Files\\Viewer\\viewer.exe" --ward',
          ParentImage: 'C:\\Windows\\explorer.exe',
          User: `HOSPITAL\\${user}`,
        },
      );
    default:
      return webAccess(at, random.pick(hospital.hostsOf('portal')), outside, 'GET', random.pick(PAGES), 200, BROWSER);
  }
}

/** The attack, in order; each stage is what the rules of this project are for. */
export function attackLines(startMs: number, hospital: Hospital, random: Random): Line[] {
  const lines: Line[] = [];
  const portal = role(hospital, 'portal');
  const vpn = role(hospital, 'vpn');
  const firewall = role(hospital, 'firewall');
  const directory = role(hospital, 'directory');
  let at = startMs;
  const next = (ms: number) => {
    at += ms;
    return at;
  };
  for (let i = 0; i < 60; i++)
    lines.push(
      webAccess(next(150), portal, SCANNER, 'GET', KNOWN_HOLES[i % KNOWN_HOLES.length] as string, 404, 'zgrab/0.x'),
    );
  for (let i = 0; i < 80; i++) lines.push(firewallDrop(next(60), firewall, ATTACKER, vpn.address, 20 + i * 13));
  const names = [
    'admin',
    'root',
    'test',
    'oracle',
    'nurse',
    'pacs',
    'radiology',
    'ultrasound',
    hospital.victim,
    'guest',
  ];
  for (let i = 0; i < 312; i++) {
    const name = names[i % names.length] as string;
    lines.push(sshFailure(next(80), vpn, name, ATTACKER, 40_000 + i, name === hospital.victim || name === 'root'));
  }
  lines.push(sshSuccess(next(900), vpn, hospital.victim, ATTACKER, 41_000));
  lines.push(sudoRun(next(4000), vpn, hospital.victim, '/bin/bash'));
  lines.push(userAdded(next(3000), vpn, 'svc-update'));
  lines.push(groupAdded(next(500), vpn, 'svc-update', 'sudo'));
  const security = 'Microsoft-Windows-Security-Auditing';
  for (let i = 0; i < 40; i++) {
    const user = random.pick(hospital.staff);
    lines.push(
      windows(next(120), directory, 'Security', security, 4625, {
        TargetUserName: user,
        TargetDomainName: 'HOSPITAL',
        LogonType: '3',
        IpAddress: vpn.address,
        Status: '0xc000006d',
        SubStatus: '0xc000006a',
        WorkstationName: 'VPN-1',
      }),
    );
  }
  lines.push(
    windows(next(3000), directory, 'Security', security, 4732, {
      TargetUserName: 'Administrators',
      TargetDomainName: 'Builtin',
      MemberName: 'CN=svc-update,CN=Users,DC=hospital,DC=example',
      SubjectUserName: hospital.victim,
    }),
  );
  lines.push(
    windows(next(3000), directory, 'System', 'Service Control Manager', 7045, {
      ServiceName: 'UpdateSvc',
      ImagePath: 'C:\\ProgramData\\update.exe',
      ServiceType: 'user mode service',
      StartType: 'auto start',
      AccountName: 'LocalSystem',
    }),
  );
  const ward = hospital.hostsOf('ward')[2] as Host;
  const run = (image: string, command: string) =>
    lines.push(
      windows(next(1500), ward, 'Microsoft-Windows-Sysmon/Operational', 'Microsoft-Windows-Sysmon', 1, {
        Image: image,
        OriginalFileName: image.split('\\').at(-1) ?? '',
        CommandLine: command,
        ParentImage: 'C:\\ProgramData\\update.exe',
        User: 'HOSPITAL\\svc-update',
      }),
    );
  run('C:\\Windows\\System32\\vssadmin.exe', 'vssadmin.exe delete shadows /all /quiet');
  run('C:\\Windows\\System32\\wbadmin.exe', 'wbadmin delete catalog -quiet');
  run('C:\\Windows\\System32\\bcdedit.exe', 'bcdedit /set {default} recoveryenabled No');
  lines.push(
    windows(next(2000), ward, 'Security', 'Microsoft-Windows-Eventlog', 1102, {
      SubjectUserName: 'svc-update',
      SubjectDomainName: 'HOSPITAL',
    }),
  );
  return lines;
}

/**
 * The night as one ordered list without end: ordinary records at `perSec`, the attack after `attackAtMs` and again
 * every `attackEveryMs`.
 */
export function* night(
  hospital: Hospital,
  random: Random,
  options: { perSec: number; attackAtMs: number; attackEveryMs: number },
): Generator<Line> {
  const stepMs = 1000 / options.perSec;
  let attack = attackLines(options.attackAtMs, hospital, random);
  let taken = 0;
  let nextAttackMs = options.attackAtMs + options.attackEveryMs;
  for (let i = 0; ; i++) {
    const at = i * stepMs;
    while (taken < attack.length && (attack[taken] as Line).atMs <= at) yield attack[taken++] as Line;
    if (taken === attack.length && at >= nextAttackMs) {
      attack = attackLines(at, hospital, random);
      taken = 0;
      nextAttackMs = at + options.attackEveryMs;
    }
    yield ordinaryLine(at, hospital, random);
  }
}
