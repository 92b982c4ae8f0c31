/** What the archive saw for the audit: log-ins that went through, the newest of each account and service. */

import type { ArchiveReader, EventRecord } from '../core/index.ts';
import { type AuditInput, fault, seenEvent } from './audit/index.ts';

/** Longer than an account may be silent before it counts as stale. */
const DAYS = 120;
const DAY_MS = 86_400_000;
const PAGE = 1000;
/** The newest so many log-ins are read; older ones can only make an account look less used than it is, which is said. */
const EVENTS_MAX = 200_000;
/** Authentication in OCSF. The gateway's decisions are of this class too. */
const QUERY = 'class_uid:3002 outcome:success user:*';

/** Adds to the input; answers how many log-ins were read. An exercise sees its own log-ins, and no other audit does. */
export async function joinSeen(
  input: AuditInput,
  archive: Pick<ArchiveReader, 'search'>,
  o: { nowMs: number; exercise: boolean },
): Promise<number> {
  const known = new Set<string>();
  let read = 0;
  let after: string | null = null;
  do {
    const page = await archive.search({
      query: `${QUERY} exercise:${o.exercise}`,
      fromMs: o.nowMs - DAYS * DAY_MS,
      // Clocks of other machines may be a little ahead.
      toMs: o.nowMs + DAY_MS,
      limit: PAGE,
      ...(after !== null && { after }),
    });
    for (const event of page.items) {
      read++;
      for (const row of rowsOf(event)) {
        const key = JSON.stringify([row.ocsf.user, row.ocsf.service ?? row.ocsf.host, row.access]);
        // Newest first: an earlier log-in of the same kind says nothing more.
        if (known.has(key)) continue;
        known.add(key);
        seenEvent(row, input);
      }
    }
    after = page.next;
    if (after !== null && read >= EVENTS_MAX) {
      fault(
        input,
        `log-ins before ${page.items.at(-1)?.time.slice(0, 10)}: only the newest ${EVENTS_MAX} were looked at`,
      );
      return read;
    }
  } while (after !== null);
  return read;
}

/**
 * A log-in counts for where it was; one under a domain also for the domain's account. Whether a password alone opened
 * it is not concluded from a log of sshd: at its usual level the first of two methods is not logged.
 */
function rowsOf(event: EventRecord) {
  const access = { what: event.fields['access.what'], factors: event.fields['access.factors'] };
  const row = { time: event.time, ocsf: event.ocsf, access };
  const domain = String(event.ocsf.user_domain ?? '');
  return domain === '' ? [row] : [row, { ...row, ocsf: { ...event.ocsf, service: domain } }];
}
