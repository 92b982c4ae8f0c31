/** Tables: which log source an event belongs to in Sigma's words, and which normalised column stands for a field name. */

import { type DecodedEvent, type LogSource, type NormalisedColumn, OCSF_CLASS } from '../core/index.ts';

/** Windows channel (lower case) → Sigma service. */
const CHANNEL_SERVICE: Readonly<Record<string, string>> = {
  application: 'application',
  security: 'security',
  system: 'system',
  'windows powershell': 'powershell-classic',
  'dns server': 'dns-server',
  'msexchange management': 'msexchange-management',
  'powershellcore/operational': 'powershell',
  'openssh/operational': 'openssh',
  'microsoft-servicebus-client': 'microsoft-servicebus-client',
  'microsoft-windows-sysmon/operational': 'sysmon',
  'microsoft-windows-powershell/operational': 'powershell',
  'microsoft-windows-taskscheduler/operational': 'taskscheduler',
  'microsoft-windows-wmi-activity/operational': 'wmi',
  'microsoft-windows-dns-server/audit': 'dns-server-audit',
  'microsoft-windows-dns-server/analytical': 'dns-server-analytic',
  'microsoft-windows-dns client events/operational': 'dns-client',
  'microsoft-windows-driverframeworks-usermode/operational': 'driver-framework',
  'microsoft-windows-ntlm/operational': 'ntlm',
  'microsoft-windows-dhcp-server/operational': 'dhcp',
  'microsoft-windows-printservice/admin': 'printservice-admin',
  'microsoft-windows-printservice/operational': 'printservice-operational',
  'microsoft-windows-terminalservices-localsessionmanager/operational': 'terminalservices-localsessionmanager',
  'microsoft-windows-codeintegrity/operational': 'codeintegrity-operational',
  'microsoft-windows-smbclient/security': 'smbclient-security',
  'microsoft-windows-smbclient/connectivity': 'smbclient-connectivity',
  'microsoft-windows-smbserver/connectivity': 'smbserver-connectivity',
  'microsoft-windows-applocker/exe and dll': 'applocker',
  'microsoft-windows-applocker/msi and script': 'applocker',
  'microsoft-windows-applocker/packaged app-deployment': 'applocker',
  'microsoft-windows-applocker/packaged app-execution': 'applocker',
  'microsoft-windows-bits-client/operational': 'bits-client',
  'microsoft-windows-windows defender/operational': 'windefend',
  'microsoft-windows-windows firewall with advanced security/firewall': 'firewall-as',
  'microsoft-windows-ldap-client/debug': 'ldap',
  'microsoft-windows-security-mitigations/kernel mode': 'security-mitigations',
  'microsoft-windows-security-mitigations/user mode': 'security-mitigations',
  'microsoft-windows-diagnosis-scripted/operational': 'diagnosis-scripted',
  'microsoft-windows-shell-core/operational': 'shell-core',
  'microsoft-windows-vhdmp-operational': 'vhdmp',
  'microsoft-windows-appxdeploymentserver/operational': 'appxdeployment-server',
  'microsoft-windows-appxpackaging/operational': 'appxpackaging-om',
  'microsoft-windows-lsa/operational': 'lsa-server',
  'microsoft-windows-appmodel-runtime/admin': 'appmodel-runtime',
  'microsoft-windows-capi2/operational': 'capi2',
  'microsoft-windows-certificateservicesclient-lifecycle-system/operational':
    'certificateservicesclient-lifecycle-system',
  'microsoft-windows-kernel-eventtracing': 'kernel-event-tracing',
  'microsoft-iis-configuration/operational': 'iis-configuration',
};

/** Sigma service and event id → Sigma categories (Sysmon's own numbers and what Windows writes itself). */
const EVENT_CATEGORIES: Readonly<Record<string, readonly string[]>> = {
  'sysmon:1': ['process_creation'],
  'sysmon:2': ['file_change'],
  'sysmon:3': ['network_connection'],
  'sysmon:4': ['sysmon_status'],
  'sysmon:5': ['process_termination'],
  'sysmon:6': ['driver_load'],
  'sysmon:7': ['image_load'],
  'sysmon:8': ['create_remote_thread'],
  'sysmon:9': ['raw_access_thread'],
  'sysmon:10': ['process_access'],
  'sysmon:11': ['file_event'],
  'sysmon:12': ['registry_event', 'registry_add', 'registry_delete'],
  'sysmon:13': ['registry_event', 'registry_set'],
  'sysmon:14': ['registry_event', 'registry_rename'],
  'sysmon:15': ['create_stream_hash'],
  'sysmon:16': ['sysmon_status'],
  'sysmon:17': ['pipe_created'],
  'sysmon:18': ['pipe_created'],
  'sysmon:19': ['wmi_event'],
  'sysmon:20': ['wmi_event'],
  'sysmon:21': ['wmi_event'],
  'sysmon:22': ['dns_query'],
  'sysmon:23': ['file_delete'],
  'sysmon:24': ['clipboard_capture'],
  'sysmon:25': ['process_tampering'],
  'sysmon:26': ['file_delete'],
  'sysmon:27': ['file_block_executable'],
  'sysmon:28': ['file_block_shredding'],
  'sysmon:29': ['file_executable_detected'],
  'sysmon:255': ['sysmon_error'],
  'security:4688': ['process_creation'],
  'powershell:4103': ['ps_module'],
  'powershell:4104': ['ps_script'],
  'powershell-classic:400': ['ps_classic_start'],
  'powershell-classic:600': ['ps_classic_provider_start'],
  'powershell-classic:800': ['ps_module'],
};

/** Our generic categories: every event of the OCSF class, whatever product wrote it. */
const CLASS_CATEGORY: Readonly<Record<number, string>> = {
  [OCSF_CLASS.authentication]: 'authentication',
  [OCSF_CLASS.accountChange]: 'account_change',
  [OCSF_CLASS.groupManagement]: 'group_change',
  [OCSF_CLASS.network]: 'network_traffic',
  [OCSF_CLASS.http]: 'http',
  [OCSF_CLASS.dns]: 'dns',
  [OCSF_CLASS.dhcp]: 'dhcp',
  [OCSF_CLASS.email]: 'email',
  [OCSF_CLASS.securityFinding]: 'security_finding',
};

export const KNOWN_CHANNELS: readonly string[] = Object.keys(CHANNEL_SERVICE);
export const KNOWN_SERVICES: readonly string[] = [...new Set(Object.values(CHANNEL_SERVICE))];
export const KNOWN_EVENT_IDS: readonly string[] = Object.keys(EVENT_CATEGORIES).map(
  (key) => key.split(':')[1] as string,
);

/** Events of applications in their own words: JSON without a schema, and lines that nobody understood. */
const APPLICATION = 'application';
const isApplication = (source: LogSource, service: string | undefined): boolean =>
  service === undefined && (source.product === undefined || source.service === 'syslog');

/** What rules are chosen by, in one place: the decoder's log source and what follows from channel, event id and class. */
export interface SourceFacts {
  readonly product: string | undefined;
  readonly categories: readonly string[];
  readonly services: readonly string[];
}

/** The event id as the field `EventID` reads it. */
export const eventIdOf = (event: DecodedEvent): string => {
  const { fields } = event;
  const id = fields.EventID ?? fields['event.code'] ?? fields['winlog.event_id'] ?? event.norm.event_code;
  return id === undefined || id === null || typeof id === 'object' ? '' : String(id);
};

export const channelOf = (event: DecodedEvent): string => {
  const channel = event.fields.Channel;
  return typeof channel === 'string' ? channel : '';
};

export function sourceFacts(source: LogSource, classUid: number, channel: string, eventId: string): SourceFacts {
  const services = new Set<string>();
  const categories = new Set<string>();
  if (source.service) services.add(source.service.toLowerCase());
  if (source.category) categories.add(source.category.toLowerCase());
  const lower = channel.toLowerCase();
  const service = Object.hasOwn(CHANNEL_SERVICE, lower) ? CHANNEL_SERVICE[lower] : undefined;
  if (service) services.add(service);
  for (const name of services) for (const c of EVENT_CATEGORIES[`${name}:${eventId}`] ?? []) categories.add(c);
  const generic = CLASS_CATEGORY[classUid];
  if (generic) categories.add(generic);
  if (classUid === OCSF_CLASS.base && categories.size === 0 && isApplication(source, service))
    categories.add(APPLICATION);
  const product = source.product?.toLowerCase() ?? (service ? 'windows' : undefined);
  return { product, categories: [...categories], services: [...services] };
}

export function wants(rule: LogSource, facts: SourceFacts): boolean {
  return (
    (rule.product === undefined || rule.product === facts.product) &&
    (rule.category === undefined || facts.categories.includes(rule.category)) &&
    (rule.service === undefined || facts.services.includes(rule.service))
  );
}

/**
 * A rule that names a category and nothing else speaks about normalised events: its bare column names (`user`,
 * `action`, …) mean the normalised column, because a source's own field of that name may mean something else.
 */
export const readsNormalisedFirst = (rule: LogSource): boolean =>
  rule.product === undefined && rule.service === undefined;

/** Field name of Sigma's taxonomy, ECS or Windows → other original names, and the normalised column, tried in order. */
export const FIELD_ALIASES: Readonly<Record<string, { fields?: readonly string[]; column?: NormalisedColumn }>> = {
  EventID: { fields: ['event.code', 'winlog.event_id'], column: 'event_code' },
  'event.code': { fields: ['EventID'], column: 'event_code' },
  'event.action': { column: 'action' },
  'event.outcome': { column: 'outcome' },
  Image: { fields: ['NewProcessName', 'process.executable'], column: 'process' },
  'process.executable': { fields: ['Image', 'NewProcessName'], column: 'process' },
  'process.name': { column: 'process' },
  CommandLine: { fields: ['ProcessCommandLine', 'process.command_line'], column: 'command_line' },
  'process.command_line': { fields: ['CommandLine'], column: 'command_line' },
  ParentImage: { fields: ['ParentProcessName', 'process.parent.executable'], column: 'parent_process' },
  ParentCommandLine: { fields: ['process.parent.command_line'] },
  User: { fields: ['user.name'], column: 'user' },
  'user.name': { column: 'user' },
  TargetUserName: { column: 'user' },
  'cs-username': { column: 'user' },
  username: { column: 'user' },
  IpAddress: { column: 'src_ip' },
  SourceIp: { fields: ['source.ip', 'SourceAddress'], column: 'src_ip' },
  SourceAddress: { column: 'src_ip' },
  'source.ip': { column: 'src_ip' },
  src: { column: 'src_ip' },
  'c-ip': { column: 'src_ip' },
  client_ip: { column: 'src_ip' },
  'id.orig_h': { column: 'src_ip' },
  SourcePort: { column: 'src_port' },
  'source.port': { column: 'src_port' },
  'id.orig_p': { column: 'src_port' },
  DestinationIp: { fields: ['destination.ip', 'DestAddress'], column: 'dst_ip' },
  'destination.ip': { column: 'dst_ip' },
  dst: { column: 'dst_ip' },
  'id.resp_h': { column: 'dst_ip' },
  DestinationPort: { fields: ['destination.port', 'DestPort'], column: 'dst_port' },
  'destination.port': { column: 'dst_port' },
  'id.resp_p': { column: 'dst_port' },
  DestinationHostname: { column: 'dst_host' },
  Computer: { fields: ['ComputerName', 'host.name'], column: 'host' },
  ComputerName: { fields: ['Computer'], column: 'host' },
  'host.name': { column: 'host' },
  hostname: { column: 'host' },
  TargetFilename: { fields: ['file.path'], column: 'file' },
  'file.path': { fields: ['TargetFilename'], column: 'file' },
  Hashes: { column: 'hash' },
  url: { fields: ['cs-uri-stem', 'c-uri', 'cs-uri', 'url.path'] },
  status: { fields: ['sc-status', 'http.response.status_code'] },
  method: { fields: ['cs-method', 'http.request.method'] },
  user_agent: { fields: ['cs-user-agent', 'c-useragent', 'user_agent.original'] },
  'cs-method': { fields: ['http.request.method'], column: 'method' },
  'cs-uri': { fields: ['c-uri'], column: 'url' },
  'c-uri': { fields: ['cs-uri', 'url.original'], column: 'url' },
  'cs-uri-stem': { fields: ['url.path'], column: 'url' },
  'cs-uri-query': { fields: ['url.query'] },
  'cs-host': { fields: ['url.domain'], column: 'domain' },
  'r-dns': { column: 'domain' },
  'sc-status': { fields: ['http.response.status_code'], column: 'status' },
  'cs-user-agent': { fields: ['c-useragent', 'user_agent.original'], column: 'user_agent' },
  'c-useragent': { fields: ['cs-user-agent', 'user_agent.original'], column: 'user_agent' },
  QueryName: { fields: ['dns.question.name'], column: 'domain' },
  query: { column: 'domain' },
  ThreatName: { fields: ['Threat Name'] },
  ThreatID: { fields: ['Threat ID'] },
  ProcessName: { fields: ['Process Name'] },
  SourceName: { fields: ['Source Name'] },
  ActionName: { fields: ['Action Name'] },
  CategoryName: { fields: ['Category Name'] },
  DetectionUser: { fields: ['Detection User'] },
  SeverityName: { fields: ['Severity Name'] },
  NewValue: { fields: ['New Value'] },
  OldValue: { fields: ['Old Value'] },
  Provider_Name: { fields: ['SourceName', 'ProviderName'] },
};
