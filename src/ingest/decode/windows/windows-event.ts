/** A Windows event as flat fields (whatever carried it) to the event: log source, columns, the fields untouched. */

import { type DecodedEvent, type FieldValue, LIMITS, type Normalised, OCSF_CLASS } from '../../../core/index.ts';
import { type Fields, type Frame, makeEvent } from '../decode-frame.ts';
import { intOf, ipOf, own, word } from '../decode-text.ts';
import { meaningOf, taxonomyOf } from './windows-taxonomy.ts';

/** OCSF severity of Windows levels 0 (always) to 5 (verbose). */
const LEVELS = [1, 5, 4, 3, 1, 1] as const;

/** Events in which the target is who logs on, so that it is the event's `user`. */
const TARGET_IS_USER = new Set([4624, 4625, 4634, 4647, 4768, 4769, 4770, 4771, 4776, 4778, 4779]);

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
function alias(fields: Fields, name: string, from: string): void {
  if (fields[name] === undefined && fields[from] !== undefined) fields[name] = fields[from] as FieldValue;
}

const short = (text: string): string => (text.length <= 128 ? word(text, 0, text.length) : own(text));

/** The event of flat fields with `EventID`, `Channel`, `Provider_Name` or their other spellings in them. */
export function windowsEvent(fields: Fields, frame: Frame): DecodedEvent {
  alias(fields, 'EventID', 'EventId');
  alias(fields, 'Provider_Name', 'SourceName');
  alias(fields, 'Provider_Name', 'ProviderName');
  alias(fields, 'Computer', 'Hostname');
  alias(fields, 'Computer', 'ComputerName');
  const id = numberOf(fields.EventID);
  const channel = fieldText(fields.Channel);
  const { service, logsource } = taxonomyOf(channel, fieldText(fields.Provider_Name), id, fieldText(fields.EventType));
  if (service === 'security' && id === 4688) {
    alias(fields, 'Image', 'NewProcessName');
    alias(fields, 'ParentImage', 'ParentProcessName');
  }
  const meaning = meaningOf(service, id);
  const norm: Normalised = {
    class_uid: meaning?.classUid ?? OCSF_CLASS.base,
    event_code: fieldText(fields.EventID),
  };
  const level = numberOf(fields.Level);
  if (level >= 0 && level < LEVELS.length) norm.severity_id = LEVELS[level] as number;
  if (meaning) norm.action = meaning.action;
  const outcome = meaning?.outcome ?? outcomeOf(fields);
  if (outcome) norm.outcome = outcome;
  const host = fieldText(fields.Computer) || frame.host;
  if (host) norm.host = short(host);
  putAccounts(fields, id, norm);
  putProcess(fields, id, service, norm);
  putNetwork(fields, norm);
  const message = fieldText(fields.Message) || fieldText(fields.message);
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
function outcomeOf(fields: Fields): 'success' | 'failure' | undefined {
  const id = numberOf(fields.EventID);
  if (id === 4768 || id === 4769 || id === 4776) {
    const status = numberOf(fields.Status ?? fields.ErrorCode);
    if (status >= 0) return status === 0 ? 'success' : 'failure';
  }
  const type = fieldText(fields.EventType);
  if (type === 'AUDIT_SUCCESS') return 'success';
  if (type === 'AUDIT_FAILURE') return 'failure';
  const keywords = fieldText(fields.Keywords).toLowerCase();
  if (keywords.startsWith('0x802') || keywords === 'audit success') return 'success';
  return keywords.startsWith('0x801') || keywords === 'audit failure' ? 'failure' : undefined;
}

function putAccounts(fields: Fields, id: number, norm: Normalised): void {
  const target = fieldText(fields.TargetUserName);
  const subject = fieldText(fields.SubjectUserName);
  if (TARGET_IS_USER.has(id)) {
    if (target) norm.user = short(target);
    const domain = fieldText(fields.TargetDomainName);
    if (domain) norm.user_domain = short(domain);
    return;
  }
  const user = subject || fieldText(fields.User) || fieldText(fields.UserName) || fieldText(fields.AccountName);
  const slash = subject ? -1 : user.indexOf('\\');
  if (user) norm.user = short(user.slice(slash + 1));
  const domain = slash > 0 ? user.slice(0, slash) : fieldText(fields.SubjectDomainName) || fieldText(fields.Domain);
  if (user && domain) norm.user_domain = short(domain);
  // Group events name the group as target and the account as member.
  const member = fieldText(fields.MemberName) || fieldText(fields.MemberSid);
  if (member && id >= 4728 && id <= 4757) norm.target_user = short(member);
  else if (target) norm.target_user = short(target);
}

function putProcess(fields: Fields, id: number, service: string, norm: Normalised): void {
  const image =
    fieldText(fields.Image) ||
    fieldText(fields.NewProcessName) ||
    fieldText(fields.ProcessName) ||
    fieldText(fields.SourceImage) ||
    fieldText(fields.Application);
  if (image) norm.process = short(image);
  const pid = numberOf(
    service === 'security' && id === 4688
      ? fields.NewProcessId
      : (fields.ProcessId ?? fields.ProcessID ?? fields.SourceProcessId),
  );
  if (pid >= 0) norm.pid = pid;
  const command = fieldText(fields.CommandLine) || fieldText(fields.ProcessCommandLine);
  if (command) norm.command_line = command;
  const parent = fieldText(fields.ParentImage) || fieldText(fields.ParentProcessName);
  if (parent) norm.parent_process = short(parent);
  const file =
    fieldText(fields.TargetFilename) ||
    fieldText(fields.ImageLoaded) ||
    fieldText(fields.ImagePath) ||
    fieldText(fields.ServiceFileName) ||
    fieldText(fields.ObjectName) ||
    fieldText(fields.TargetObject);
  if (file) norm.file = short(file);
  const hash = fieldText(fields.Hashes) || fieldText(fields.Hash);
  if (hash) norm.hash = hash;
  const name = fieldText(fields.ServiceName) || fieldText(fields.TaskName) || fieldText(fields.ShareName);
  if (name) norm.service = short(name);
  const query = fieldText(fields.QueryName);
  if (query) norm.domain = short(query);
}

function putNetwork(fields: Fields, norm: Normalised): void {
  const source = ipOf(
    fieldText(fields.IpAddress) ||
      fieldText(fields.SourceIp) ||
      fieldText(fields.SourceAddress) ||
      fieldText(fields.ClientAddress),
  );
  if (source) norm.src_ip = source;
  const target = ipOf(fieldText(fields.DestinationIp) || fieldText(fields.DestAddress));
  if (target) norm.dst_ip = target;
  const sourcePort = numberOf(fields.IpPort ?? fields.SourcePort);
  if (sourcePort > 0 && sourcePort <= 65535) norm.src_port = sourcePort;
  const targetPort = numberOf(fields.DestinationPort ?? fields.DestPort);
  if (targetPort > 0 && targetPort <= 65535) norm.dst_port = targetPort;
  const workstation =
    fieldText(fields.WorkstationName) || fieldText(fields.Workstation) || fieldText(fields.SourceHostname);
  if (workstation) norm.src_host = short(workstation);
  const protocol = fieldText(fields.Protocol);
  if (protocol) norm.protocol = protocol === '6' ? 'tcp' : protocol === '17' ? 'udp' : short(protocol.toLowerCase());
}
