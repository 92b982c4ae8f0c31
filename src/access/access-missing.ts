/** Coverage by service and who is missing, from the accounts that the store knows: external and privileged ones first. */

import type { Account, Store } from '../core/index.ts';

const PAGE = 500;
/** Beyond this many accounts the answer says that it is not whole; the audit on the command line has no such end. */
const ACCOUNTS_MAX = 20_000;
const MISSING_MAX = 500;
const CACHE_MS = 30_000;

export interface ServiceCoverage {
  readonly service: string;
  readonly external: boolean;
  accounts: number;
  enforced: number;
  registered: number;
  bypassed: number;
  none: number;
  unknown: number;
}

export interface MissingView {
  readonly services: readonly ServiceCoverage[];
  readonly missing: readonly Account[];
  readonly missingCount: number;
  readonly whole: boolean;
}

const rank = (account: Account): number => (account.privileged ? 0 : 2) + (account.external ? 0 : 1);

export function createMissing(store: Store, clock: { now(): number }, exercise: boolean) {
  let cached: { atMs: number; view: MissingView } | null = null;
  return async (): Promise<MissingView> => {
    if (cached !== null && clock.now() - cached.atMs < CACHE_MS) return cached.view;
    const services = new Map<string, ServiceCoverage>();
    const missing: Account[] = [];
    let after: string | null = null;
    let seen = 0;
    do {
      const page = await store.accounts.list({ exercise }, after === null ? { limit: PAGE } : { limit: PAGE, after });
      for (const account of page.items) {
        const one = services.get(account.service) ?? {
          service: account.service,
          external: account.external === true,
          accounts: 0,
          enforced: 0,
          registered: 0,
          bypassed: 0,
          none: 0,
          unknown: 0,
        };
        services.set(account.service, one);
        one.accounts++;
        one[account.second_factor]++;
        if (account.second_factor !== 'enforced' && account.second_factor !== 'unknown') missing.push(account);
      }
      seen += page.items.length;
      after = page.next;
    } while (after !== null && seen < ACCOUNTS_MAX);
    const bad = (one: ServiceCoverage) => one.none + one.bypassed + one.registered;
    const view: MissingView = {
      services: [...services.values()].sort(
        (a, b) => Number(b.external) - Number(a.external) || bad(b) - bad(a) || a.service.localeCompare(b.service),
      ),
      missing: missing.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name)).slice(0, MISSING_MAX),
      missingCount: missing.length,
      whole: after === null,
    };
    cached = { atMs: clock.now(), view };
    return view;
  };
}
