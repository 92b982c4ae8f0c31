/** How far a team reacts: serious incidents of the last month that somebody took up within the hour. */

import { type Clock, type Coverage, RECOMMENDATIONS, rfc3339, type Store } from '../core/index.ts';

const MONTH_MS = 30 * 86_400_000;
const REACT_MS = 3_600_000;
const PAGES_MAX = 20;

export async function teamCoverage(store: Store, clock: Clock): Promise<Coverage> {
  const now = clock.now();
  const since = rfc3339(now - MONTH_MS);
  let inTime = 0;
  let late = 0;
  let young = 0;
  let after: string | undefined;
  for (let page = 0; page < PAGES_MAX; page++) {
    const { items, next } = await store.incidents.list(
      {},
      after === undefined ? { limit: 500 } : { limit: 500, after },
    );
    for (const incident of items) {
      if (incident.opened < since || (incident.severity !== 'critical' && incident.severity !== 'high')) continue;
      const opened = Date.parse(incident.opened);
      if (incident.acknowledged_at !== undefined) {
        if (Date.parse(incident.acknowledged_at) - opened <= REACT_MS) inTime++;
        else late++;
      } else if (now - opened > REACT_MS) late++;
      else young++;
    }
    if (next === null) break;
    after = next;
  }
  const people = (await store.people.list()).filter((person) => !person.disabled && person.role !== 'viewer');
  const all = inTime + late + young;
  const measured = all > 0;
  const { firstStep, command } = RECOMMENDATIONS.team;
  return {
    room: 'team',
    state: measured ? 'measured' : 'no-evidence',
    unit: 'serious incidents of the last 30 days',
    in_scope: all,
    covered: inTime,
    not_covered: late,
    unknown: young,
    measured_at: measured ? rfc3339(now) : null,
    sentence: measured
      ? `${inTime} of ${all} serious incidents were taken up within an hour; ${people.length} people can work on them.`
      : `No serious incident yet; ${people.length} people could work on one.`,
    next:
      people.length < 2
        ? { title: firstStep, command: `${command} --role analyst` }
        : { title: 'Rehearse an incident with the team.', command: 'asepsis rehearse' },
    evidence: [{ label: 'Incidents', href: '/incidents', count: all }],
  };
}
