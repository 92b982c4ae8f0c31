/** Every page of a real desk in Chromium while the rehearsal goes on: until the largest thing is painted and nothing loads any more. */

import { cpus, loadavg } from 'node:os';
import type { Page } from 'playwright-core';
import { PAGES } from '../src/console/app-pages.ts';
import { openBrowser } from '../test/harness/browser.ts';
import { enrol, newDataDir, startDesk } from '../test/harness/desk.ts';

/** Longer than any page may take: what comes after it would be counted as not there. */
const SETTLE_MS = 2500;
const ROUNDS = 3;

interface Load {
  readonly paintedMs: number;
  readonly loadedMs: number;
}

async function load(page: Page, url: string): Promise<Load> {
  await page.goto(url);
  await page.waitForTimeout(SETTLE_MS);
  return page.evaluate(async () => {
    const painted = await new Promise<number>((resolve) => {
      const observer = new PerformanceObserver((list) => resolve(list.getEntries().at(-1)?.startTime ?? 0));
      observer.observe({ type: 'largest-contentful-paint', buffered: true });
      setTimeout(() => resolve(0), 500);
    });
    // What is asked for again while the page is open, and the stream of news, is not part of its loading.
    const resources = performance.getEntriesByType('resource') as PerformanceResourceTiming[];
    const first = new Map<string, number>();
    for (const { name, responseEnd } of resources) if (!first.has(name)) first.set(name, responseEnd);
    return { paintedMs: Math.round(painted), loadedMs: Math.round(Math.max(painted, ...first.values())) };
  });
}

const median = (list: number[]): number => list.sort((a, b) => a - b)[list.length >> 1] ?? 0;

const folder = await newDataDir();
const desk = await startDesk(folder.path, { verb: ['rehearse', '--speed', '6', '--rate', '30'] });
const person = await enrol(desk);
const browser = await openBrowser();
const cookies = person.cookie.split('; ').map((pair) => {
  const equals = pair.indexOf('=');
  return { name: pair.slice(0, equals), value: pair.slice(equals + 1), url: desk.origin };
});
try {
  await new Promise((resolve) => setTimeout(resolve, 20_000));
  const cold: Load[] = [];
  const pages = new Map<string, Load[]>();
  for (let round = 0; round < ROUNDS; round++) {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    await context.addCookies(cookies);
    const page = await context.newPage();
    cold.push(await load(page, `${desk.origin}/`));
    for (const { to } of PAGES) pages.set(to, [...(pages.get(to) ?? []), await load(page, `${desk.origin}${to}`)]);
    await context.close();
  }
  const middle = (loads: readonly Load[]) => ({
    painted_ms: median(loads.map(({ paintedMs }) => paintedMs)),
    loaded_ms: median(loads.map(({ loadedMs }) => loadedMs)),
  });
  console.log(
    JSON.stringify({
      bench: 'pages',
      cpu: cpus()[0]?.model,
      load: loadavg()[0],
      node: process.version,
      cold_overview: middle(cold),
      pages: Object.fromEntries([...pages].map(([to, loads]) => [to, middle(loads)])),
    }),
  );
} finally {
  await browser.close();
  await desk.stop();
  await folder.remove();
}
