/** Accounts: who signs in where, and what protects each beside its password. */

import { useCallback, useMemo } from 'react';
import type { Account } from '../../core/records.ts';
import { useList } from '../api-queries.ts';
import { useFilters } from '../filters.ts';
import { PageTop, TextFilter } from '../list-page.tsx';
import { Empty } from '../notice.tsx';
import { SplitView } from '../split-view.tsx';
import { texts } from '../texts.ts';
import { Ago, Moment } from '../time.tsx';
import { type TableColumn, VirtualTable } from '../virtual-table.tsx';

const t = texts.accounts;
const privileged = (account: Account) => (account.privileged === null ? t.unknown : account.privileged ? t.yes : t.no);

const COLUMNS: readonly TableColumn<Account>[] = [
  { id: 'name', header: t.name, width: 'minmax(0, 1fr)', main: true, cell: (item) => item.name },
  { id: 'service', header: t.service, width: 'minmax(0, 0.8fr)', minTablePx: 420, cell: (item) => item.service },
  { id: 'factor', header: t.factor, width: '150px', cell: (item) => t.factors[item.second_factor] },
  { id: 'privileged', header: t.privileged, width: '110px', minTablePx: 620, cell: privileged },
  {
    id: 'seen',
    header: texts.assets.lastSeen,
    width: '112px',
    minTablePx: 520,
    cell: (item) => <Ago at={item.last_seen} />,
  },
];

export default function AccountsPage() {
  const [filters, setFilters] = useFilters();
  const { text, service, factor } = filters;
  const params = useMemo(() => ({ text, service, second_factor: factor }), [text, service, factor]);
  const list = useList<Account>('/v1/accounts', params);
  const onOpen = useCallback((item: Account, replace: boolean) => setFilters({ id: item.id }, replace), [setFilters]);
  const open = list.items.find((item) => item.id === filters.id);
  const alone = list.items.filter((item) => item.second_factor === 'none' || item.second_factor === 'bypassed').length;
  return (
    <SplitView
      title={texts.pages.accounts}
      detailLabel={t.detail}
      onClose={() => setFilters({ id: undefined })}
      detail={open === undefined ? null : <AccountDetail account={open} />}
      list={
        <div className="page">
          <PageTop
            title={texts.pages.accounts}
            answer={list.loading ? texts.loading : t.answer(list.items.length, list.hasMore, alone)}
          >
            <TextFilter label={texts.filters.text} />
          </PageTop>
          <VirtualTable
            label={texts.pages.accounts}
            list={list}
            columns={COLUMNS}
            selectedId={filters.id}
            onOpen={onOpen}
            hrefOf={(item) => `/accounts?id=${item.id}`}
            place={`accounts ${JSON.stringify(params)}`}
            empty={
              text || service || factor ? (
                <Empty title={texts.filters.nothing}>{texts.filters.nothingText}</Empty>
              ) : (
                <Empty title={t.none} command="asepsis check">
                  {t.noneText}
                </Empty>
              )
            }
          />
        </div>
      }
    />
  );
}

function AccountDetail({ account }: { account: Account }) {
  return (
    <article>
      <h2>
        {account.name} · {account.service}
      </h2>
      <dl className="facts">
        <div>
          <dt>{t.factor}</dt>
          <dd>{t.factors[account.second_factor]}</dd>
        </div>
        <div>
          <dt>{t.privileged}</dt>
          <dd>{privileged(account)}</dd>
        </div>
        <div>
          <dt>{texts.assets.lastSeen}</dt>
          <dd>
            <Moment at={account.last_seen} />
          </dd>
        </div>
      </dl>
      <h3>{t.evidence}</h3>
      <ul>
        {account.evidence.map((item) => (
          <li key={`${item.seen} ${item.what}`}>
            {item.what}{' '}
            <span className="dim">
              (<Moment at={item.seen} />)
            </span>
            {item.command === undefined ? null : (
              <>
                {' '}
                <code>{item.command}</code>
              </>
            )}
          </li>
        ))}
      </ul>
    </article>
  );
}
