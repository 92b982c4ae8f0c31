/** Our own rules over data from the field and over an ordinary night: what each finds, and where it fires without a reason. */

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Alert, DecodedEvent } from '../src/core/index.ts';
import { createEngine, loadRules, type Rule } from '../src/detection/index.ts';
import { decodeFile } from '../src/main-decode-file.ts';
import { createHospital, createRandom } from '../src/rehearsal/index.ts';
import { ordinaryLine } from '../src/rehearsal/rehearsal-night.ts';

const ROOT = join(import.meta.dirname, '..');
const RULES = join(ROOT, 'rules');

/** What a sample's own truth (the scenarios that must fire on it) says, in our words. */
const FAMILIES: readonly { name: string; truth: RegExp; rules: RegExp }[] = [
  {
    name: 'guessing of passwords and names',
    truth: /(?:-|_)bf\b|bf_|-bf|bruteforce|user[-_]?enum|-enum|_enum|honeypot-users|-spam$/i,
    rules:
      /^(?:password-|credential-stuffing|user-enumeration|web-login|distributed-guessing|success-after|sip-guessing)/,
  },
  {
    name: 'exploits and scanning of web servers',
    truth:
      /cve|probing|probbing|sensitive|backdoor|sqli|xss|path-traversal|bad-user-agent|modsecurity|open-proxy|wpconfig|vmsa|anomaly-score|crawl|generic-test|openappsec/i,
    rules:
      /^(?:exploit-|gateway-exploit|sql-injection|path-traversal|jndi|command-injection|cross-site|web-shell|attack-tool|web-scanning|waf-|malformed|open-proxy)/,
  },
  {
    name: 'scans of ports and services',
    truth: /scan-multi|refused-conn|keyexchange/i,
    rules: /^(?:port-scan|flow-scan|ssh-probing)/,
  },
  { name: 'findings of other sensors', truth: /suricata|palo-alto|threat/i, rules: /^ids-/ },
];
/** Alerts in an ordinary night, and samples on which a rule fires whose truth says otherwise, as measured. */
const NIGHT_CEILING = 0;
const WRONG_CEILING = 22;
const NIGHT_LINES = 120_000;
/** At the rehearsal's own rate. */
const NIGHT_STEP_MS = 25;

interface Tally {
  readonly right: Set<string>;
  readonly wrong: Set<string>;
  readonly windows: Set<string>;
  night: number;
}

async function alertsOf(rules: readonly Rule[], file: string): Promise<{ alerts: Alert[]; understood: boolean }> {
  const engine = createEngine(rules, { streamId: 'measure0' });
  const alerts: Alert[] = [];
  let n = 0;
  let understood = false;
  for await (const event of decodeFile(file)) {
    (event as DecodedEvent).seq = ++n;
    event.index = 0;
    understood ||= (event.norm.class_uid ?? 0) !== 0;
    alerts.push(...engine.feed(event));
  }
  return { alerts, understood };
}

function truthOf(folder: string): string[] | null {
  const path = join(folder, 'scenario.assert');
  if (!existsSync(path)) return null;
  const found = readFileSync(path, 'utf8').matchAll(/GetScenario\(\) == "[^"/]*\/([^"]*)"/g);
  return [...new Set([...found].map((match) => match[1] as string))];
}

export interface RuleMeasure {
  readonly tallies: ReadonlyMap<string, Tally>;
  readonly lines: string[];
  readonly wrong: number;
  readonly night: number;
}

async function overLogs(rules: readonly Rule[], base: string, tallyOf: (id: string) => Tally): Promise<string[]> {
  const lines: string[] = [];
  const counts = FAMILIES.map(() => ({ all: 0, understood: 0, found: 0 }));
  for (const name of readdirSync(base).sort()) {
    const folder = join(base, name);
    if (!statSync(folder).isDirectory()) continue;
    const log = readdirSync(folder).find((file) => file.endsWith('.log'));
    const truth = truthOf(folder);
    if (log === undefined || truth === null) continue;
    const { alerts, understood } = await alertsOf(rules, join(folder, log));
    const fired = [...new Set(alerts.map((alert) => alert.rule.id))];
    for (const [i, family] of FAMILIES.entries()) {
      const meant = truth.some((scenario) => family.truth.test(scenario));
      const hit = fired.filter((id) => family.rules.test(id));
      const count = counts[i] as (typeof counts)[number];
      if (meant) {
        count.all++;
        if (understood) count.understood++;
        if (hit.length > 0) count.found++;
      }
      for (const id of hit) (meant ? tallyOf(id).right : tallyOf(id).wrong).add(name);
    }
    const inNone = fired.filter((id) => !FAMILIES.some((family) => family.rules.test(id)));
    for (const id of inNone) (truth.length > 0 ? tallyOf(id).right : tallyOf(id).wrong).add(name);
  }
  for (const [i, family] of FAMILIES.entries()) {
    const { all, understood, found } = counts[i] as (typeof counts)[number];
    lines.push(
      `${family.name}: found in ${found} of ${all} samples; ${understood} of them are of a form that is decoded`,
    );
  }
  return lines;
}

async function overWindows(rules: readonly Rule[], base: string, tallyOf: (id: string) => Tally): Promise<string> {
  let found = 0;
  let all = 0;
  for (const name of (readdirSync(base, { recursive: true }) as string[]).sort()) {
    if (!name.endsWith('.zip')) continue;
    all++;
    const { alerts } = await alertsOf(rules, join(base, name));
    const fired = new Set(alerts.map((alert) => alert.rule.id));
    for (const id of fired) tallyOf(id).windows.add(name.replace(/\.zip$/, ''));
    // That logs were cleared before a recording is no sign of the attack in it.
    if ([...fired].some((id) => id !== 'event-logs-cleared')) found++;
  }
  return `Windows attacks: ${found} of ${all} recordings raise an alert other than "event logs cleared"`;
}

/** An ordinary night of the generated hospital: every alert is a false one. */
async function overNight(rules: readonly Rule[], tallyOf: (id: string) => Tally): Promise<number> {
  const random = createRandom(20_261_125);
  const hospital = createHospital(random);
  const start = Date.UTC(2026, 10, 24, 20);
  const files = { syslog: [] as string[], windows: [] as string[] };
  for (let i = 0; i < NIGHT_LINES; i++) {
    const at = i * NIGHT_STEP_MS;
    const line = ordinaryLine(at, hospital, random);
    files[line.route].push(line.write(start + at));
  }
  const folder = await mkdtemp(join(tmpdir(), 'asepsis-night-'));
  let count = 0;
  try {
    for (const [name, lines] of Object.entries(files)) {
      const file = join(folder, name);
      await writeFile(file, `${lines.join('\n')}\n`);
      const { alerts } = await alertsOf(rules, file);
      for (const alert of alerts) tallyOf(alert.rule.id).night++;
      count += alerts.length;
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return count;
}

export async function measureRules(dataDir: string): Promise<RuleMeasure> {
  const { rules, refused } = await loadRules([RULES]);
  if (refused.length > 0) throw new Error(`${refused.length} of our own rules are refused`);
  const tallies = new Map<string, Tally>();
  const tallyOf = (id: string): Tally => {
    const tally = tallies.get(id) ?? { right: new Set(), wrong: new Set(), windows: new Set(), night: 0 };
    tallies.set(id, tally);
    return tally;
  };
  const lines = await overLogs(rules, join(dataDir, 'logs', 'crowdsec-hub'), tallyOf);
  lines.push(await overWindows(rules, join(dataDir, 'windows'), tallyOf));
  const night = await overNight(rules, tallyOf);
  const wrong = [...tallies].flatMap(([id, tally]) => [...tally.wrong].map((name) => `${id} on ${name}`));
  lines.push(`an ordinary night of ${NIGHT_LINES} records: ${night} alerts`);
  lines.push(`samples whose own truth says nothing of the kind: ${wrong.length} (${wrong.join('; ')})`);
  return { tallies, lines, wrong: wrong.length, night };
}

/** @param dataDir the folder that holds `logs/` and `windows/` */
export async function conformanceRules(dataDir: string): Promise<{ name: string; ok: boolean; lines: string[] }> {
  const { lines, wrong, night } = await measureRules(dataDir);
  return { name: 'own rules', ok: night <= NIGHT_CEILING && wrong <= WRONG_CEILING, lines };
}
