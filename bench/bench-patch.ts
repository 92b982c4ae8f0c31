/** Matching at a large hospital group's size: 50,000 hosts × 1,500 packages drawn from 40,000, against 300,000 advisories. */

import { parseArgs } from 'node:util';
import { type Advisory, emptyFeedSet, type FeedRef, type FeedSet } from '../src/patching/patching-advisory.ts';
import { judgePackage, type Verdict } from '../src/patching/patching-judge.ts';
import { createMatcher } from '../src/patching/patching-matcher.ts';
import { type Package, packageKey } from '../src/patching/patching-package.ts';
import { weighPackage } from '../src/patching/patching-weigh.ts';

const { values } = parseArgs({
  options: {
    hosts: { type: 'string', default: '50000' },
    advisories: { type: 'string', default: '300000' },
    json: { type: 'boolean' },
  },
});
const HOSTS = Number(values.hosts);
const ADVISORIES = Number(values.advisories);
const UNIQUE = 40_000;
const PER_HOST = 1_500;
const DELTA = 500;
const NOW = Date.UTC(2026, 0, 1);

/** The same numbers in every run (xorshift32). */
let seed = 0x9e37_79b9;
function random(below: number): number {
  seed ^= seed << 13;
  seed ^= seed >>> 17;
  seed ^= seed << 5;
  return (seed >>> 0) % below;
}
const version = () => `${random(3)}:${random(20)}.${random(30)}.${random(10)}-${random(9)}+deb12u${random(5)}`;
const feed: FeedRef = { name: 'Bench', version: '1', date: new Date(NOW).toISOString(), dateOf: 'feed' };
const lists: FeedSet = emptyFeedSet();

const packages: Package[] = Array.from({ length: UNIQUE }, (_, i) => ({
  scheme: 'deb',
  ecosystem: `debian:${11 + (i % 3)}`,
  name: `package-${i >> 1}`,
  version: version(),
}));
const advisory = (i: number): Advisory => {
  // Half of what a feed says is about packages that nobody here has.
  const name = `package-${random(UNIQUE)}`;
  const id = `CVE-2026-${100_000 + i}`;
  const affected = [11, 12, 13].map((release) => ({
    key: packageKey(`debian:${release}`, name),
    range: version(),
  }));
  return { id, names: [id], summary: '', severity: null, published: null, affected };
};
const advisories = Array.from({ length: ADVISORIES }, (_, i) => advisory(i));
/** All hosts' sets of package numbers, one after the other. */
const hosts = new Uint16Array(HOSTS * PER_HOST);
for (let i = 0; i < hosts.length; i++) hosts[i] = random(UNIQUE);
const baseBytes = process.memoryUsage().rss;

const cpuBefore = process.cpuUsage();
let started = performance.now();
const took = () => {
  const ms = performance.now() - started;
  started = performance.now();
  return Math.round(ms * 10) / 10;
};
const matcher = createMatcher();
started = performance.now();
matcher.apply({ feed, items: advisories, withdrawn: [] });
const loadMs = took();
for (const item of packages) matcher.intern(item);
const matchMs = took();
const judged = (id: number) => judgePackage(weighPackage(matcher, id, lists), { now: NOW });
const verdicts: Verdict[][] = packages.map((_, id) => judged(id));
const judgeMs = took();
let findings = 0;
/** How many findings each host has: its packages' verdicts are the same objects for all hosts. */
const perPackage = Uint8Array.from(verdicts, (one) => one.length);
const perHost = new Uint32Array(HOSTS);
for (let i = 0; i < hosts.length; i++) {
  const count = perPackage[hosts[i] as number] as number;
  findings += count;
  perHost[(i / PER_HOST) | 0] = (perHost[(i / PER_HOST) | 0] as number) + count;
}
const hostsMs = took();
const cpu = process.cpuUsage(cpuBefore);
const rssBytes = process.memoryUsage().rss;

const changes = Array.from({ length: DELTA }, (_, i) => advisory(i * 7));
started = performance.now();
const changed = matcher.apply({ feed, items: changes, withdrawn: [] });
for (const id of changed) verdicts[id] = judged(id);
const deltaMs = took();

const inventory: Package[] = Array.from({ length: PER_HOST }, (_, i) =>
  i % 10 === 0 ? { ...(packages[i] as Package), version: version() } : (packages[random(UNIQUE)] as Package),
);
const hostCpu = process.cpuUsage();
started = performance.now();
for (const item of inventory) {
  const id = matcher.intern(item);
  verdicts[id] ??= judged(id);
}
const hostMs = took();
const hostUsed = process.cpuUsage(hostCpu);

process.stdout.write(
  `${JSON.stringify({
    bench: 'patch',
    hosts: HOSTS,
    packages_per_host: PER_HOST,
    unique: UNIQUE,
    advisories: ADVISORIES,
    full_ms: Math.round(loadMs + matchMs + judgeMs + hostsMs),
    load_ms: loadMs,
    match_ms: matchMs,
    judge_ms: judgeMs,
    hosts_ms: hostsMs,
    findings,
    full_cpu_ms: Math.round((cpu.user + cpu.system) / 1000),
    delta_advisories: DELTA,
    delta_packages: changed.size,
    delta_ms: deltaMs,
    one_host_ms: hostMs,
    one_host_cpu_ms: Math.round((hostUsed.user + hostUsed.system) / 100) / 10,
    rss_mb: Math.round(rssBytes / 1048576),
    peak_rss_mb: Math.round(process.resourceUsage().maxRSS / 1024),
    rss_of_input_mb: Math.round(baseBytes / 1048576),
  })}\n`,
);
