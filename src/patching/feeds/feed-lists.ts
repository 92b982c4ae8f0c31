/** Lists about vulnerabilities: CISA's known exploited ones (JSON), and EPSS, how likely exploitation is (CSV). */

import type { FeedRef, KnownExploited, Likelihood } from '../patching-advisory.ts';
import { type Faults, isObject, textAt } from '../patching-input.ts';
import { jsonPieces } from '../patching-json-items.ts';

const isCve = (text: string) => text.length <= 32 && /^CVE-[0-9]{4}-[0-9]{4,19}$/.test(text);
const isDay = (text: string) => /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(text) && !Number.isNaN(Date.parse(text));
const EPSS_ROWS_MAX = 2_000_000;

export async function readKev(
  chunks: AsyncIterable<Uint8Array>,
  fileDate: string,
  faults: Faults,
): Promise<{ feed: FeedRef; exploited: Map<string, KnownExploited> }> {
  const rows: { cve: string; added: string; due: string | null; ransomware: boolean }[] = [];
  let version = '';
  let released = '';
  for await (const piece of jsonPieces(chunks)) {
    if (piece.kind === 'fault') faults.add(piece.what);
    else if (piece.key === 'catalogVersion') version = String(piece.value).slice(0, 64);
    else if (piece.key === 'dateReleased') released = String(piece.value).slice(0, 40);
    else if (piece.key === 'vulnerabilities') {
      const row = isObject(piece.value) ? piece.value : {};
      const cve = textAt(row, 'cveID');
      const added = textAt(row, 'dateAdded');
      if (!isCve(cve) || !isDay(added)) faults.add('A row that is no known exploited vulnerability');
      else {
        const due = textAt(row, 'dueDate');
        rows.push({
          cve,
          added,
          due: isDay(due) ? due : null,
          ransomware: textAt(row, 'knownRansomwareCampaignUse') === 'Known',
        });
      }
    }
  }
  const dated = !Number.isNaN(Date.parse(released));
  const feed: FeedRef = {
    name: 'CISA KEV',
    version: version || 'unknown',
    date: dated ? new Date(released).toISOString() : fileDate,
    dateOf: dated ? 'feed' : 'file',
  };
  return { feed, exploited: new Map(rows.map(({ cve, ...row }) => [cve, { ...row, feed }])) };
}

/** `#model_version:…,score_date:…`, `cve,epss,percentile`, rows. */
export async function readEpss(
  lines: AsyncIterable<string>,
  fileDate: string,
  faults: Faults,
): Promise<{ feed: FeedRef; likelihood: Map<string, Likelihood> }> {
  let feed: FeedRef = { name: 'EPSS', version: 'unknown', date: fileDate, dateOf: 'file' };
  const scores = new Map<string, number>();
  for await (const line of lines) {
    if (line.startsWith('#')) {
      const version = /model_version:([^,]{1,64})/.exec(line.slice(0, 500))?.[1];
      const date = /score_date:([^,]{1,40})/.exec(line.slice(0, 500))?.[1] ?? '';
      const ms = Date.parse(date.replace(/\+0000$/, 'Z'));
      if (version !== undefined) feed = { ...feed, version };
      if (!Number.isNaN(ms)) feed = { ...feed, date: new Date(ms).toISOString(), dateOf: 'feed' };
      continue;
    }
    const [cve = '', text = ''] = line.split(',', 3);
    if (cve === 'cve' || line.trim() === '') continue;
    const score = text.trim() === '' ? Number.NaN : Number(text);
    if (!isCve(cve) || !(score >= 0 && score <= 1)) faults.add('A row that is no EPSS score');
    else if (scores.size < EPSS_ROWS_MAX) scores.set(cve, score);
    else faults.add('More EPSS rows than can be held');
  }
  return { feed, likelihood: new Map([...scores].map(([cve, score]) => [cve, { score, feed }])) };
}
