/** Loading: the fast reading of YAML against the thorough one, values of placeholders, and the cache that checks itself. */

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';
import { createEngine } from './detection-engine.ts';
import { loadRules } from './detection-load.ts';
import { parseRules } from './detection-parse.ts';
import { readPlaceholders } from './detection-site.ts';
import { readYaml } from './detection-yaml.ts';
import { sampleEvent } from './testing/detection-samples.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'asepsis-rules-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const RULE = `title: T
id: t
logsource: { product: test }
detection:
  selection:
    a|re: '^x{3}$'
    b|cidr: 10.0.0.0/8
    c|contains: ['*y', 'z']
  condition: selection
`;
const HIT = () => sampleEvent({ a: 'xxx', b: '10.1.2.3', c: 'a zoo' });
const fires = (rules: Awaited<ReturnType<typeof loadRules>>['rules']) =>
  createEngine(rules, { streamId: 'aaaaaaaa' }).feed(HIT()).length;

test('values read fast are the values of YAML 1.2', () => {
  const scalar = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.constantFrom(
      '0o17',
      '0x1F',
      '1_000',
      '0b11',
      '007',
      '.5',
      '1e3',
      'yes',
      'on',
      '~',
      'null',
      'TRUE',
      '2026-01-01',
      '12:30',
      '<<',
      '=',
      '.inf',
      '.NaN',
      '-.INF',
      '?',
      '? a',
      ': a',
      '~: a',
      'null: a',
      '[? a, b]',
    ),
    fc.integer(),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
  );
  const tree = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      scalar,
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(fc.string({ minLength: 1, maxLength: 6 }), tie('value'), { maxKeys: 4, noNullPrototype: true }),
    ),
  })).value;
  fc.assert(
    fc.property(fc.array(tree, { minLength: 1, maxLength: 3 }), fc.boolean(), (values, plain) => {
      const text = values
        .map((value) => `---\n${plain && typeof value === 'string' ? value : stringify(value)}`)
        .join('\n');
      const fast = readYaml(text);
      if (!fast) return;
      const slow = parseAllDocuments(text, { prettyErrors: false });
      const documents = (Array.isArray(slow) ? slow : []).filter((d) => d.contents !== null || d.errors.length > 0);
      expect(documents.every((d) => d.errors.length === 0)).toBe(true);
      const known = fast.filter(({ value }) => value !== null);
      expect(known.map(({ value }) => value)).toEqual(
        documents.map((d): unknown => d.toJS({ maxAliasCount: 0 })).filter((value) => value !== null),
      );
    }),
    { numRuns: 600 },
  );
});

test('both ways of reading answer the same rule, with its line', () => {
  const text = `# a comment\n\n---\n${RULE}---\n# another\n${RULE.replace('id: t', 'id: u')}`;
  const fast = parseRules(text, 'f.yml');
  const slow = parseRules(`%YAML 1.2\n${text}`, 'f.yml');
  const shape = (parsed: typeof fast, lines: number) =>
    JSON.stringify(parsed.rules.map((rule) => ({ ...rule, line: rule.line - lines })));
  expect(fast.rules.map((rule) => rule.line)).toEqual([4, 15]);
  expect(shape(slow, 1)).toBe(shape(fast, 0));
});

test('an anchor is never read the fast way, and a bomb of aliases is refused', () => {
  expect(readYaml('a: &x [1]\nb: *x')).toBeNull();
  const bomb = `a: &a [x]\n${Array.from({ length: 30 }, (_, i) => `b${i}: &b${i} [*${i === 0 ? 'a' : `b${i - 1}`}, *${i === 0 ? 'a' : `b${i - 1}`}]`).join('\n')}\n`;
  const { refused, rules } = parseRules(`${bomb}${RULE}`, 'bomb.yml');
  expect(rules).toEqual([]);
  expect(refused[0]?.reason).toMatch(/aliases/);
});

const PLACEHOLDER = `title: P
id: p
logsource: { product: test }
detection:
  selection:
    a|expand|endswith: 'x%who%'
  other:
    b|expand: ['%where%', 'fixed']
  condition: selection and other
`;

test('a rule waits for values of placeholders by name and place, and works with them', async () => {
  const { rules, refused, waiting } = parseRules(PLACEHOLDER, 'p.yml');
  expect([rules, refused]).toEqual([[], []]);
  expect(waiting).toEqual([
    {
      file: 'p.yml',
      line: 6,
      column: 5,
      placeholders: ['who', 'where'],
      reason: expect.stringContaining('%who%, %where%') as string,
    },
  ]);
  const path = join(dir, 'site.yml');
  await writeFile(path, 'who: [xx, "a*c"]\n"%where%": 7\n');
  const given = parseRules(PLACEHOLDER, 'p.yml', { placeholders: readPlaceholders(path) });
  expect(given.waiting).toEqual([]);
  const engine = createEngine(given.rules, { streamId: 'aaaaaaaa' });
  const matches = (a: string, b: string | number) => engine.feed(sampleEvent({ a, b })).length;
  expect([matches('1xxx', 7), matches('xa--c', 'FIXED'), matches('xx', 7), matches('xxx', 8)]).toEqual([1, 1, 0, 0]);
});

test('an empty placeholder fits nothing; a site file that says something else is refused', async () => {
  const { rules } = parseRules(PLACEHOLDER, 'p.yml', { placeholders: { who: [], where: ['1'] } });
  expect(createEngine(rules, { streamId: 'aaaaaaaa' }).feed(sampleEvent({ a: 'x', b: '1' }))).toEqual([]);
  const path = join(dir, 'bad.yml');
  await writeFile(path, 'who: { a: 1 }\n');
  expect(() => readPlaceholders(path)).toThrow(/texts or numbers/);
  expect(() => readPlaceholders(join(dir, 'none.yml'))).toThrow(/none\.yml/);
});

test('the cache answers the same rules, and is made anew when damaged or when anything changed', async () => {
  const file = join(dir, 'r.yml');
  const cacheDir = join(dir, 'cache');
  await writeFile(file, RULE);
  const cold = await loadRules([file], { cacheDir });
  const [name] = await readdir(cacheDir);
  const cached = join(cacheDir, name as string);
  const warm = await loadRules([file], { cacheDir });
  expect(JSON.stringify(warm)).toBe(JSON.stringify(cold));
  expect([fires(cold.rules), fires(warm.rules)]).toEqual([1, 1]);

  const good = await readFile(cached);
  for (const damage of [
    () => good.subarray(0, good.length - 9),
    () => Buffer.from(good.toString('latin1').replace('xxx', 'yyy').replace('x{3}', 'x{4}'), 'latin1'),
    () => Buffer.alloc(0),
    () => Buffer.from('asepsis rules 1'),
  ]) {
    await writeFile(cached, damage());
    expect(fires((await loadRules([file], { cacheDir })).rules)).toBe(1);
    expect((await readFile(cached)).equals(good)).toBe(true);
  }

  await writeFile(file, RULE.replace('x{3}', 'x{4}'));
  expect(fires((await loadRules([file], { cacheDir })).rules)).toBe(0);
  await writeFile(file, RULE);
  await loadRules([file], { cacheDir, placeholders: { a: [1] } });
  expect((await readdir(cacheDir)).length).toBe(3);
});

test('a cache folder that cannot be written costs nothing but time', async () => {
  const file = join(dir, 'r.yml');
  await writeFile(file, RULE);
  expect((await loadRules([file], { cacheDir: join(file, 'no', 'folder') })).rules).toHaveLength(1);
});
