/** `node scripts/rules-page.ts --data FOLDER`: writes docs/rooms/detection-rules.md, every rule with what was measured of it. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadRules } from '../src/detection/index.ts';
import { measureRules } from './conformance-rules.ts';

const ROOT = join(import.meta.dirname, '..');
const { values } = parseArgs({ options: { data: { type: 'string' } } });
if (!values.data) {
  process.stderr.write('Which data? node scripts/rules-page.ts --data FOLDER\n');
  process.exit(2);
}
const { rules } = await loadRules([join(ROOT, 'rules')]);
const { tallies, lines } = await measureRules(values.data);
const cases = (readdirSync(join(ROOT, 'rules'), { recursive: true }) as string[])
  .filter((name) => name.endsWith('.test.yml'))
  .map((name) => readFileSync(join(ROOT, 'rules', name), 'utf8'));
const tested = (id: string): boolean => cases.some((text) => new RegExp(`fires:[^\\]]*\\b${id}\\b`).test(text));

const rows = rules
  .filter((rule) => rule.level !== 'information')
  .sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line))
  .map((rule) => {
    const tally = tallies.get(rule.id);
    const techniques = rule.tags.filter((tag) => /^attack\.t\d/.test(tag)).map((tag) => tag.slice(7).toUpperCase());
    const topic = rule.file.split('/').at(-2) ?? '';
    const number = (count: number | undefined) => (count ? String(count) : '–');
    return `| ${topic} | \`${rule.id}\` | ${rule.level} | ${techniques.join(', ')} | ${number(tally?.right.size)} | ${number(tally?.wrong.size)} | ${number(tally?.windows.size)} | ${number(tally?.night)} | ${tested(rule.id) ? 'yes' : 'no'} |`;
  });
const page = `# Our own detection rules, measured

Written by \`node scripts/rules-page.ts --data FOLDER\`; \`npm run conformance\` measures the same and fails when it gets worse.
${new Date().toISOString().slice(0, 10)}.

- **Samples**: log samples of many programs, each with the scenarios that must fire on it (their own truth). _Right_ counts the samples
  on which the rule fired and whose truth names something of the kind; _other_ those whose truth names nothing of the kind. Most of
  these belong to a parser to which no scenario was attached: they do hold half a dozen failed log-ins within a minute.
- **Windows**: recordings of one attack technique each (archives in which the rule fired).
- **Night**: alerts over an ordinary night of the generated hospital; every one would be false.
- **Tested**: hit and miss events stand beside the rule and run with the tests.
- A dash is none. Rules on clinical systems and on watched files have no public recordings: they stand on their own events only.

${lines.map((line) => `- ${line}`).join('\n')}

| Topic | Rule | Level | ATT&CK | Samples: right | other | Windows | Night | Tested |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
${rows.join('\n')}
`;
writeFileSync(join(ROOT, 'docs', 'rooms', 'detection-rules.md'), page);
process.stdout.write(
  `${rows.length} rules, ${rows.filter((row) => row.endsWith('| no |')).length} without events of their own\n`,
);
