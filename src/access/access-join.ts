/** What this installation itself knows for the audit: the perimeter's log-in pages with a password only, and the gateway's accounts. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Store } from '../core/index.ts';
import { type AuditInput, account } from './audit/index.ts';
import { gatewayFile, loadGatewayConfig, readAccounts } from './gateway/index.ts';

const PAGE = 500;
const PAGES_MAX = 20;

/** Adds to the input; what is not there adds nothing. */
export async function joinOwn(input: AuditInput, store: Store, dataDir: string): Promise<void> {
  const file = gatewayFile(dataDir);
  const config = existsSync(file) ? await loadGatewayConfig(file).catch(() => null) : null;
  const covered = new Set(
    config?.apps.flatMap((app) => app.hosts.map((host) => host.replace(/:\d+$/, '').toLowerCase())) ?? [],
  );
  await loginPages(input, store, covered);
  const db = join(dataDir, 'access', 'gateway.db');
  if (config === null || !existsSync(db)) return;
  for (const one of readAccounts(db)) {
    input.accounts.push(
      account({
        // A password alone opens nothing at the gateway, whether a factor is enrolled or not.
        service: 'access gateway',
        name: one.name,
        display: one.display,
        enabled: !one.disabled,
        external: true,
        kind: 'person',
        factor: 'enforced',
        lastSignInMs: one.lastSignIn ?? 0,
        createdMs: one.created,
        source: 'gateway.db',
        why: one.factor
          ? 'the gateway asks for a second factor, and one is enrolled'
          : 'the gateway asks for a second factor; none is enrolled yet, so the account opens nothing',
      }),
    );
  }
}

/** Pages that a scan found to ask for a password and nothing else; those that are now behind the gateway are covered. */
async function loginPages(input: AuditInput, store: Store, covered: ReadonlySet<string>): Promise<void> {
  let after: string | null = null;
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const page = await store.findings.list(
      { room: 'perimeter', kind: 'single-factor-login', state: 'open' },
      after === null ? { limit: PAGE } : { limit: PAGE, after },
    );
    for (const finding of page.items) {
      const host = finding.asset.name;
      const behind = covered.has(host.toLowerCase());
      input.accounts.push(
        account({
          service: `web ${host}`,
          name: 'everybody',
          kind: 'unknown',
          external: finding.severity === 'high' || finding.severity === 'critical',
          source: 'perimeter',
          factor: behind ? 'enforced' : 'none',
          why: behind
            ? 'the access gateway stands in front of it'
            : (finding.evidence[0]?.what ?? 'a form asks for a password and nothing else'),
        }),
      );
    }
    after = page.next;
    if (after === null) return;
  }
}
