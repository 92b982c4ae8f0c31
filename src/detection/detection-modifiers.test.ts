/** The modifiers and values of the specification, each as an event that fits and one that does not. */

import { describe, expect, test } from 'vitest';
import type { FieldValue } from '../core/index.ts';
import { createMatcher } from './detection-compile.ts';
import type { DetectionRule } from './detection-rule.ts';
import { parsePattern } from './detection-value.ts';
import { ruleText, sampleEvent, sampleRules } from './testing/detection-samples.ts';

type Fields = Record<string, FieldValue>;

function matches(selection: string, fields: Fields, raw = ''): boolean {
  const rules = sampleRules(ruleText(`  s:\n    ${selection}\n  condition: s`)) as DetectionRule[];
  return createMatcher(rules).match(sampleEvent(fields, { raw })).length > 0;
}

const wide = (text: string) => Buffer.from(text, 'utf16le').toString('base64');
const CASES: [string, Fields, Fields][] = [
  ['a: Evil', { a: 'eVIL' }, { a: 'evil!' }],
  ['a|cased: Evil', { a: 'Evil' }, { a: 'evil' }],
  ['a: 5', { a: 5 }, { a: '55' }],
  ['a: true', { a: 'True' }, { a: false }],
  ["a: ''", { a: '' }, {}],
  ['a: null', {}, { a: 'x' }],
  ['a: [x, null]', {}, { a: 'y' }],
  ['a: ev?l*', { a: 'evil.exe' }, { a: 'evl.exe' }],
  ['a: \\*x', { a: '*x' }, { a: 'yx' }],
  ['a: C:\\\\*', { a: 'c:\\temp' }, { a: 'c:temp' }],
  ['a|contains: [foo, bar]', { a: 'xBARx' }, { a: 'baz' }],
  ['a|contains|all: [foo, bar]', { a: 'bar foo' }, { a: 'foo' }],
  ['a|startswith: ab', { a: 'ABc' }, { a: 'cab' }],
  ['a|endswith: \\cmd.exe', { a: 'C:\\x\\CMD.EXE' }, { a: 'cmd.exe2' }],
  ['a|exists: true', { a: '' }, { b: 'x' }],
  ['a|exists: false', { b: 'x' }, { a: 0 }],
  ['a|neq: x', { a: 'y' }, { a: 'X' }],
  ['a|neq: [x, y]', { a: 'z' }, { a: 'y' }],
  ['a|re: ^ab+$', { a: 'abbb' }, { a: 'Abbb' }],
  ['a|re|i: ^ab+$', { a: 'ABBB' }, { a: 'b' }],
  ['a|re|m|i: ^b$', { a: 'a\nB' }, { a: 'ab' }],
  ['a|re|s: a.c', { a: 'a\nc' }, { a: 'ac' }],
  ['a|cidr: [10.0.0.0/8, 2001:db8::/32]', { a: '2001:DB8::1' }, { a: '11.0.0.1' }],
  ['a|cidr: 192.168.0.0/23', { a: '::ffff:192.168.1.255' }, { a: '192.168.2.0' }],
  ['a|lt: 10', { a: '9.5' }, { a: 10 }],
  ['a|lte: 10', { a: 10 }, { a: 'ten' }],
  ['a|gt: 10', { a: 11 }, { a: '' }],
  ['a|gte: 10', { a: '10' }, {}],
  ['a|windash|contains: " -enc"', { a: 'powershell /enc x' }, { a: 'powershell enc' }],
  ['a|windash|contains: " -enc"', { a: 'powershell \u2014enc x' }, { a: 'power-enc' }],
  ['a|base64: foobar', { a: 'Zm9vYmFy' }, { a: 'foobar' }],
  [
    'a|base64offset|contains: http://',
    { a: Buffer.from('xxhttp://y').toString('base64') },
    { a: Buffer.from('ftp://y').toString('base64') },
  ],
  ['a|wide|base64offset|contains: ping', { a: wide('run ping now') }, { a: Buffer.from('ping').toString('base64') }],
  ['a|utf16le|base64: ab', { a: 'YQBiAA==' }, { a: 'YWI=' }],
  ['a|utf16be|base64: ab', { a: 'AGEAYg==' }, { a: 'YQBiAA==' }],
  ['a|utf16|base64: a', { a: '//5hAA==' }, { a: 'YQA=' }],
  ['a|fieldref: b', { a: 'X', b: 'x' }, { a: 'x', b: 'y' }],
  ['a|fieldref|endswith: b', { a: 'C:\\cmd.exe', b: 'CMD.exe' }, { a: 'cmd', b: 'cmd.exe' }],
  ['a|hour: 3', { a: '2026-01-05T03:20:00Z' }, { a: '2026-01-05T04:20:00Z' }],
  ['a|hour|gte: 22', { a: '2026-01-05T23:20:00Z' }, { a: 'later' }],
  ['a|minute: 20', { a: '2026-01-05T03:20:00Z' }, { a: '2026-01-05T03:21:00Z' }],
  ['a|day: 5', { a: '2026-01-05T03:20:00Z' }, { a: '2026-01-06T03:20:00Z' }],
  ['a|week: 1', { a: '2025-12-29T03:20:00Z' }, { a: '2025-12-28T03:20:00Z' }],
  ['a|month: 1', { a: '2026-01-05T03:20:00Z' }, { a: '2026-02-05T03:20:00Z' }],
  ['a|year: 2026', { a: '2026-01-05T03:20:00Z' }, { a: '2025-01-05T03:20:00Z' }],
  ['a|expand: plain', { a: 'plain' }, { a: '%plain%' }],
  ['a: [1, 2]', { a: ['9', 2] }, { a: ['3'] }],
  ['User: alice', { 'user.name': 'Alice' }, { user: 'alice2' }],
];

describe('each modifier', () => {
  for (const [selection, hit, miss] of CASES) {
    test(`${selection} ${JSON.stringify(hit)}`, () => {
      expect(matches(selection, hit)).toBe(true);
      expect(matches(selection, miss)).toBe(false);
    });
  }
});

test('keywords stand anywhere in the record, and in JSON in its values', () => {
  const keywords = (list: string) => sampleRules(ruleText(`  k: ${list}\n  condition: k`)) as DetectionRule[];
  const run = (list: string, raw: string, fields: Fields = {}) =>
    createMatcher(keywords(list)).match(sampleEvent(fields, { raw })).length > 0;
  expect(run('[foo bar, baz]', '<34>x FOO bar y')).toBe(true);
  expect(run('[foo bar]', 'foo  bar')).toBe(false);
  expect(run("{ '|all': [one, two] }", 'two and one')).toBe(true);
  expect(run("{ '|all': [one, two] }", 'one')).toBe(false);
  expect(run('[a\\b]', '{"x":"a\\\\b"}', { x: 'a\\b' })).toBe(true);
  expect(run("{ '|re': 'o{2}\\s' }", 'foo x')).toBe(true);
});

test('conditions: precedence, quantities, patterns and hidden selections', () => {
  const run = (condition: string, fields: Fields) => {
    const text = ruleText(`  s1: { a: 1 }\n  s2: { b: 1 }\n  _h: { c: 1 }\n  f: { d: 1 }\n  condition: ${condition}`);
    return createMatcher(sampleRules(text) as DetectionRule[]).match(sampleEvent(fields)).length > 0;
  };
  expect(run('s1 or s2 and f', { a: 1 })).toBe(true);
  expect(run('(s1 or s2) and f', { a: 1 })).toBe(false);
  expect(run('not s1 and s2', { b: 1 })).toBe(true);
  expect(run('not (s1 and s2)', { b: 1 })).toBe(true);
  expect(run('1 of s*', { b: 1 })).toBe(true);
  expect(run('all of s*', { b: 1 })).toBe(false);
  expect(run('2 of them', { b: 1, d: 1 })).toBe(true);
  expect(run('1 of them', { c: 1 })).toBe(false);
  expect(run('1 of _h', { c: 1 })).toBe(true);
  expect(run('s1 AND NOT 1 of f*', { a: 1 })).toBe(true);
  expect(run('[s1, s2]', { b: 1 })).toBe(true);
});

test('wildcards and escapes', () => {
  expect(parsePattern('a\\\\*')).toEqual(['a\\', 1]);
  expect(parsePattern('a\\*b')).toEqual(['a*b']);
  expect(parsePattern('\\Windows\\x')).toEqual(['\\Windows\\x']);
  expect(parsePattern('**a?')).toEqual([1, 'a', 2]);
});
