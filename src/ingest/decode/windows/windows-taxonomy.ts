/** Windows channels and event numbers in Sigma's words (Sigma's log source taxonomy), and what each number means to us. */

import { type LogSource, OCSF_CLASS } from '../../../core/index.ts';
import { logSource } from '../decode-source.ts';
import { entryOf, own } from '../decode-text.ts';

/** Channel, in small letters → Sigma service. */
const SERVICES: Readonly<Record<string, string>> = {
  security: 'security',
  system: 'system',
  application: 'application',
  'windows powershell': 'powershell-classic',
  'dns server': 'dns-server',
  'msexchange management': 'msexchange-management',
  'openssh/operational': 'openssh',
  'powershellcore/operational': 'powershell',
  'microsoft-windows-sysmon/operational': 'sysmon',
  'linux-sysmon/operational': 'sysmon',
  'microsoft-windows-powershell/operational': 'powershell',
  'microsoft-windows-taskscheduler/operational': 'taskscheduler',
  'microsoft-windows-wmi-activity/operational': 'wmi',
  'microsoft-windows-windows defender/operational': 'windefend',
  'microsoft-windows-windows firewall with advanced security/firewall': 'firewall-as',
  'microsoft-windows-bits-client/operational': 'bits-client',
  'microsoft-windows-codeintegrity/operational': 'codeintegrity-operational',
  'microsoft-windows-dns-server/analytical': 'dns-server-analytic',
  'microsoft-windows-dns-server/audit': 'dns-server-audit',
  'microsoft-windows-dns client events/operational': 'dns-client',
  'microsoft-windows-dns-client/operational': 'dns-client',
  'microsoft-windows-driverframeworks-usermode/operational': 'driver-framework',
  'microsoft-windows-ntlm/operational': 'ntlm',
  'microsoft-windows-dhcp-server/operational': 'dhcp',
  'microsoft-windows-applocker/msi and script': 'applocker',
  'microsoft-windows-applocker/exe and dll': 'applocker',
  'microsoft-windows-applocker/packaged app-deployment': 'applocker',
  'microsoft-windows-applocker/packaged app-execution': 'applocker',
  'microsoft-windows-printservice/admin': 'printservice-admin',
  'microsoft-windows-printservice/operational': 'printservice-operational',
  'microsoft-windows-smbclient/security': 'smbclient-security',
  'microsoft-windows-smbclient/connectivity': 'smbclient-connectivity',
  'microsoft-windows-smbserver/connectivity': 'smbserver-connectivity',
  'microsoft-windows-terminalservices-localsessionmanager/operational': 'terminalservices-localsessionmanager',
  'microsoft-windows-terminalservices-remoteconnectionmanager/operational': 'terminalservices-remoteconnectionmanager',
  'microsoft-windows-ldap-client/debug': 'ldap',
  'microsoft-windows-lsa/operational': 'lsa-server',
  'microsoft-windows-shell-core/operational': 'shell-core',
  'microsoft-windows-security-mitigations/kernel mode': 'security-mitigations',
  'microsoft-windows-security-mitigations/user mode': 'security-mitigations',
  'microsoft-windows-capi2/operational': 'capi2',
  'microsoft-windows-certificateservicesclient-lifecycle-system/operational':
    'certificateservicesclient-lifecycle-system',
  'microsoft-windows-appxdeploymentserver/operational': 'appxdeployment-server',
  'microsoft-windows-appxpackaging/operational': 'appxpackaging-om',
  'microsoft-windows-appmodel-runtime/admin': 'appmodel-runtime',
  'microsoft-windows-diagnosis-scripted/operational': 'diagnosis-scripted',
  'microsoft-iis-configuration/operational': 'iis-configuration',
  'microsoft-servicebus-client': 'microsoft-servicebus-client',
  'microsoft-servicebus-client/operational': 'microsoft-servicebus-client',
  'microsoft-windows-iis-logging/logs': 'iis',
  'microsoft-windows-kernel-shimengine/operational': 'kernel-shimengine',
  'microsoft-windows-kernel-shimengine/diagnostic': 'kernel-shimengine',
  'microsoft-windows-kernel-eventtracing/admin': 'kernel-event-tracing',
  'microsoft-windows-hyper-v-worker-admin': 'hyper-v-worker',
  'microsoft-windows-sense/operational': 'sense',
  'microsoft-windows-vhdmp/operational': 'vhd',
};

/** Sysmon event number → Sigma category. Number 12 depends on its EventType. */
const SYSMON: Readonly<Record<number, string>> = {
  1: 'process_creation',
  2: 'file_change',
  3: 'network_connection',
  4: 'sysmon_status',
  5: 'process_termination',
  6: 'driver_load',
  7: 'image_load',
  8: 'create_remote_thread',
  9: 'raw_access_thread',
  10: 'process_access',
  11: 'file_event',
  12: 'registry_add',
  13: 'registry_set',
  14: 'registry_rename',
  15: 'create_stream_hash',
  16: 'sysmon_status',
  17: 'pipe_created',
  18: 'pipe_created',
  19: 'wmi_event',
  20: 'wmi_event',
  21: 'wmi_event',
  22: 'dns_query',
  23: 'file_delete',
  24: 'clipboard_capture',
  25: 'process_tampering',
  26: 'file_delete',
  27: 'file_block_executable',
  28: 'file_block_shredding',
  29: 'file_executable_detected',
  255: 'sysmon_error',
};

const BY_SERVICE: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  sysmon: SYSMON,
  security: { 4688: 'process_creation' },
  powershell: { 4103: 'ps_module', 4104: 'ps_script' },
  'powershell-classic': { 400: 'ps_classic_start', 600: 'ps_classic_provider_start', 800: 'ps_classic_script' },
};

export interface Taxonomy {
  readonly service: string;
  readonly logsource: LogSource;
}

/** What was worked out before, by channel and number; channels are few, and more of them than this is somebody playing. */
const known = new Map<string, Map<number, Taxonomy>>();
const CHANNELS_MAX = 512;
const NUMBERS_MAX = 512;

/** Sigma's log source of an event of that channel (or, without one, provider) and number. */
export function taxonomyOf(channel: string, provider: string, id: number, eventType: string): Taxonomy {
  // Of the others the provider or the type decides too.
  if (channel === '' || id === 12 || provider === 'Linux-Sysmon') return workOut(channel, provider, id, eventType);
  let numbers = known.get(channel);
  const found = numbers?.get(id);
  if (found !== undefined) return found;
  const made = workOut(channel, provider, id, eventType);
  // A channel that is not known by its name goes by its provider.
  if (entryOf(SERVICES, channel.toLowerCase()) === undefined) return made;
  if (numbers === undefined) {
    if (known.size >= CHANNELS_MAX) known.clear();
    numbers = new Map();
    known.set(own(channel), numbers);
  }
  if (numbers.size < NUMBERS_MAX) numbers.set(id, made);
  return made;
}

function workOut(channel: string, provider: string, id: number, eventType: string): Taxonomy {
  const service =
    entryOf(SERVICES, channel.toLowerCase()) ?? entryOf(SERVICES, `${provider.toLowerCase()}/operational`) ?? '';
  let category = entryOf(BY_SERVICE, service)?.[id];
  if (service === 'sysmon' && id === 12 && eventType.startsWith('Delete')) category = 'registry_delete';
  const product = channel.startsWith('Linux-Sysmon') || provider === 'Linux-Sysmon' ? 'linux' : 'windows';
  return { service, logsource: logSource(product, category, service || undefined) };
}

export interface Meaning {
  readonly classUid: number;
  readonly action: string;
  readonly outcome?: 'success' | 'failure';
}

const C = OCSF_CLASS;
const say = (classUid: number, action: string, outcome?: 'success' | 'failure'): Meaning =>
  outcome ? { classUid, action, outcome } : { classUid, action };

/** Numbers of the Security log (Microsoft, "Appendix L: Events to monitor" and the audit event reference). */
const SECURITY: Readonly<Record<number, Meaning>> = {
  1100: say(C.applicationLifecycle, 'log-stop'),
  1102: say(C.applicationLifecycle, 'log-clear'),
  4624: say(C.authentication, 'logon', 'success'),
  4625: say(C.authentication, 'logon', 'failure'),
  4634: say(C.authentication, 'logoff'),
  4647: say(C.authentication, 'logoff'),
  4648: say(C.authentication, 'logon-explicit'),
  4656: say(C.fileActivity, 'handle-request'),
  4657: say(C.base, 'registry-set'),
  4658: say(C.fileActivity, 'handle-close'),
  4660: say(C.fileActivity, 'object-delete'),
  4661: say(C.fileActivity, 'handle-request'),
  4662: say(C.entityManagement, 'object-operation'),
  4663: say(C.fileActivity, 'object-access'),
  4670: say(C.fileActivity, 'permission-change'),
  4672: say(C.authorizeSession, 'privilege-assign', 'success'),
  4673: say(C.authorizeSession, 'privilege-use'),
  4674: say(C.authorizeSession, 'privilege-use'),
  4688: say(C.process, 'process-start'),
  4689: say(C.process, 'process-stop'),
  4697: say(C.applicationLifecycle, 'service-install'),
  4698: say(C.scheduledJob, 'task-create'),
  4699: say(C.scheduledJob, 'task-delete'),
  4700: say(C.scheduledJob, 'task-enable'),
  4701: say(C.scheduledJob, 'task-disable'),
  4702: say(C.scheduledJob, 'task-change'),
  4703: say(C.authorizeSession, 'privilege-change'),
  4719: say(C.applicationLifecycle, 'audit-change'),
  4720: say(C.accountChange, 'account-create', 'success'),
  4722: say(C.accountChange, 'account-enable', 'success'),
  4723: say(C.accountChange, 'password-change'),
  4724: say(C.accountChange, 'password-reset'),
  4725: say(C.accountChange, 'account-disable', 'success'),
  4726: say(C.accountChange, 'account-delete', 'success'),
  4727: say(C.groupManagement, 'group-create', 'success'),
  4728: say(C.groupManagement, 'group-add', 'success'),
  4729: say(C.groupManagement, 'group-remove', 'success'),
  4731: say(C.groupManagement, 'group-create', 'success'),
  4732: say(C.groupManagement, 'group-add', 'success'),
  4733: say(C.groupManagement, 'group-remove', 'success'),
  4735: say(C.groupManagement, 'group-change', 'success'),
  4738: say(C.accountChange, 'account-change', 'success'),
  4740: say(C.accountChange, 'lockout', 'failure'),
  4741: say(C.accountChange, 'account-create', 'success'),
  4756: say(C.groupManagement, 'group-add', 'success'),
  4757: say(C.groupManagement, 'group-remove', 'success'),
  4767: say(C.accountChange, 'account-unlock', 'success'),
  4768: say(C.authentication, 'kerberos-ticket'),
  4769: say(C.authentication, 'kerberos-service-ticket'),
  4770: say(C.authentication, 'kerberos-renew'),
  4771: say(C.authentication, 'kerberos-preauth', 'failure'),
  4776: say(C.authentication, 'credential-check'),
  4778: say(C.rdp, 'session-reconnect'),
  4779: say(C.rdp, 'session-disconnect'),
  4781: say(C.accountChange, 'account-rename', 'success'),
  4798: say(C.entityManagement, 'enumerate'),
  4799: say(C.entityManagement, 'enumerate'),
  5136: say(C.entityManagement, 'directory-change'),
  5140: say(C.smb, 'share-access'),
  5145: say(C.smb, 'share-access'),
  5152: say(C.network, 'deny'),
  5154: say(C.network, 'listen'),
  5156: say(C.network, 'allow'),
  5157: say(C.network, 'deny'),
  5158: say(C.network, 'bind'),
};

const SYSTEM: Readonly<Record<number, Meaning>> = {
  104: say(C.applicationLifecycle, 'log-clear'),
  7034: say(C.applicationLifecycle, 'service-crash', 'failure'),
  7036: say(C.applicationLifecycle, 'service-change'),
  7040: say(C.applicationLifecycle, 'service-change'),
  7045: say(C.applicationLifecycle, 'service-install'),
};

const SYSMON_MEANING: Readonly<Record<number, Meaning>> = {
  1: say(C.process, 'process-start'),
  2: say(C.fileActivity, 'file-time-change'),
  3: say(C.network, 'connect'),
  5: say(C.process, 'process-stop'),
  6: say(C.kernelActivity, 'driver-load'),
  7: say(C.process, 'image-load'),
  8: say(C.process, 'remote-thread'),
  9: say(C.fileActivity, 'raw-read'),
  10: say(C.process, 'process-access'),
  11: say(C.fileActivity, 'file-create'),
  12: say(C.base, 'registry-change'),
  13: say(C.base, 'registry-set'),
  14: say(C.base, 'registry-rename'),
  15: say(C.fileActivity, 'stream-create'),
  17: say(C.base, 'pipe-create'),
  18: say(C.base, 'pipe-connect'),
  19: say(C.base, 'wmi-filter'),
  20: say(C.base, 'wmi-consumer'),
  21: say(C.base, 'wmi-binding'),
  22: say(C.dns, 'query'),
  23: say(C.fileActivity, 'file-delete'),
  26: say(C.fileActivity, 'file-delete'),
};

const TASKS: Readonly<Record<number, Meaning>> = {
  106: say(C.scheduledJob, 'task-create'),
  140: say(C.scheduledJob, 'task-change'),
  141: say(C.scheduledJob, 'task-delete'),
  200: say(C.scheduledJob, 'task-start'),
};

const POWERSHELL: Readonly<Record<number, Meaning>> = {
  4103: say(C.process, 'script-module'),
  4104: say(C.process, 'script-block'),
};

const MEANINGS: Readonly<Record<string, Readonly<Record<number, Meaning>>>> = {
  security: SECURITY,
  system: SYSTEM,
  sysmon: SYSMON_MEANING,
  taskscheduler: TASKS,
  powershell: POWERSHELL,
};

export function meaningOf(service: string, id: number): Meaning | undefined {
  return entryOf(MEANINGS, service)?.[id];
}
