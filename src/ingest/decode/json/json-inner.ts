/** A record inside JSON: the message goes to the same decoders as if it had come alone. */

import type { DecodedEvent } from '../../../core/index.ts';
import type { Frame } from '../decode-frame.ts';
import { severityOfSyslog } from '../syslog/syslog-header.ts';

/** How deep records inside records are followed. */
const NEST_MAX = 3;

/** What reads a line of any format, and a message whose program is known; set by the decoder to avoid a circle of imports. */
export interface Again {
  line(text: string, at: number, end: number, frame: Frame): DecodedEvent | null;
  message(text: string, at: number, end: number, frame: Frame): DecodedEvent;
}

let again: Again | null = null;

export function setAgain(decoders: Again): void {
  again = decoders;
}

/** The message as a whole line; null when no decoder knows it. The frame keeps the outer time and host as a fall-back. */
export function innerLine(message: string, frame: Frame): DecodedEvent | null {
  if (again === null || frame.nest >= NEST_MAX || message.length < 8) return null;
  frame.nest++;
  const { timeMs, host, program, pid, marks } = frame;
  const event = again.line(message, 0, message.length, frame);
  if (event) return event;
  frame.timeMs = timeMs;
  frame.host = host;
  frame.program = program;
  frame.pid = pid;
  frame.marks = marks;
  frame.fault = '';
  return null;
}

/** The message of the program that the frame names. */
export function innerMessage(message: string, frame: Frame): DecodedEvent | null {
  if (again === null || frame.nest >= NEST_MAX) return null;
  frame.nest++;
  return again.message(message, 0, message.length, frame);
}

/** OCSF severity of a word (`info`, `WARN`, `Error`) or of syslog's number; 0 when unknown. */
export function severityOf(value: string): number {
  if (value.length === 1 && value >= '0' && value <= '7') return severityOfSyslog(Number(value));
  const lower = value.toLowerCase();
  if (lower.startsWith('emerg') || lower.startsWith('fatal')) return 6;
  if (lower.startsWith('alert') || lower.startsWith('crit')) return 5;
  if (lower.startsWith('err')) return 4;
  if (lower.startsWith('warn')) return 3;
  if (lower.startsWith('notice')) return 2;
  return lower.startsWith('info') || lower.startsWith('debug') || lower.startsWith('trace') ? 1 : 0;
}
