import { expect, test } from 'vitest';
import { tacticsOf } from './detection-techniques.ts';

test('a technique stands under its own tactics, narrowed by the rule, never under another’s', () => {
  expect(tacticsOf('T1046', ['reconnaissance', 'discovery'])).toEqual(['discovery']);
  expect(tacticsOf('T1110.001', ['initial-access'])).toEqual(['credential-access']);
  expect(tacticsOf('T1078', ['initial-access', 'credential-access'])).toEqual(['initial-access']);
  expect(tacticsOf('T1078.002', [])).toEqual([
    'initial-access',
    'persistence',
    'privilege-escalation',
    'defense-evasion',
  ]);
  expect(tacticsOf('T9999', ['impact'])).toEqual(['impact']);
});
