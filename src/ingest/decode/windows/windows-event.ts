/** A Windows event as flat fields (whatever carried it) to the event: log source, columns, the fields untouched. */

import { type DecodedEvent, type FieldValue, LIMITS, type Normalised, OCSF_CLASS } from '../../../core/index.ts';
import { type Fields, type Frame, makeEvent } from '../decode-frame.ts';
import { intOf, ipOf } from '../decode-text.ts';
import { meaningOf, taxonomyOf } from './windows-taxonomy.ts';

/** OCSF severity of Windows levels 0 (always) to 5 (verbose). */
const LEVELS = [1, 5, 4, 3, 1, 1] as const;

/** Events in which the target is who logs on, so that it is the event's `user`. */
const TARGET_IS_USER = new Set([4624, 4625, 4634, 4647, 4768, 4769, 4770, 4771, 4776, 4778, 4779]);

/**
 * Every field that is read here, with a place of its own. Events have hundreds of shapes, so asking an object for sixty names
 * that are mostly not there costs more than going once through those that are (bench/bench-decode.ts).
 */
const NAMES = [
  'AccountName',
  'Application',
  'Channel',
  'ClientAddress',
  'CommandLine',
  'Computer',
  'ComputerName',
  'DestAddress',
  'DestPort',
  'DestinationIp',
  'DestinationPort',
  'Domain',
  'ErrorCode',
  'EventID',
  'EventId',
  'EventType',
  'Hash',
  'Hashes',
  'Hostname',
  'Image',
  'ImageLoaded',
  'ImagePath',
  'IpAddress',
  'IpPort',
  'Keywords',
  'Level',
  'MemberName',
  'MemberSid',
  'Message',
  'NewProcessId',
  'NewProcessName',
  'ObjectName',
  'ParentImage',
  'ParentProcessName',
  'ProcessCommandLine',
  'ProcessID',
  'ProcessId',
  'ProcessName',
  'Protocol',
  'ProviderName',
  'Provider_Name',
  'QueryName',
  'ServiceFileName',
  'ServiceName',
  'ShareName',
  'SourceAddress',
  'SourceHostname',
  'SourceImage',
  'SourceIp',
  'SourceName',
  'SourcePort',
  'SourceProcessId',
  'Status',
  'SubjectDomainName',
  'SubjectUserName',
  'TargetDomainName',
  'TargetFilename',
  'TargetObject',
  'TargetUserName',
  'TaskName',
  'User',
  'UserName',
  'Workstation',
  'WorkstationName',
  'message',
] as const;
type Name = (typeof NAMES)[number];
const F = Object.freeze(Object.fromEntries(NAMES.map((name, i) => [name, i]))) as Readonly<Record<Name, number>>;
const PLACES: ReadonlyMap<string, number> = new Map(Object.entries(F));
/** Values of the event at hand by place. */
const slots: (FieldValue | undefined)[] = NAMES.map(() => undefined);

function collect(fields: Fields): void {
  slots.fill(undefined);
  for (const name in fields) {
    const place = PLACES.get(name);
    if (place !== undefined) slots[place] = fields[name] as FieldValue;
  }
}

function fieldText(value: FieldValue | undefined): string {
  if (typeof value === 'string') return value === '-' ? '' : value;
  return typeof value === 'number' ? String(value) : '';
}

/** Decimal or `0x…`; -1 when neither. */
function numberOf(value: FieldValue | undefined): number {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : -1;
  if (typeof value !== 'string' || value.length === 0 || value.length > 18) return -1;
  if (value.startsWith('0x') || value.startsWith('0X')) {
    const hex = Number.parseInt(value, 16);
    return Number.isSafeInteger(hex) ? hex : -1;
  }
  return intOf(value, 0, value.length);
}

/** Puts the name under which Sigma knows a field beside the one that the shipper used. */
function alias(fields: Fields, name: Name, from: Name): void {
  const value = slots[F[from]];
  if (slots[F[name]] !== undefined || value === undefined) return;
  fields[name] = value;
  slots[F[name]] = value;
}

/** The event of flat fields with `EventID`, `Channel`, `Provider_Name` or their other spellings in them. */
export function windowsEvent(fields: Fields, frame: Frame): DecodedEvent {
  collect(fields);
  alias(fields, 'EventID', 'EventId');
  alias(fields, 'Provider_Name', 'SourceName');
  alias(fields, 'Provider_Name', 'ProviderName');
  alias(fields, 'Computer', 'Hostname');
  alias(fields, 'Computer', 'ComputerName');
  const id = numberOf(slots[F.EventID]);
  const channel = fieldText(slots[F.Channel]);
  const { service, logsource } = taxonomyOf(
    channel,
    fieldText(slots[F.Provider_Name]),
    id,
    fieldText(slots[F.EventType]),
  );
  if (service === 'security' && id === 4688) {
    alias(fields, 'Image', 'NewProcessName');
    alias(fields, 'ParentImage', 'ParentProcessName');
  }
  const meaning = meaningOf(service, id);
  const norm: Normalised = {
    class_uid: meaning?.classUid ?? OCSF_CLASS.base,
    event_code: fieldText(slots[F.EventID]),
  };
  const level = numberOf(slots[F.Level]);
  if (level >= 0 && level < LEVELS.length) norm.severity_id = LEVELS[level] as number;
  if (meaning) norm.action = meaning.action;
  const outcome = meaning?.outcome ?? outcomeOf();
  if (outcome) norm.outcome = outcome;
  const host = fieldText(slots[F.Computer]) || frame.host;
  if (host) norm.host = host;
  putAccounts(id, norm);
  putProcess(id, service, norm);
  putNetwork(norm);
  const message = fieldText(slots[F.Message]) || fieldText(slots[F.message]);
  if (message) norm.message = firstLine(message);
  return makeEvent(frame, service ? `windows/${service}` : 'windows/other', logsource, norm, fields);
}

function firstLine(text: string): string {
  let stop = 0;
  while (
    stop < text.length &&
    stop < LIMITS.textCharsMax &&
    text.charCodeAt(stop) !== 13 &&
    text.charCodeAt(stop) !== 10
  )
    stop++;
  return text.slice(0, stop);
}

/** Kerberos and NTLM write a status (0x0 is success); NXLog says AUDIT_SUCCESS; else the audit keywords decide. */
function outcomeOf(): 'success' | 'failure' | undefined {
  const id = numberOf(slots[F.EventID]);
  if (id === 4768 || id === 4769 || id === 4776) {
    const status = numberOf(slots[F.Status] ?? slots[F.ErrorCode]);
    if (status >= 0) return status === 0 ? 'success' : 'failure';
  }
  const type = fieldText(slots[F.EventType]);
  if (type === 'AUDIT_SUCCESS') return 'success';
  if (type === 'AUDIT_FAILURE') return 'failure';
  const keywords = fieldText(slots[F.Keywords]).toLowerCase();
  if (keywords.startsWith('0x802') || keywords === 'audit success') return 'success';
  return keywords.startsWith('0x801') || keywords === 'audit failure' ? 'failure' : undefined;
}

function putAccounts(id: number, norm: Normalised): void {
  const target = fieldText(slots[F.TargetUserName]);
  const subject = fieldText(slots[F.SubjectUserName]);
  if (TARGET_IS_USER.has(id)) {
    if (target) norm.user = target;
    const domain = fieldText(slots[F.TargetDomainName]);
    if (domain) norm.user_domain = domain;
    return;
  }
  const user = subject || fieldText(slots[F.User]) || fieldText(slots[F.UserName]) || fieldText(slots[F.AccountName]);
  const slash = subject ? -1 : user.indexOf('\\');
  if (user) norm.user = user.slice(slash + 1);
  const domain = slash > 0 ? user.slice(0, slash) : fieldText(slots[F.SubjectDomainName]) || fieldText(slots[F.Domain]);
  if (user && domain) norm.user_domain = domain;
  // Group events name the group as target and the account as member.
  const member = fieldText(slots[F.MemberName]) || fieldText(slots[F.MemberSid]);
  if (member && id >= 4728 && id <= 4757) norm.target_user = member;
  else if (target) norm.target_user = target;
}

function putProcess(id: number, service: string, norm: Normalised): void {
  const image =
    fieldText(slots[F.Image]) ||
    fieldText(slots[F.NewProcessName]) ||
    fieldText(slots[F.ProcessName]) ||
    fieldText(slots[F.SourceImage]) ||
    fieldText(slots[F.Application]);
  if (image) norm.process = image;
  const pid = numberOf(
    service === 'security' && id === 4688
      ? slots[F.NewProcessId]
      : (slots[F.ProcessId] ?? slots[F.ProcessID] ?? slots[F.SourceProcessId]),
  );
  if (pid >= 0) norm.pid = pid;
  const command = fieldText(slots[F.CommandLine]) || fieldText(slots[F.ProcessCommandLine]);
  if (command) norm.command_line = command;
  const parent = fieldText(slots[F.ParentImage]) || fieldText(slots[F.ParentProcessName]);
  if (parent) norm.parent_process = parent;
  const file =
    fieldText(slots[F.TargetFilename]) ||
    fieldText(slots[F.ImageLoaded]) ||
    fieldText(slots[F.ImagePath]) ||
    fieldText(slots[F.ServiceFileName]) ||
    fieldText(slots[F.ObjectName]) ||
    fieldText(slots[F.TargetObject]);
  if (file) norm.file = file;
  const hash = fieldText(slots[F.Hashes]) || fieldText(slots[F.Hash]);
  if (hash) norm.hash = hash;
  const name = fieldText(slots[F.ServiceName]) || fieldText(slots[F.TaskName]) || fieldText(slots[F.ShareName]);
  if (name) norm.service = name;
  const query = fieldText(slots[F.QueryName]);
  if (query) norm.domain = query;
}

function putNetwork(norm: Normalised): void {
  const source = ipOf(
    fieldText(slots[F.IpAddress]) ||
      fieldText(slots[F.SourceIp]) ||
      fieldText(slots[F.SourceAddress]) ||
      fieldText(slots[F.ClientAddress]),
  );
  if (source) norm.src_ip = source;
  const target = ipOf(fieldText(slots[F.DestinationIp]) || fieldText(slots[F.DestAddress]));
  if (target) norm.dst_ip = target;
  const sourcePort = numberOf(slots[F.IpPort] ?? slots[F.SourcePort]);
  if (sourcePort > 0 && sourcePort <= 65535) norm.src_port = sourcePort;
  const targetPort = numberOf(slots[F.DestinationPort] ?? slots[F.DestPort]);
  if (targetPort > 0 && targetPort <= 65535) norm.dst_port = targetPort;
  const workstation =
    fieldText(slots[F.WorkstationName]) || fieldText(slots[F.Workstation]) || fieldText(slots[F.SourceHostname]);
  if (workstation) norm.src_host = workstation;
  const protocol = fieldText(slots[F.Protocol]);
  if (protocol) norm.protocol = protocol === '6' ? 'tcp' : protocol === '17' ? 'udp' : protocol.toLowerCase();
}
