/** End of support: releases of operating systems and products whose maker gives no more updates. */

import { type FindingObservation, LIMITS, rfc3339 } from '../core/index.ts';
import type { EndOfLife } from './patching-advisory.ts';
import { ecosystemKey, type SoftwareRecord } from './patching-package.ts';
import { windowsName } from './patching-windows.ts';

const DAY_MS = 86_400_000;
/** What endoflife.date calls the systems that inventories name. */
const SYSTEMS: Readonly<Record<string, string>> = {
  debian: 'debian',
  ubuntu: 'ubuntu',
  alpine: 'alpine',
  'red hat': 'rhel',
  'rocky linux': 'rocky-linux',
  almalinux: 'almalinux',
  centos: 'centos',
  fedora: 'fedora',
  oracle: 'oracle-linux',
  amazon: 'amazon-linux',
  suse: 'sles',
  'opensuse leap': 'opensuse',
};
/** Builds of Windows by the cycles that endoflife.date has: "10-22h2", "11-23h2-w", "2019". */
const WINDOWS: Readonly<Record<string, readonly [product: string, cycles: readonly string[]]>> = {
  'client:7601': ['windows', ['7-sp1', '7']],
  'client:9600': ['windows', ['8.1']],
  'client:10240': ['windows', ['10-1507']],
  'client:14393': ['windows', ['10-1607']],
  'client:17763': ['windows', ['10-1809']],
  'client:18363': ['windows', ['10-1909']],
  'client:19041': ['windows', ['10-2004']],
  'client:19042': ['windows', ['10-20h2']],
  'client:19043': ['windows', ['10-21h1']],
  'client:19044': ['windows', ['10-21h2']],
  'client:19045': ['windows', ['10-22h2']],
  'client:22000': ['windows', ['11-21h2-w', '11-21h2']],
  'client:22621': ['windows', ['11-22h2-w', '11-22h2']],
  'client:22631': ['windows', ['11-23h2-w', '11-23h2']],
  'client:26100': ['windows', ['11-24h2-w', '11-24h2']],
  'server:6003': ['windows-server', ['2008-sp2', '2008']],
  'server:7601': ['windows-server', ['2008-r2-sp1', '2008-r2']],
  'server:9200': ['windows-server', ['2012']],
  'server:9600': ['windows-server', ['2012-r2']],
  'server:14393': ['windows-server', ['2016']],
  'server:17763': ['windows-server', ['2019']],
  'server:20348': ['windows-server', ['2022']],
  'server:25398': ['windows-server', ['23h2']],
  'server:26100': ['windows-server', ['2025']],
};

export interface EndIndex {
  find(product: string, cycles: readonly string[]): EndOfLife | null;
}

export function createEndIndex(ends: readonly EndOfLife[]): EndIndex {
  const rows = new Map(ends.map((one) => [`${one.product}\n${one.cycle.toLowerCase()}`, one]));
  return {
    find: (product, cycles) => {
      for (const cycle of cycles) {
        const row = rows.get(`${product}\n${cycle}`);
        if (row) return row;
      }
      return null;
    },
  };
}

/** "10.15.7" → "10.15.7", "10.15", "10". */
const cyclesOf = (version: string) => {
  const parts = version.split('.').slice(0, 3);
  return parts.map((_, i) => parts.slice(0, parts.length - i).join('.'));
};

function endOf(one: SoftwareRecord, index: EndIndex): EndOfLife | null {
  if (one.ecosystem === 'windows') {
    const row = WINDOWS[windowsName(one.name, one.version) ?? ''];
    return row ? index.find(row[0], row[1]) : null;
  }
  if (one.ecosystem === 'macos') return index.find('macos', cyclesOf(one.version));
  if (['product', 'windows-program', 'macos-app'].includes(one.ecosystem))
    return index.find(
      one.name
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, '-')
        .replace(/^-|-$/g, ''),
      cyclesOf(one.version),
    );
  return null;
}

/** One finding for each release on the asset whose support is over. */
export function endFindings(
  asset: { name: string },
  release: string | undefined,
  software: readonly SoftwareRecord[],
  index: EndIndex,
  now: number,
  days: number | null,
): FindingObservation[] {
  const found = new Map<string, EndOfLife>();
  const [system = '', cycle = ''] = release === undefined ? [] : ecosystemKey(release).split(':');
  const name = Object.hasOwn(SYSTEMS, system) ? SYSTEMS[system] : undefined;
  const own = name === undefined || cycle === '' ? null : index.find(name, cyclesOf(cycle));
  if (own) found.set(`${own.product}\n${own.cycle}`, own);
  for (const one of software) {
    const end = endOf(one, index);
    if (end) found.set(`${end.product}\n${end.cycle}`, end);
  }
  return [...found.values()].filter((end) => isOver(end, now)).map((end) => endFinding(asset, end, now, days));
}

const isOver = (end: EndOfLife, now: number) => end.over || (end.day !== null && Date.parse(end.day) < now);

function endFinding(asset: { name: string }, end: EndOfLife, now: number, days: number | null): FindingObservation {
  const since = end.day === null ? '' : ` since ${end.day}`;
  return {
    room: 'patching',
    kind: 'end-of-life',
    key: `${end.product}/${end.cycle}`,
    severity: 'high',
    asset,
    title: `${end.product} ${end.cycle} on ${asset.name} gets no more security updates${since}`.slice(
      0,
      LIMITS.nameCharsMax,
    ),
    detail: `New vulnerabilities stay open on it. ${days === null ? 'No deadline applies.' : `Due: ${days} days after it was first seen (local policy).`}`,
    evidence: [
      {
        what: `${end.feed.name} says that support of ${end.product} ${end.cycle} ${end.day === null ? 'is over' : `ended on ${end.day}`}`,
        seen: rfc3339(now),
        data: {
          product: end.product,
          cycle: end.cycle,
          ...(end.day === null ? {} : { end: end.day }),
          feed: end.feed.name,
          feed_version: end.feed.version,
          feed_date: end.feed.date,
          feed_date_of: end.feed.dateOf,
        },
      },
    ],
    fix: {
      title: `Replace or isolate ${end.product} ${end.cycle}`.slice(0, LIMITS.nameCharsMax),
      how: 'Move to a release that is supported. Where that cannot be (a medical device), isolate it on its own network segment and write the exception down.',
      effort: 'days',
      disrupts: true,
    },
    due: days === null ? null : rfc3339(now + days * DAY_MS),
    exercise: false,
  };
}
