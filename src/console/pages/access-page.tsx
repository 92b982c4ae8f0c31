/** Access: what still opens with a password alone, who is missing, and the gateway with its sessions and emergencies. */

import type { Account } from '../../core/records.ts';
import { AccessEnrol } from '../access-enrol.tsx';
import { AccessEmergencies, AccessHeld, AccessSessions } from '../access-live.tsx';
import { useAnswer } from '../api-queries.ts';
import { CopyLine } from '../copy-line.tsx';
import { PageTop } from '../list-page.tsx';
import { Empty, Problem, Waiting } from '../notice.tsx';
import { texts } from '../texts.ts';

const t = texts.access;
const SHOWN = 100;
const FACTORS = ['none', 'bypassed', 'registered', 'enforced', 'unknown'] as const;

interface Service {
  readonly service: string;
  readonly external: boolean;
  readonly accounts: number;
  readonly enforced: number;
  readonly registered: number;
  readonly bypassed: number;
  readonly none: number;
  readonly unknown: number;
}
interface GatewayView {
  readonly origin: string;
  readonly listens: boolean;
  readonly sessions: number;
  readonly apps: readonly { name: string; title: string; hosts: readonly string[]; emergency: string }[];
}
interface AccessView {
  readonly services: readonly Service[];
  readonly missing: readonly Account[];
  readonly missing_count: number;
  readonly whole: boolean;
  readonly gateway: GatewayView | null;
}

export default function AccessPage() {
  const { data, error } = useAnswer<AccessView>('/v1/access', true, 15_000);
  const answer = data ? t.answer(data.missing_count, data.services.length, data.whole) : texts.loading;
  return (
    <div className="page">
      <PageTop title={texts.pages.access} answer={answer} />
      <div className="page-body">
        <Problem error={error} />
        {!data && !error && <Waiting rows={6} />}
        {data && (
          <>
            <Services services={data.services} />
            <Missing
              missing={data.missing}
              count={data.missing_count}
              known={data.services.length > 0}
              origin={data.gateway?.origin ?? null}
            />
            <Gateway gateway={data.gateway} />
            {data.gateway && (
              <>
                <AccessEmergencies />
                <AccessSessions />
                <AccessHeld />
                <AccessEnrol />
              </>
            )}
          </>
        )}
      </div>
    </div>
  );
}

function Services({ services }: { services: readonly Service[] }) {
  // A number opens the accounts that it counts.
  const cell = (service: string, factor: string, value: number) =>
    value === 0 ? (
      <span className="dim">0</span>
    ) : (
      <a href={`/accounts?service=${encodeURIComponent(service)}&factor=${factor}`}>{value.toLocaleString('en')}</a>
    );
  return (
    <section className="panel" aria-labelledby="access-services">
      <h2 id="access-services">{t.services.title}</h2>
      {services.length === 0 ? (
        <Empty title={t.none} command={t.command}>
          {t.noneText}
        </Empty>
      ) : (
        <>
          <p className="dim">{t.services.lead}</p>
          <div className="scroll-x">
            <table className="plain wide">
              <thead>
                <tr>
                  {[
                    t.services.service,
                    t.services.noFactor,
                    t.services.bypassed,
                    t.services.registered,
                    t.services.enforced,
                    t.services.unknown,
                  ].map((heading) => (
                    <th key={heading} scope="col">
                      {heading}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {services.map((one) => (
                  <tr key={one.service}>
                    <th scope="row">
                      {one.service}
                      {one.external && <span className="dim"> · {t.services.external}</span>}
                    </th>
                    {FACTORS.map((factor) => (
                      <td key={factor}>{cell(one.service, factor, one[factor])}</td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </>
      )}
    </section>
  );
}

function Missing(o: { missing: readonly Account[]; count: number; known: boolean; origin: string | null }) {
  const { missing, count, known, origin } = o;
  return (
    <section className="panel" aria-labelledby="access-missing">
      <h2 id="access-missing">{t.missing.title}</h2>
      {missing.length === 0 ? (
        <p className="dim">{known ? t.missing.nobody : t.missing.unknown}</p>
      ) : (
        <>
          <p className="dim">{t.missing.lead(Math.min(missing.length, SHOWN), count)}</p>
          <div className="scroll-x tall">
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a long list scrolls by keyboard */}
            <table className="plain wide" tabIndex={0} aria-label={t.missing.title}>
              <thead>
                <tr>
                  <th scope="col">{t.missing.account}</th>
                  <th scope="col">{t.missing.service}</th>
                  <th scope="col">{t.missing.state}</th>
                  <th scope="col">{t.missing.why}</th>
                </tr>
              </thead>
              <tbody>
                {missing.slice(0, SHOWN).map((account) => (
                  <tr key={account.id}>
                    <th scope="row">
                      <a href={`/accounts?id=${account.id}`}>{account.name}</a>{' '}
                      {account.privileged && <strong>{t.missing.privileged}</strong>}
                    </th>
                    <td>{account.service}</td>
                    <td>{texts.accounts.factors[account.second_factor]}</td>
                    <td>{account.evidence[0]?.what}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <details>
            <summary>{t.missing.letter}</summary>
            <p className="dim">{t.missing.letterLead}</p>
            <CopyLine text={t.missing.letterText(origin)} label={t.missing.letter} />
          </details>
        </>
      )}
    </section>
  );
}

function Gateway({ gateway }: { gateway: GatewayView | null }) {
  return (
    <section className="panel" aria-labelledby="access-gateway">
      <h2 id="access-gateway">{t.gateway.title}</h2>
      {gateway === null ? (
        <Empty title={t.gateway.none} command="asepsis access gateway --data ./data">
          {t.gateway.noneText}
        </Empty>
      ) : (
        <>
          <p>
            {t.gateway.at(gateway.origin, gateway.apps.length, gateway.sessions)} {!gateway.listens && t.gateway.apart}
          </p>
          <div className="scroll-x">
            <table className="plain wide">
              <thead>
                <tr>
                  <th scope="col">{t.gateway.app}</th>
                  <th scope="col">{t.gateway.hosts}</th>
                  <th scope="col">{t.gateway.emergency}</th>
                </tr>
              </thead>
              <tbody>
                {gateway.apps.map((app) => (
                  <tr key={app.name}>
                    <th scope="row">{app.title}</th>
                    <td className="mono">{app.hosts.join(', ')}</td>
                    <td>{t.gateway.emergencies[app.emergency]}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </>
      )}
    </section>
  );
}
