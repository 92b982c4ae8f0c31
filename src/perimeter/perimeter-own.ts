/** Our own scans are announced, so that what detection says about them is known to be us. */

import type { Alert, Clock, RecordStore } from '../core/index.ts';
import type { OwnScan } from './perimeter-run.ts';
import { COLLECTION } from './perimeter-service.ts';

/** What a scan looks like to rules: discovery, reconnaissance, probing of what faces outside, one refused log-in. */
const LOOKS_LIKE =
  /^attack\.(reconnaissance|discovery|initial[-_]access|t1046|t1595(\.\d+)?|t1190|t1018|t1592(\.\d+)?)$/i;
const SKEW_MS = 60_000;

/** An alert about a scan, with our scanner as the attacker, while it ran. Anybody else's is none. */
export function isOwnScan(alert: Alert, scans: readonly OwnScan[]): boolean {
  if (!alert.rule.tags.some((tag) => LOOKS_LIKE.test(tag))) return false;
  const attackers = alert.entities.filter(({ type, role }) => type === 'address' && role === 'attacker');
  if (attackers.length === 0) return false;
  const at = Date.parse(alert.time);
  return attackers.every(({ value }) =>
    scans.some(
      ({ addresses, fromMs, untilMs }) =>
        addresses.includes(value) && at >= fromMs - SKEW_MS && at <= untilMs + SKEW_MS,
    ),
  );
}

const KEPT = 50;

/** Takes alerts about our own scans out, and says how many there were. */
export async function withoutOwnScans(
  records: RecordStore,
  clock: Clock,
  alerts: readonly Alert[],
): Promise<{ alerts: readonly Alert[]; own: number }> {
  if (alerts.length === 0) return { alerts, own: 0 };
  const page = await records.list(COLLECTION.own, { to: clock.now() + SKEW_MS }, { limit: KEPT }, true);
  const scans = page.items.map(({ doc }) => doc as OwnScan);
  const left = scans.length === 0 ? alerts : alerts.filter((alert) => !isOwnScan(alert, scans));
  return { alerts: left, own: alerts.length - left.length };
}
