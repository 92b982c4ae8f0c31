/** CISA BOD 26-04: our table against the one that CERT/CC publishes, row by row. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bodOutcome } from '../src/patching/policy/index.ts';

export async function conformanceBod(dataDir: string): Promise<{ name: string; ok: boolean; lines: string[] }> {
  const path = join(dataDir, 'advisories', 'ssvc', 'bod-26-04.json');
  const { rows } = JSON.parse(await readFile(path, 'utf8')) as { rows: [string, string, string, string, string][] };
  const wrong = rows.filter(
    ([kev, exposed, automatable, impact, outcome]) =>
      bodOutcome({
        kev: kev === 'Y',
        exposed: exposed === 'Y',
        automatable: automatable === 'Y',
        total: impact === 'T',
      }) !== outcome,
  );
  return {
    name: 'CISA BOD 26-04',
    ok: rows.length === 16 && wrong.length === 0,
    lines: [`${rows.length - wrong.length} of ${rows.length} rows`, ...wrong.map((row) => row.join(' '))],
  };
}
