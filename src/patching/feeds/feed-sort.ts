/** Takes documents of any feed that consists of single JSON documents, and puts each where it belongs. */

import type { Advisory, FeedRef, FeedSet } from '../patching-advisory.ts';
import { readDeviceAdvisory } from '../patching-device.ts';
import { type Faults, isObject, textAt } from '../patching-input.ts';
import { csafFeed, looksLikeCsaf, readCsaf } from './feed-csaf.ts';
import { looksLikeCveRecord, readCveRecord, readEndOfLife } from './feed-cve.ts';
import { looksLikeMsrc, readMsrc, withSupersedence } from './feed-msrc.ts';
import { readOsv } from './feed-osv.ts';
import {
  looksLikeCycloneVex,
  looksLikeOpenVex,
  readCycloneVex,
  readOpenVex,
  type VexDocument,
  type VexSaying,
} from './feed-vex.ts';

export interface FeedSorter {
  /** @param name the document's file, for feeds whose documents do not say what they are about */
  take(value: unknown, name: string): void;
  /** Puts everything into the set and answers the feeds, the first one first. */
  finish(set: FeedSet): { feed: FeedRef; entries: number }[];
}

interface Pile {
  readonly items: Advisory[];
  readonly withdrawn: string[];
  readonly vex: VexSaying[];
  newest: string;
  revision: string;
  entries: number;
}

const isDated = (text: string) => !Number.isNaN(Date.parse(text));

export function createFeedSorter(fileDate: string, faults: Faults): FeedSorter {
  const piles = new Map<string, Pile>();
  const pileOf = (name: string): Pile => {
    const pile = piles.get(name) ?? { items: [], withdrawn: [], vex: [], newest: '', revision: 'unknown', entries: 0 };
    piles.set(name, pile);
    return pile;
  };
  const newer = (pile: Pile, date: string, revision = '') => {
    pile.entries++;
    if (!isDated(date) || (pile.newest !== '' && Date.parse(date) <= Date.parse(pile.newest))) return;
    pile.newest = date;
    if (revision !== '') pile.revision = revision;
  };
  const devices: FeedSet['devices'] = [];
  const decisions: FeedSet['decisions'] = new Map();
  const ends: FeedSet['ends'] = [];
  const supersedes = new Map<string, readonly string[]>();
  const refs = new Map<string, FeedRef>();
  const refOf = (name: string): FeedRef => {
    const pile = pileOf(name);
    const known = refs.get(name);
    if (known) return known;
    const ref: FeedRef =
      pile.newest === ''
        ? { name, version: pile.revision, date: fileDate, dateOf: 'file' }
        : { name, version: pile.revision, date: new Date(pile.newest).toISOString(), dateOf: 'newest advisory' };
    refs.set(name, ref);
    return ref;
  };
  return {
    take(value, name) {
      if (looksLikeCsaf(value)) csaf(value);
      else if (looksLikeOpenVex(value)) vex('OpenVEX', readOpenVex(value, faults));
      else if (looksLikeCycloneVex(value)) vex('CycloneDX VEX', readCycloneVex(value, faults));
      else if (looksLikeMsrc(value)) msrc(value);
      else if (looksLikeCveRecord(value)) {
        const read = readCveRecord(value, faults);
        if (!read) return;
        newer(pileOf('CISA Vulnrichment'), read.changed);
        if (read.points)
          decisions.set(read.cve, {
            ...read.points,
            feed: { name: 'CISA Vulnrichment', version: 'unknown', date: fileDate, dateOf: 'file' },
          });
      } else if (looksLikeEndOfLife(value)) endOfLife(value, name);
      else {
        const answer = readOsv(value, faults);
        if (answer === null) return;
        const pile = pileOf('OSV');
        newer(pile, answer.modified);
        if (answer.kind === 'withdrawn') pile.withdrawn.push(answer.id);
        else pile.items.push(answer.advisory);
      }
    },
    finish(set) {
      if (piles.size === 0) pileOf('OSV');
      for (const [name, pile] of piles) {
        const feed = refOf(name);
        const items = name === 'Microsoft MSRC' ? withSupersedence(pile.items, supersedes) : pile.items;
        if (items.length > 0 || pile.withdrawn.length > 0 || name === 'OSV')
          set.advisories.push({ feed, items, withdrawn: pile.withdrawn });
        for (const saying of pile.vex) set.vex.push({ ...saying, feed });
      }
      for (const [cve, points] of decisions) set.decisions.set(cve, { ...points, feed: refOf('CISA Vulnrichment') });
      for (const one of ends) set.ends.push({ ...one, feed: refOf('End of life') });
      set.devices.push(...devices);
      return [...piles].map(([name, { entries }]) => ({ feed: refOf(name), entries }));
    },
  };

  function csaf(value: unknown): void {
    const read = readCsaf(value, faults);
    if (read === null) return;
    const { name } = csafFeed(read.publisher, read.changed, read.revision, fileDate);
    const device = /^ICSMA-/i.test(read.id) || isDeviceAdvisory(read.advisories);
    const pile = pileOf(/^ICSMA-/i.test(read.id) ? 'CISA ICSMA' : name);
    newer(pile, read.changed, read.revision);
    if (read.withdrawn) {
      pile.withdrawn.push(...read.advisories.map((one) => one.id));
      return;
    }
    if (device) {
      const advisory = readDeviceAdvisory(value, faults);
      if (advisory && advisory.products.length > 0) devices.push(advisory);
    }
    if (!/^ICSMA-/i.test(read.id)) pile.items.push(...read.advisories);
    pile.vex.push(...read.vex);
  }
  function vex(name: string, read: VexDocument): void {
    const pile = pileOf(name);
    newer(pile, read.date);
    pile.vex.push(...read.statements);
    pile.items.push(...read.advisories);
  }
  function msrc(value: Parameters<typeof readMsrc>[0]): void {
    const read = readMsrc(value, faults);
    const pile = pileOf('Microsoft MSRC');
    newer(pile, read.changed, read.id);
    pile.items.push(...read.advisories);
    for (const [kb, olds] of read.supersedes)
      supersedes.set(kb, [...new Set([...(supersedes.get(kb) ?? []), ...olds])]);
  }
  function endOfLife(value: unknown, name: string): void {
    const product = (/([^/\\]+?)\.json(?:\.gz)?$/.exec(name)?.[1] ?? name).toLowerCase().slice(0, 100);
    const rows = readEndOfLife(value, product, faults);
    const pile = pileOf('End of life');
    pile.entries += rows.length;
    const generated = isObject(value) ? textAt(value, 'last_modified') || textAt(value, 'generated_at') : '';
    if (isDated(generated)) pile.newest = generated;
    ends.push(
      ...rows.map((row) => ({
        ...row,
        feed: { name: 'End of life', version: 'unknown', date: fileDate, dateOf: 'file' as const },
      })),
    );
  }
}

/** Advisories of makers that name only products by their names, such as those about medical devices. */
const isDeviceAdvisory = (advisories: readonly Advisory[]) =>
  advisories.length > 0 && advisories.every((one) => one.affected.every(({ key }) => key.startsWith('product\n')));

export function looksLikeEndOfLife(value: unknown): boolean {
  const row = (one: unknown) =>
    isObject(one) && ('eol' in one || 'eolFrom' in one || 'isEol' in one) && ('cycle' in one || 'name' in one);
  if (Array.isArray(value)) return value.length > 0 && value.every(row);
  if (!isObject(value)) return false;
  if (isObject(value.result) && Array.isArray(value.result.releases)) return true;
  if (Array.isArray(value.result)) return value.result.some((one) => isObject(one) && Array.isArray(one.releases));
  const lists = Object.values(value);
  return (
    lists.length > 0 &&
    lists.every((list) => Array.isArray(list) && list.every(row)) &&
    lists.some((list) => (list as unknown[]).length > 0)
  );
}
