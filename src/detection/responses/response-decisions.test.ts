import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { contains, parseRange, rangeText } from './response-address.ts';
import { addressesOf, viewOf } from './response-blocks.ts';
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
    filterBlocks(viewOf(blocks), filter)?.map((one) => decisionOf(one, NOW).value);
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
  test('what is no address is said', () => expect(filterBlocks(viewOf(blocks), { ip: 'portal' })).toBeNull());
});

describe('the stream', () => {
  test('start: all in force; then only what changed; an end is told once', () => {
    const a = block('203.0.113.7', { changed: 10 });
    const b = block('203.0.113.8', { changed: 20 });
    expect(streamOf([a, b], null, NOW, null).new).toHaveLength(2);
    expect(streamOf([a, b], 10, NOW, null).new.map((one) => one.value)).toEqual(['203.0.113.8']);
    const undone = { ...a, active: false, changed: 30 };
    expect(streamOf([undone, b], 20, NOW, null)).toMatchObject({ new: [], deleted: [{ value: '203.0.113.7' }] });
    expect(streamOf([undone, b], 30, NOW, null).deleted).toEqual([]);
  });
  test('an end is not told while another block holds the same address', () => {
    const ended = block('203.0.113.7', { active: false });
    expect(streamOf([ended, block('203.0.113.7')], null, NOW, null).deleted).toEqual([]);
  });
  test('to a bouncer without ranges each address of an IPv4 range is told, and taken back unless another block holds it', () => {
    const range = block('198.51.100.8/30');
    const one = block('198.51.100.9');
    const wide = block('198.51.0.0/16');
    const values = (list: readonly { value: string }[]) => list.map(({ value }) => value);
    const addresses = ['198.51.100.8', '198.51.100.9', '198.51.100.10', '198.51.100.11'];
    expect(values(streamOf([range], null, NOW, viewOf([range])).new)).toEqual(addresses);
    expect(values(streamOf([wide], null, NOW, viewOf([wide])).new)).toEqual(['198.51.0.0/16']);
    const ended = { ...range, active: false, changed: 99 };
    expect(values(streamOf([ended, one], 98, NOW, viewOf([ended, one])).deleted)).toEqual(addresses.toSpliced(1, 1));
    const over = { ...one, active: false, changed: 99 };
    expect(streamOf([range, over], 98, NOW, viewOf([range, over])).deleted).toEqual([]);
  });
  test('blocks that hold a range are those that a look at each finds', () => {
    const part = fc.integer({ min: 0, max: 3 }).map((n) => n * 64);
    const text = fc
      .tuple(part, part, fc.integer({ min: 14, max: 32 }), fc.boolean())
      .map(([a, b, prefix, six]) => (six ? `2001:db8:${a}:${b}::/${prefix * 2}` : `10.${a}.${b}.64/${prefix}`));
    fc.assert(
      fc.property(fc.array(text, { maxLength: 20 }), text, (texts, asked) => {
        const all = texts.map((one) => block(one));
        const { range } = block(asked);
        const found = new Set(viewOf(all).holding(range));
        expect(found).toEqual(new Set(all.filter((one) => contains(one.range, range))));
      }),
    );
  });
  test.each([false, true])(
    'a bouncer that follows the stream holds exactly what is in force (without ranges: %s)',
    (single) => {
      const step = fc.record({
        target: fc.constantFrom(
          '203.0.113.0',
          '203.0.113.1',
          '203.0.113.4',
          '203.0.113.0/30',
          '203.0.113.0/31',
          '203.0.113.4/30',
        ),
        what: fc.constantFrom('block', 'end', 'ask', 'restart'),
      });
      const each = (one: Block) => (single ? addressesOf(one.range) : [one.range]).map(rangeText);
      fc.assert(
        fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
          let change = 0;
          let all: Block[] = [];
          let since: number | null = null;
          const held = new Set<string>();
          const ask = (start: boolean) => {
            const stream = streamOf(all, start ? null : since, NOW, single ? viewOf(all) : null);
            if (start) held.clear();
            for (const one of stream.deleted) held.delete(one.value);
            for (const one of stream.new) held.add(one.value);
            since = change;
          };
          ask(true);
          for (const { target, what } of steps) {
            if (what === 'block') all.push(block(target, { changed: ++change }));
            else if (what === 'end') {
              const one = all.find((other) => other.active && rangeText(other.range) === target);
              if (one) all = all.map((other) => (other === one ? { ...one, active: false, changed: ++change } : other));
            } else ask(what === 'restart');
          }
          ask(false);
          expect(held).toEqual(new Set(all.filter((one) => one.active).flatMap(each)));
        }),
      );
    },
  );
});
