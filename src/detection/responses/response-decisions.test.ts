import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseRange } from './response-address.ts';
import { type Block, decisionOf, filterBlocks, goDuration, streamOf } from './response-decisions.ts';

const NOW = Date.UTC(2026, 0, 15, 8);
let number = 0;
const block = (text: string, o: Partial<Block> = {}): Block => ({
  number: ++number,
  range: parseRange(text) as NonNullable<ReturnType<typeof parseRange>>,
  expiresMs: NOW + 600_000,
  scenario: 'asepsis/incident',
  changed: number,
  active: true,
  ...o,
});

test.each([
  [14_398_500, '3h59m58.5s'],
  [60_000, '1m0s'],
  [59_000, '59s'],
  [3_600_000, '1h0m0s'],
  [-1500, '-1.5s'],
])('%i ms is %s, as Go writes it', (ms, text) => expect(goDuration(ms)).toBe(text));

test('one address is Ip, a network is Range', () => {
  expect(decisionOf(block('203.0.113.7'), NOW)).toMatchObject({ scope: 'Ip', value: '203.0.113.7', duration: '10m0s' });
  expect(decisionOf(block('2001:db8:1:2::/64'), NOW)).toMatchObject({ scope: 'Range', value: '2001:db8:1:2::/64' });
});

describe('filters', () => {
  const blocks = [block('203.0.113.7'), block('198.51.100.0/24'), block('2001:db8:1:2::/64')];
  const values = (filter: Parameters<typeof filterBlocks>[1]) =>
    filterBlocks(blocks, filter)?.map((one) => decisionOf(one, NOW).value);
  test.each([
    [{}, 3],
    [{ ip: '203.0.113.7' }, 1],
    [{ ip: '198.51.100.77' }, 1],
    [{ ip: '2001:db8:1:2::ffff' }, 1],
    [{ ip: '192.0.2.1' }, 0],
    [{ range: '198.51.100.0/25' }, 1],
    [{ range: '198.51.0.0/16' }, 0],
    [{ range: '198.51.0.0/16', contains: false }, 1],
    [{ scopes: 'ip,country' }, 1],
    [{ scope: 'Range' }, 2],
    [{ type: 'captcha' }, 0],
    [{ origins: 'crowdsec,asepsis' }, 3],
    [{ origins: 'cscli' }, 0],
    [{ scenarios_containing: 'incident' }, 3],
    [{ scenarios_not_containing: 'incident' }, 0],
  ])('%j finds %i', (filter, count) => expect(values(filter)).toHaveLength(count));
  test('what is no address is said', () => expect(filterBlocks(blocks, { ip: 'portal' })).toBeNull());
});

describe('the stream', () => {
  test('start: all in force; then only what changed; an end is told once', () => {
    const a = block('203.0.113.7', { changed: 10 });
    const b = block('203.0.113.8', { changed: 20 });
    expect(streamOf([a, b], null, NOW).new).toHaveLength(2);
    expect(streamOf([a, b], 10, NOW).new.map((one) => one.value)).toEqual(['203.0.113.8']);
    const undone = { ...a, active: false, changed: 30 };
    expect(streamOf([undone, b], 20, NOW)).toMatchObject({ new: [], deleted: [{ value: '203.0.113.7' }] });
    expect(streamOf([undone, b], 30, NOW).deleted).toEqual([]);
  });
  test('an end is not told while another block holds the same address', () => {
    const ended = block('203.0.113.7', { active: false });
    expect(streamOf([ended, block('203.0.113.7')], null, NOW).deleted).toEqual([]);
  });
  test('a bouncer that follows the stream holds exactly what is in force, whatever happens in between', () => {
    const step = fc.record({ host: fc.nat(4), what: fc.constantFrom('block', 'end', 'ask', 'restart') });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let change = 0;
        let all: Block[] = [];
        let since: number | null = null;
        const held = new Set<string>();
        const ask = (start: boolean) => {
          const stream = streamOf(all, start ? null : since, NOW);
          if (start) held.clear();
          for (const one of stream.deleted) held.delete(one.value);
          for (const one of stream.new) held.add(one.value);
          since = change;
        };
        ask(true);
        for (const { host, what } of steps) {
          const text = `203.0.113.${host}`;
          if (what === 'block') all.push(block(text, { changed: ++change }));
          else if (what === 'end') {
            const one = all.find((other) => other.active && decisionOf(other, NOW).value === text);
            if (one) all = all.map((other) => (other === one ? { ...one, active: false, changed: ++change } : other));
          } else ask(what === 'restart');
        }
        ask(false);
        const want = new Set(all.filter((one) => one.active).map((one) => decisionOf(one, NOW).value));
        expect(held).toEqual(want);
      }),
    );
  });
});
