/** Assets: every machine and device that some evidence named, with its findings and software. */

import { Link } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';
import type { Asset } from '../../core/records.ts';
import { useAnswer, useList } from '../api-queries.ts';
import type { AssetAnswer } from '../api-types.ts';
import { entityQuery } from '../entity-chip.tsx';
import { useFilters } from '../filters.ts';
import { optionsOf, PageTop, SelectFilter, TextFilter } from '../list-page.tsx';
import { Empty, Problem, Waiting } from '../notice.tsx';
import { Severity } from '../severity.tsx';
import { SplitView } from '../split-view.tsx';
import { texts } from '../texts.ts';
import { Ago, Moment } from '../time.tsx';
import { type TableColumn, VirtualTable } from '../virtual-table.tsx';

const t = texts.assets;
const CLASSES = ['server', 'workstation', 'network', 'medical', 'mobile', 'printer', 'other', 'unknown'] as const;
const facing = (external: boolean | null) => (external === null ? t.unknown : external ? t.external : t.internal);

const COLUMNS: readonly TableColumn<Asset>[] = [
  { id: 'name', header: t.name, width: 'minmax(0, 1fr)', main: true, cell: (item) => item.name },
  { id: 'class', header: t.class, width: '110px', cell: (item) => t.classes[item.class] },
  {
    id: 'addresses',
    header: t.addresses,
    width: 'minmax(0, 0.8fr)',
    minTablePx: 560,
    cell: (item) => <span className="mono">{item.addresses.join(', ')}</span>,
  },
  { id: 'os', header: t.os, width: 'minmax(0, 0.6fr)', minTablePx: 820, cell: (item) => item.os ?? t.unknown },
  { id: 'external', header: t.facing, width: '90px', minTablePx: 700, cell: (item) => facing(item.external) },
  {
    id: 'criticality',
    header: t.criticality,
    width: '120px',
    minTablePx: 960,
    cell: (item) => t.criticalities[item.criticality],
  },
  { id: 'seen', header: t.lastSeen, width: '112px', minTablePx: 460, cell: (item) => <Ago at={item.last_seen} /> },
];

export default function AssetsPage() {
  const [filters, setFilters] = useFilters();
  const params = useMemo(() => ({ class: filters.class, text: filters.text }), [filters.class, filters.text]);
  const list = useList<Asset>('/v1/assets', params);
  const onOpen = useCallback((item: Asset, replace: boolean) => setFilters({ id: item.id }, replace), [setFilters]);
  const medical = list.items.filter((item) => item.class === 'medical').length;
  const unknown = list.items.filter((item) => item.class === 'unknown').length;
  return (
    <SplitView
      title={texts.pages.assets}
      detailLabel={t.detail}
      onClose={() => setFilters({ id: undefined })}
      detail={filters.id === undefined ? null : <AssetDetail key={filters.id} id={filters.id} />}
      list={
        <div className="page">
          <PageTop
            title={texts.pages.assets}
            answer={list.loading ? texts.loading : t.answer(list.items.length, list.hasMore, medical, unknown)}
          >
            <SelectFilter
              name="class"
              label={t.class}
              options={[{ value: '', label: texts.filters.all }, ...optionsOf(CLASSES, t.classes)]}
            />
            <TextFilter label={texts.filters.text} />
            <Link to="/accounts">{texts.pages.accounts}</Link>
          </PageTop>
          <VirtualTable
            label={texts.pages.assets}
            list={list}
            columns={COLUMNS}
            selectedId={filters.id}
            onOpen={onOpen}
            hrefOf={(item) => `/assets?id=${item.id}`}
            place={`assets ${JSON.stringify(params)}`}
            empty={
              filters.text || filters.class ? (
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

function AssetDetail({ id }: { id: string }) {
  const { data, error, refetch } = useAnswer<AssetAnswer>(`/v1/assets/${encodeURIComponent(id)}`);
  if (!data) return error ? <Problem error={error} retry={() => void refetch()} /> : <Waiting rows={12} />;
  const { asset, findings, software } = data;
  const facts: readonly (readonly [string, React.ReactNode])[] = [
    [
      t.addresses,
      <span key="a" className="mono">
        {asset.addresses.join(', ') || t.unknown}
      </span>,
    ],
    [
      t.macs,
      <span key="m" className="mono">
        {asset.macs.join(', ') || t.unknown}
      </span>,
    ],
    [t.os, asset.os ?? t.unknown],
    [t.owner, asset.owner ?? t.unknown],
    [t.facing, facing(asset.external)],
    [t.criticality, t.criticalities[asset.criticality]],
    [t.seenBy, asset.seen_by.join(', ')],
    [t.firstSeen, <Moment key="f" at={asset.first_seen} />],
    [t.lastSeen, <Moment key="l" at={asset.last_seen} />],
  ];
  return (
    <article className="detail">
      <header className="detail-head">
        <h2>{asset.name}</h2>
        <p>
          {t.classes[asset.class]} ·{' '}
          <Link to="/events" search={{ query: entityQuery({ type: 'host', value: asset.name }), range: '24h' }}>
            {t.events}
          </Link>{' '}
          ·{' '}
          <Link to="/alerts" search={{ entity: `host:${asset.name}` }}>
            {texts.pages.alerts}
          </Link>
        </p>
      </header>
      <dl className="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {asset.reasons.length > 0 && (
        <>
          <h3>{t.reasons}</h3>
          <ul>
            {asset.reasons.map((reason) => (
              <li key={reason}>{reason}</li>
            ))}
          </ul>
        </>
      )}
      <h3>{t.findings(findings.length)}</h3>
      <ul className="plain-list">
        {findings.map((finding) => (
          <li key={finding.id}>
            <Severity level={finding.severity} />{' '}
            <Link to="/findings" search={{ id: finding.id, view: 'list', asset: asset.id, state: 'all' }}>
              {finding.title}
            </Link>
          </li>
        ))}
      </ul>
      <h3>{t.software(software.length, Boolean(data.software_next))}</h3>
      {software.length === 0 ? (
        <Empty title={t.noSoftware} command="asepsis check" />
      ) : (
        <table className="plain">
          <thead>
            <tr>
              <th scope="col">{t.package}</th>
              <th scope="col">{t.version}</th>
              <th scope="col">{t.ecosystem}</th>
            </tr>
          </thead>
          <tbody>
            {software.map((item) => (
              <tr key={item.id}>
                <th scope="row" className="mono">
                  {item.name}
                </th>
                <td className="mono">{item.version}</td>
                <td>{item.ecosystem}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </article>
  );
}
