/** What is sent outside about an incident: one message for each height of severity it reaches, never a patient's or a secret's word. */

import {
  type Alert,
  type Config,
  type Incident,
  type Rfc3339,
  SEVERITY_SHAPE,
  type Severity,
  severityRank,
} from '../core/index.ts';

export interface Message {
  readonly incident: string;
  readonly title: string;
  readonly severity: Severity;
  readonly opened: string;
  readonly last_event: string;
  readonly entities: readonly { type: string; value: string; role?: string }[];
  readonly rule: string;
  readonly response: string | null;
  readonly exercise: boolean;
}

export function messagesFor(
  incident: Incident,
  alert: Alert,
  notify: Config['notify'],
  at: Rfc3339,
): { id: string; channel: 'webhook' | 'email'; payload: string; next_at: Rfc3339 }[] {
  if (severityRank(incident.severity) > severityRank(notify.level as Severity)) return [];
  const message: Message = {
    incident: incident.id,
    title: incident.title,
    severity: incident.severity,
    opened: incident.opened,
    last_event: incident.last_event,
    entities: incident.entities.slice(0, 16),
    rule: alert.rule.title,
    response: alert.rule.response ?? null,
    exercise: incident.exercise,
  };
  const channels = [...(notify.webhook ? ['webhook' as const] : []), ...(notify.email ? ['email' as const] : [])];
  // The id makes it one message a channel, however often the same alert is taken.
  return channels.map((channel) => ({
    id: `${incident.id}.${incident.severity}.${channel}`,
    channel,
    payload: JSON.stringify(message),
    next_at: at,
  }));
}

/** Subject and text of a mail. Line breaks cannot get into the subject: they would be headers. */
export function mailOf(message: Message): { subject: string; text: string } {
  const plain = (text: string) => text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ');
  const mark = message.exercise ? '[EXERCISE] ' : '';
  return {
    subject: plain(`${mark}[Asepsis] ${SEVERITY_SHAPE[message.severity]} ${message.severity}: ${message.title}`).slice(
      0,
      200,
    ),
    text: [
      `${mark}${plain(message.title)}`,
      '',
      `Severity:   ${message.severity}`,
      `Opened:     ${message.opened}`,
      `Last event: ${message.last_event}`,
      `Rule:       ${plain(message.rule)}`,
      `About:      ${message.entities.map((entity) => plain(`${entity.type} ${entity.value}${entity.role ? ` (${entity.role})` : ''}`)).join(', ')}`,
      ...(message.response ? ['', `What to do: ${plain(message.response)}`] : []),
      '',
      `Incident ${message.incident} on the desk.`,
    ].join('\n'),
  };
}
