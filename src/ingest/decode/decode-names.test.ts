/** Words of a record that are also names of what every object has: they are words like others, in every decoder. */

import { expect, test } from 'vitest';
import { decodeOne } from './decode-testing.ts';

const NAMES = ['constructor', 'toString', '__proto__', 'hasOwnProperty', 'valueOf'];
const RECORDS: readonly ((name: string) => string)[] = [
  (n) => `CEF:0|a|b|c|d|e|${n}|${n}=1.2.3.4 src=1.1.1.1`,
  (n) => `LEEF:1.0|a|b|c|d|${n}=80\tsrc=1.1.1.1`,
  (n) =>
    `<Event><System><Provider Name='${n}'/><EventID>1</EventID><Channel>${n}</Channel></System><EventData><Data Name='${n}'>&${n};</Data></EventData></Event>`,
  (n) => `time=2026-05-20T12:00:00Z level=info msg="x" proto=${n} src=1.1.1.1 dst=2.2.2.2 action=${n}`,
  (n) => `type=${n} msg=audit(1779278400.123:456): pid=1 uid=0 auid=1`,
  (n) => `{"event":{"category":"${n}","action":"${n}"},"@timestamp":"2026-05-20T12:00:00Z","ecs":{"version":"8"}}`,
  (n) => `{"EventID":"4624","Channel":"${n}","SourceName":"${n}","Hostname":"h"}`,
  (n) => `[Wed May 20 12:00:00.1 2026] [core:${n}] [pid 1] [client 1.2.3.4:5] x`,
  (n) => `2026/05/20 12:00:00 [${n}] 1#1: *1 x`,
];

test.each(NAMES)('%s', (name) => {
  for (const record of RECORDS) {
    const { norm, logsource, fields, severity, format } = decodeOne(record(name)) as unknown as Record<string, object>;
    const values = [...Object.entries(norm ?? {}), ...Object.entries(logsource ?? {})];
    for (const [key, value] of values) {
      expect(key, record(name)).toMatch(/^[a-z_]+$/);
      expect(['string', 'number', 'undefined'], `${record(name)} ${key}`).toContain(typeof value);
    }
    expect(JSON.stringify([format, fields, severity]), record(name)).not.toMatch(/native code|\[object/);
  }
});
