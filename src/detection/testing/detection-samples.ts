/** Events and rules for tests of this room. */

import type { DecodedEvent, FieldValue, Normalised, SourceId } from '../../core/index.ts';
import { assembleRules } from '../detection-load.ts';
import { parseRules } from '../detection-parse.ts';
import type { Rule } from '../detection-rule.ts';

let seq = 0;

export function sampleEvent(
  fields: Record<string, FieldValue> = {},
  rest: Partial<DecodedEvent> & { norm?: Normalised } = {},
): DecodedEvent {
  seq++;
  return {
    seq,
    index: 0,
    timeMs: 1_700_000_000_000,
    receivedMs: 1_700_000_000_000,
    source: 'src_00000000000000000000000000' as SourceId,
    format: 'test',
    logsource: { product: 'test' },
    norm: {},
    fields,
    raw: '',
    marks: [],
    exercise: false,
    ...rest,
  };
}

/** A failed or good log-in, `atSec` seconds into the test. */
export function logIn(outcome: 'failure' | 'success', user: string, src_ip: string, atSec: number): DecodedEvent {
  const timeMs = 1_700_000_000_000 + atSec * 1000;
  return sampleEvent(
    {},
    {
      timeMs,
      receivedMs: timeMs,
      logsource: { product: 'linux', service: 'sshd' },
      norm: { class_uid: 3002, action: 'logon', outcome, user, src_ip, host: 'vpn-1', service: 'sshd' },
    },
  );
}

/** Rules from YAML text; a refusal is a fault of the test. */
export function sampleRules(text: string): Rule[] {
  const parsed = parseRules(text, 'sample.yml');
  const { rules, refused } = assembleRules(parsed.rules, parsed.filters);
  const all = [...parsed.refused, ...refused];
  if (all.length > 0) throw new Error(JSON.stringify(all));
  return rules;
}

/** One rule around a detection written as YAML, two spaces deep. */
export const ruleText = (detection: string, id = 'sample'): string =>
  `title: Sample\nid: ${id}\nlevel: medium\nlogsource:\n  product: test\ndetection:\n${detection}\n`;
