/** `npm run conformance -- --data FOLDER`: runs parts of the system over real data from the field and reports how well they do. */

import { parseArgs } from 'node:util';
import { conformanceAgreement } from './conformance-agreement.ts';
import { conformanceBod } from './conformance-bod.ts';
import { conformanceCaptures } from './conformance-captures.ts';
import { conformanceCrowdsec } from './conformance-crowdsec.ts';
import { conformanceDecode } from './conformance-decode.ts';
import { conformanceDevices } from './conformance-devices.ts';
import { conformanceFail2ban } from './conformance-fail2ban.ts';
import { conformanceHardening } from './conformance-hardening.ts';
import { conformanceObservatory } from './conformance-observatory.ts';
import { conformancePerimeter } from './conformance-perimeter.ts';
import { conformanceRules } from './conformance-rules.ts';
import { conformanceSigma } from './conformance-sigma.ts';
import { conformanceVersions } from './conformance-versions.ts';
import { conformanceVex } from './conformance-vex.ts';

interface Verdict {
  readonly name: string;
  readonly ok: boolean;
  readonly lines: string[];
}

const PARTS: readonly ((dataDir: string) => Promise<Verdict>)[] = [
  conformanceSigma,
  conformanceAgreement,
  conformanceCrowdsec,
  conformanceFail2ban,
  conformanceRules,
  conformanceDecode,
  conformanceVersions,
  conformanceDevices,
  conformanceBod,
  conformanceVex,
  conformanceCaptures,
  conformancePerimeter,
  conformanceObservatory,
  conformanceHardening,
];

const { values } = parseArgs({ options: { data: { type: 'string' } } });
if (!values.data) {
  process.stderr.write('Which data? npm run conformance -- --data FOLDER\n');
  process.exit(2);
}
let failed = 0;
for (const part of PARTS) {
  const verdict = await part(values.data);
  process.stdout.write(
    `${verdict.ok ? 'ok  ' : 'FAIL'}  ${verdict.name}\n${verdict.lines.map((line) => `      ${line}\n`).join('')}`,
  );
  if (!verdict.ok) failed++;
}
process.exitCode = failed === 0 ? 0 : 1;
