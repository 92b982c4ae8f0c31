/** How far a team reacts: serious incidents of the last month that somebody took up within the hour. */

import { allRecords, type Clock, type Coverage, coverageOf, firstStepOf, rfc3339, type Store } from '../core/index.ts';

const MONTH_MS = 30 * 86_400_000;
const REACT_MS = 3_600_000;
const INCIDENTS_MAX = 10_000;

export async function teamCoverage(store: Store, clock: Clock): Promise<Coverage> {
  const now = clock.now();
  const since = rfc3339(now - MONTH_MS);
  let inTime = 0;
  let late = 0;
  let young = 0;
  let read = 0;
  for await (const incident of allRecords((page) => store.incidents.list({}, page))) {
    if (++read > INCIDENTS_MAX) break;
    // Its alerts count where they are now.
    if (incident.merged_into !== undefined) continue;
    if (incident.opened < since || (incident.severity !== 'critical' && incident.severity !== 'high')) continue;
    const opened = Date.parse(incident.opened);
    if (incident.acknowledged_at !== undefined) {
      if (Date.parse(incident.acknowledged_at) - opened <= REACT_MS) inTime++;
      else late++;
    } else if (now - opened > REACT_MS) late++;
    else young++;
  }
  const people = (await store.people.list()).filter((person) => !person.disabled && person.role !== 'viewer');
  const all = inTime + late + young;
  const measured = coverageOf('team', {
    unit: 'serious incidents of the last 30 days',
    covered: inTime,
    notCovered: late,
    unknown: young,
    measuredAt: all > 0 ? rfc3339(now) : null,
    sentence: `${inTime} of ${all} serious incidents were taken up within an hour; ${people.length} people can work on them.`,
    next: nextStep(people.length),
    evidence: [{ label: 'Incidents', href: '/incidents', count: all }],
  });
  return all > 0
    ? measured
    : { ...measured, sentence: `No serious incident yet; ${people.length} people could work on one.` };
}

function nextStep(people: number): Coverage['next'] {
  const { title, command } = firstStepOf('team');
  return people < 2
    ? { title, command: `${command} --role analyst` }
    : { title: 'Rehearse an incident with the team.', command: 'asepsis rehearse' };
}
