/** A CycloneDX file of 200 MB (and its XML twin) read in a stream: how long, and how much memory at most. */

import { createWriteStream, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readInventory } from '../src/patching/inventories/index.ts';

const { values } = parseArgs({
  options: { megabytes: { type: 'string', default: '200' }, xml: { type: 'boolean' }, json: { type: 'boolean' } },
});
const BYTES = Number(values.megabytes) * 1048576;
const folder = mkdtempSync(join(tmpdir(), 'asepsis-bench-sbom-'));
const path = join(folder, values.xml ? 'bom.xml' : 'bom.json');

async function write(): Promise<number> {
  const out = createWriteStream(path);
  const put = (text: string) => new Promise<void>((resolve) => out.write(text, () => resolve()));
  const filler = 'x'.repeat(700);
  let written = 0;
  let components = 0;
  await put(
    values.xml
      ? '<bom xmlns="http://cyclonedx.org/schema/bom/1.5"><components>'
      : '{"bomFormat":"CycloneDX","specVersion":"1.5","components":[',
  );
  while (written < BYTES) {
    let text = '';
    for (let i = 0; i < 500; i++, components++) {
      const purl = `pkg:npm/package-${components % 50_000}@${components % 7}.${components % 13}.0`;
      text += values.xml
        ? `<component type="library"><name>package-${components}</name><version>1</version><description>${filler}</description><purl>${purl}</purl></component>`
        : `${components === 0 ? '' : ','}{"type":"library","name":"package-${components}","version":"1","description":"${filler}","purl":"${purl}"}`;
    }
    written += text.length;
    await put(text);
  }
  await put(values.xml ? '</components></bom>' : ']}');
  await new Promise<void>((resolve) => out.end(() => resolve()));
  return components;
}

try {
  const components = await write();
  const before = process.cpuUsage();
  const started = performance.now();
  const inventory = await readInventory(path, { asset: 'bench' });
  const cpu = process.cpuUsage(before);
  process.stdout.write(
    `${JSON.stringify({
      bench: 'sbom',
      format: inventory.format,
      megabytes: Math.round(statSync(path).size / 1048576),
      components,
      packages: inventory.hosts.get('bench')?.length ?? 0,
      wall_ms: Math.round(performance.now() - started),
      cpu_ms: Math.round((cpu.user + cpu.system) / 1000),
      peak_rss_mb: Math.round(process.resourceUsage().maxRSS / 1024),
    })}\n`,
  );
} finally {
  rmSync(folder, { recursive: true });
}
