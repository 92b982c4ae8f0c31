/** Services that should not face outside, by port, with why and what to do; a data table, from IANA's port registry and common practice. */

import type { Severity } from '../core/index.ts';

export interface RiskyService {
  readonly name: string;
  readonly severity: Severity;
  readonly why: string;
}

export const RISKY_SERVICES: Readonly<Record<string, RiskyService>> = {
  'tcp/21': { name: 'FTP', severity: 'medium', why: 'passwords and files cross the network readable' },
  'tcp/23': { name: 'Telnet', severity: 'high', why: 'passwords cross the network readable' },
  'udp/69': { name: 'TFTP', severity: 'medium', why: 'anybody may read files without a password' },
  'tcp/111': { name: 'portmapper', severity: 'medium', why: 'it lists and opens file services' },
  'udp/111': { name: 'portmapper', severity: 'medium', why: 'it is used to amplify attacks on others' },
  'tcp/139': { name: 'SMB', severity: 'high', why: 'ransomware spreads over file shares' },
  'tcp/445': { name: 'SMB', severity: 'high', why: 'ransomware spreads over file shares' },
  'udp/161': { name: 'SNMP', severity: 'medium', why: 'community strings are guessed and cross readable' },
  'tcp/512': { name: 'rexec', severity: 'high', why: 'remote commands without encryption' },
  'tcp/513': { name: 'rlogin', severity: 'high', why: 'log-in without encryption' },
  'tcp/514': { name: 'rsh', severity: 'medium', why: 'remote shell or syslog without encryption' },
  'tcp/1433': { name: 'Microsoft SQL Server', severity: 'high', why: 'databases are guessed at by scanners' },
  'tcp/2049': { name: 'NFS', severity: 'medium', why: 'files are shared by address, not by person' },
  'tcp/2375': { name: 'Docker without TLS', severity: 'critical', why: 'anybody who reaches it owns the machine' },
  'tcp/3306': { name: 'MySQL or MariaDB', severity: 'high', why: 'databases are guessed at by scanners' },
  'tcp/3389': { name: 'remote desktop', severity: 'high', why: 'it is the most guessed log-in of all' },
  'tcp/4222': { name: 'NATS', severity: 'medium', why: 'it often has no password' },
  'tcp/5432': { name: 'PostgreSQL', severity: 'high', why: 'databases are guessed at by scanners' },
  'tcp/5672': { name: 'AMQP', severity: 'medium', why: 'the default password is known' },
  'tcp/5900': { name: 'VNC', severity: 'high', why: 'weak passwords without encryption' },
  'tcp/6379': { name: 'Redis', severity: 'critical', why: 'it usually has no password, and gives command execution' },
  'tcp/1883': { name: 'MQTT', severity: 'medium', why: 'messages and passwords cross readable' },
  'tcp/9200': { name: 'Elasticsearch', severity: 'high', why: 'data is readable where no password is set' },
  'tcp/11211': { name: 'memcached', severity: 'high', why: 'data is readable, and it amplifies attacks' },
  'tcp/15672': { name: 'RabbitMQ management', severity: 'medium', why: 'the default password is known' },
  'tcp/27017': { name: 'MongoDB', severity: 'critical', why: 'it is found and ransomed by scanners' },
  'tcp/104': { name: 'DICOM', severity: 'high', why: 'images of patients are readable by whoever connects' },
  'tcp/11112': { name: 'DICOM', severity: 'high', why: 'images of patients are readable by whoever connects' },
  'tcp/2575': {
    name: 'HL7 (MLLP)',
    severity: 'high',
    why: 'messages about patients have no password and no encryption',
  },
};

/** Ports that speak TLS from the first byte: only these are asked for their certificate. */
export const TLS_PORTS: readonly number[] = [
  443, 465, 563, 636, 853, 989, 990, 992, 993, 995, 2376, 2762, 5061, 5671, 6514, 6697, 8443, 8883, 9443,
];
