/** `asepsis perimeter harden`: this machine, a folder with copies of a server's files, or exports of a Windows server. */

import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import { EXIT, publicFinding, SEVERITY_SHAPE, severityRank, type Terminal } from '../../core/index.ts';
import { passingFinding } from '../perimeter-passing.ts';
import { collectFolder } from './hardening-collect.ts';
import { CHECKS, hardeningFindings, judgeServer, scoreOf, windowsFindings } from './hardening-judge.ts';
import { changeScript } from './hardening-script.ts';
import { judgeAuditpol, judgeRegistry, parseRegistry } from './hardening-windows.ts';
import { auditScript, registryScript } from './hardening-windows-script.ts';

interface Options {
  root: string;
  name?: string;
  script?: string;
  registry?: string;
  auditpol?: string;
  json?: boolean;
}

const clean = (text: string): string => text.replace(/(?!\n)\p{Cc}/gu, '?');

/** The script of one Windows setting that an export shows to be wrong. */
function windowsScript(id: string, o: Options): string {
  const registry = o.registry === undefined ? null : parseRegistry(readFileSync(o.registry));
  const setting = registry && judgeRegistry(registry).find(({ check }) => check.id === id);
  if (registry && setting?.state === 'bad') return registryScript(setting.check, registry);
  const policy =
    o.auditpol === undefined ? undefined : judgeAuditpol(readFileSync(o.auditpol, 'utf8')).find((row) => row.id === id);
  if (policy?.state === 'bad') return auditScript(policy);
  const state = setting?.state ?? policy?.state;
  throw new InvalidArgumentError(
    state === undefined
      ? `${id} is judged from an export: add --registry FILE or --auditpol FILE.`
      : `${id} offers no change: it is ${state}.`,
  );
}

function harden(o: Options, terminal: Terminal): void {
  const name = o.name ?? (o.root === '/' ? hostname() : 'server');
  const nowMs = Date.now();
  const windows = o.registry !== undefined || o.auditpol !== undefined;
  const evidence = collectFolder(o.root);
  if (o.script?.startsWith('windows-')) {
    terminal.out(windowsScript(o.script, o));
    return;
  }
  if (o.script !== undefined) {
    const check = CHECKS.find(({ id }) => id === o.script);
    if (!check) throw new InvalidArgumentError(`There is no check ${o.script}.`);
    const verdict = check.judge(evidence);
    if (verdict.state !== 'bad' || verdict.changes.length === 0)
      throw new InvalidArgumentError(`${check.id} offers no change: it is ${verdict.state}.`);
    terminal.out(changeScript(check, verdict.changes, evidence));
    return;
  }
  const judgements = windows ? [] : judgeServer(evidence);
  const exported = windows
    ? windowsFindings(
        {
          ...(o.registry === undefined ? {} : { registry: readFileSync(o.registry) }),
          ...(o.auditpol === undefined ? {} : { auditpol: readFileSync(o.auditpol, 'utf8') }),
        },
        { name },
        nowMs,
      )
    : null;
  const observations = exported?.findings ?? hardeningFindings(judgements, evidence, { name }, nowMs);
  for (const finding of observations
    .map(passingFinding)
    .toSorted((a, b) => severityRank(a.severity) - severityRank(b.severity)))
    terminal.out(
      o.json
        ? `${JSON.stringify(publicFinding(finding))}\n`
        : clean(
            `${SEVERITY_SHAPE[finding.severity]} ${finding.severity.padEnd(11)} ${finding.title}\n    ${finding.evidence[0]?.what}\n    ${finding.detail}\n    → ${finding.fix.how.replaceAll('\n', '\n      ')}\n`,
          ),
    );
  for (const { category, good, bad, unknown } of scoreOf(judgements))
    terminal.say(
      `${category.padEnd(10)} ${good} of ${good + bad + unknown} good${unknown > 0 ? `, ${unknown} unknown` : ''}`,
    );
  if (exported)
    terminal.say(`${exported.good} good, ${exported.findings.length} not, ${exported.unknown} not in the export.`);
  process.exitCode = observations.length > 0 ? EXIT.findings : EXIT.clean;
}

/** Adds `harden` below `perimeter`. */
export function hardeningCommands(parent: Command, terminal: Terminal): void {
  parent
    .command('harden')
    .description('compares a server’s configuration with CIS, BSI, ANSSI and DISA, and offers each change as a script')
    .option('--root <folder>', 'a folder with copies of the server’s files under their own paths', '/')
    .option('--name <host>', 'the name of the server')
    .option('--script <check>', 'prints the change of this check as a script that can undo itself')
    .option('--registry <file>', 'a registry export (.reg) of a Windows server')
    .option('--auditpol <file>', 'the answer of auditpol /get /category:* /r')
    .option('--json', 'one finding a line')
    .action((o: Options) => harden(o, terminal));
}
