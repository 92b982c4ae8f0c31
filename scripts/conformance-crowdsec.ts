/**
 * The verdicts of CrowdSec's scenarios on its hub's samples beside ours: for each sample the addresses that overflowed there,
 * and whether our own rules name them. Where we differ, the sample is put into a class that says why.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DecodedEvent, SourceId } from '../src/core/index.ts';
import { createEngine, loadRules } from '../src/detection/index.ts';
import { createDecoder } from '../src/ingest/decode/index.ts';

const OWN_RULES = fileURLToPath(new URL('../rules', import.meta.url));
/** Least number of samples on which both say the same; measured, so that a regression is seen. */
const AGREE_MIN = 140;

interface Truth {
  readonly sample: string;
  readonly scenarios: readonly string[];
  readonly addresses: readonly string[];
}

/** Which addresses a `scenario.assert` says overflowed, and in which scenarios. */
function truthOf(sample: string, text: string): Truth {
  const scenarios = new Set<string>();
  const addresses = new Set<string>();
  for (const line of text.split('\n')) {
    const scenario = /GetScenario\(\) == "([^"]+)"/.exec(line);
    if (scenario) scenarios.add(scenario[1] as string);
    const address = /^"([0-9a-fA-F.:]+)" in results\[\d+\]\.Overflow\.GetSources\(\)/.exec(line.trim());
    if (address) addresses.add(address[1] as string);
  }
  return { sample, scenarios: [...scenarios], addresses: [...addresses] };
}

function eventsOf(folder: string): DecodedEvent[] {
  const decoder = createDecoder({ zoneOf: () => 'UTC' });
  const events: DecodedEvent[] = [];
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.log'))) {
    const lines = readFileSync(join(folder, file))
      .toString('latin1')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => Buffer.from(`${line}\n`, 'latin1'));
    for (let at = 0; at < lines.length; at += 200) {
      const part = lines.slice(at, at + 200);
      let end = 0;
      const ends = Uint32Array.from(part, (line) => {
        end += line.length;
        return end;
      });
      events.push(
        ...decoder.decode({
          seq: events.length + 1,
          source: 'src_00000000000000000000000000' as SourceId,
          receivedMs: Date.now(),
          hint: 'line',
          peer: 'conformance',
          exercise: false,
          data: Buffer.concat(part),
          ends,
        }),
      );
    }
  }
  return events;
}

const understood = (event: DecodedEvent): boolean => event.format !== 'raw' && !event.format.endsWith('/other');
const plain = (address: string): string => address.replace(/^::ffff:/, '');

/** @param dataDir the folder that holds `logs/crowdsec-hub` */
export async function conformanceCrowdsec(dataDir: string): Promise<{ name: string; ok: boolean; lines: string[] }> {
  const base = join(dataDir, 'logs', 'crowdsec-hub');
  const { rules } = await loadRules([OWN_RULES]);
  const classes = new Map<string, string[]>();
  const put = (kind: string, what: string) => classes.set(kind, [...(classes.get(kind) ?? []), what]);
  let agree = 0;
  let samples = 0;
  for (const sample of readdirSync(base).sort()) {
    const folder = join(base, sample);
    if (!existsSync(join(folder, 'scenario.assert'))) continue;
    const truth = truthOf(sample, readFileSync(join(folder, 'scenario.assert'), 'utf8'));
    const events = eventsOf(folder);
    if (events.length === 0) continue;
    samples++;
    const engine = createEngine(rules, { streamId: 'conform0' });
    const alerts = [...events.flatMap((event) => engine.feed(event)), ...engine.finish()];
    const ours = new Set(
      alerts.flatMap(({ entities }) =>
        entities.filter(({ type }) => type === 'address').map(({ value }) => plain(value)),
      ),
    );
    const missed = truth.addresses.filter((address) => !ours.has(plain(address)));
    const what = `${sample} (${truth.scenarios.map((name) => name.split('/')[1]).join(', ') || 'nothing'})`;
    if (truth.addresses.length === 0) {
      if (alerts.length === 0) agree++;
      else if (truth.scenarios.length > 0) agree++;
      else put('we alert, CrowdSec does not', `${what}: ${[...new Set(alerts.map(({ rule }) => rule.id))].join(', ')}`);
    } else if (missed.length === 0) agree++;
    else if (events.filter(understood).length * 2 < events.length)
      put('log format that no decoder of ours knows', what);
    else if (missed.length < truth.addresses.length) put('some of the addresses only', what);
    else if (engine.stats().rules.length > 0) put('counted, but below what our rules ask for', what);
    else put('decoded, but no rule of ours speaks about it', what);
  }
  const lines = [`${agree} of ${samples} samples judged alike (at least ${AGREE_MIN})`];
  for (const [kind, list] of [...classes].sort((a, b) => b[1].length - a[1].length)) {
    lines.push(`${list.length} ${kind}:`);
    for (let at = 0; at < list.length; at += 4) lines.push(`    ${list.slice(at, at + 4).join('; ')}`);
  }
  return { name: 'crowdsec', ok: agree >= AGREE_MIN, lines };
}
