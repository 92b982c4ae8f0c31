/** The fast matcher and the plain meaning of the rules over the whole public set, on real events: they must say the same. */

import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { DecodedEvent, SourceId } from '../src/core/index.ts';
import { createMatcher } from '../src/detection/detection-compile.ts';
import { evaluatePlain } from '../src/detection/detection-plain.ts';
import type { DetectionRule } from '../src/detection/detection-rule.ts';
import { channelOf, eventIdOf, readsNormalisedFirst, sourceFacts, wants } from '../src/detection/detection-taxonomy.ts';
import { loadRules } from '../src/detection/index.ts';
import { createDecoder } from '../src/ingest/decode/index.ts';

/** Events compared of each archive, spread over it: the plain way takes milliseconds an event. */
const EVENTS_PER_ARCHIVE = 60;

function plainly(rules: readonly DetectionRule[], event: DecodedEvent): number[] {
  const facts = sourceFacts(event.logsource, event.norm.class_uid ?? 0, channelOf(event), eventIdOf(event));
  return rules.flatMap((rule, i) =>
    wants(rule.logsource, facts) && evaluatePlain(rule.expr, event, readsNormalisedFirst(rule.logsource)) ? [i] : [],
  );
}

/** @param dataDir the folder that holds `sigma/` and `windows/` */
export async function conformanceAgreement(dataDir: string): Promise<{ name: string; ok: boolean; lines: string[] }> {
  const base = join(dataDir, 'sigma');
  const folders = readdirSync(base).filter((name) => name.startsWith('rules'));
  const loaded = await loadRules(folders.map((name) => join(base, name)));
  const rules = loaded.rules.filter((rule) => rule.kind === 'detection');
  const matcher = createMatcher(rules);
  const decoder = createDecoder({});
  const windows = join(dataDir, 'windows');
  const archives = readdirSync(windows, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.zip'));
  let events = 0;
  let matches = 0;
  const different: string[] = [];
  for (const archive of archives.sort()) {
    const text = execFileSync('unzip', ['-p', join(windows, archive), '*.json'], { maxBuffer: 2 ** 30 }).toString(
      'utf8',
    );
    const all = text.split('\n').filter((line) => line.startsWith('{'));
    const step = Math.max(1, Math.floor(all.length / EVENTS_PER_ARCHIVE));
    const lines = all.filter((_, i) => i % step === 0).map((line) => Buffer.from(line));
    let end = 0;
    const ends = Uint32Array.from(lines, (line) => {
      end += line.length;
      return end;
    });
    const decoded = decoder.decode({
      seq: 1,
      source: 'src_00000000000000000000000000' as SourceId,
      receivedMs: Date.now(),
      hint: 'json',
      peer: 'conformance',
      exercise: false,
      data: Buffer.concat(lines),
      ends,
    });
    for (const event of decoded) {
      events++;
      const fast = [...matcher.match(event)];
      const plain = plainly(rules, event);
      matches += plain.length;
      if (fast.join() !== plain.join() && different.length < 20) {
        const only = [...fast.filter((i) => !plain.includes(i)), ...plain.filter((i) => !fast.includes(i))];
        different.push(`${archive}: ${only.map((i) => rules[i]?.title).join(', ')}`);
      }
    }
  }
  return {
    name: 'agreement',
    ok: different.length === 0 && matches > 0,
    lines: [
      `${events} events of ${archives.length} archives against ${rules.length} rules: ${matches} matches, the fast and the plain way differ on ${different.length}`,
      ...different,
    ],
  };
}
