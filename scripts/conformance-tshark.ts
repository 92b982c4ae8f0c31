/** A second opinion on captures: what tshark, told the ports, reads of six protocols, flow by flow against our findings. */

import { spawnSync } from 'node:child_process';

/** Ports on which the captures speak what tshark does not look for there. */
const DECODE_AS = ['tcp.port==6661,hl7', 'tcp.port==104,dicom'];
const ENDS = ['ip.src', 'ipv6.src', 'ip.dst', 'ipv6.dst', 'tcp.dstport', 'udp.dstport'];

/** Application → packets that hold what must be found, all sent by the client, and the field that tells them. */
const PROTOCOLS: readonly (readonly [string, string, string])[] = [
  ['hl7', 'hl7 && !(hl7.segment contains "MSA")', 'hl7.segment'],
  ['dicom', 'dicom.pdu.type==1', 'dicom.pdu.type'],
  ['ldap', 'ldap.simple && ldap.simple != ""', 'ldap.simple'],
  ['ftp', 'ftp.request.command=="PASS"', 'ftp.request.command'],
  ['snmp', 'snmp.community && snmp.version<=1 && snmp.data==0', 'snmp.community'],
  ['mqtt', 'mqtt.passwd', 'mqtt.passwd'],
];
const FILTER = PROTOCOLS.map(([, filter]) => `(${filter})`).join(' || ');

export const hasTshark = (): boolean => spawnSync('tshark', ['-v'], { stdio: 'ignore' }).status === 0;

/** Flows as `application client server port`, with the number of such packets. A damaged capture gives what it holds. */
export function tsharkFlows(path: string): Map<string, number> {
  const fields = [...ENDS, ...PROTOCOLS.map(([, , field]) => field)].flatMap((field) => ['-e', field]);
  const as = DECODE_AS.flatMap((one) => ['-d', one]);
  const ran = spawnSync(
    'tshark',
    ['-n', '-r', path, ...as, '-Y', FILTER, '-T', 'fields', '-E', 'occurrence=l', ...fields],
    {
      encoding: 'utf8',
      timeout: 60_000,
    },
  );
  const flows = new Map<string, number>();
  for (const line of ran.stdout.split('\n')) {
    const cells = line.split('\t');
    if (cells.length < ENDS.length + PROTOCOLS.length) continue;
    const [a4, a6, z4, z6, tcp, udp] = cells;
    for (const [i, [app]] of PROTOCOLS.entries()) {
      if (cells[ENDS.length + i] === '') continue;
      const key = `${app} ${a4 || a6} ${z4 || z6} ${tcp || udp}`;
      flows.set(key, (flows.get(key) ?? 0) + 1);
    }
  }
  return flows;
}
