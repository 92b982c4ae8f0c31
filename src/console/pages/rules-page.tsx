/** Rules: how much each says and how often it is right; on and off, filters proposed from harmless alerts, what is kept silent. */

import { Button, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useCallback, useMemo, useState } from 'react';
import { api } from '../api-client.ts';
import { useAnswer, useList } from '../api-queries.ts';
import { useFilters } from '../filters.ts';
import { PageTop, TextFilter } from '../list-page.tsx';
import { Empty, Problem } from '../notice.tsx';
import { useMayRespond } from '../response-form.tsx';
import { Backtest } from '../rule-backtest.tsx';
import { conditionText, Quiet, type RuleRow, SUPPRESSIONS, type Suppression } from '../rule-quiet.tsx';
import { Explain } from '../rule-why.tsx';
import { Severity } from '../severity.tsx';
import { SplitView } from '../split-view.tsx';
import { texts } from '../texts.ts';
import { detectionTexts } from '../texts-detection.ts';
import { didIt } from '../undo.ts';
import { type TableColumn, VirtualTable } from '../virtual-table.tsx';

const t = detectionTexts.rules;
const RENEW_MS = 15_000;

interface State {
  readonly groups: number;
  readonly bytes: number;
  readonly late: number;
  readonly evicted: number;
  readonly suppressed: number;
  readonly risk: readonly { readonly type: string; readonly value: string; readonly points: number }[];
}

const stateOf = (rule: RuleRow): string => (rule.quarantined !== null ? t.aside : rule.enabled ? t.on : t.off);
const COLUMNS: readonly TableColumn<RuleRow>[] = [
  { id: 'level', header: texts.columns.severity, width: '110px', cell: (rule) => <Severity level={rule.level} /> },
  { id: 'title', header: t.columns.title, width: 'minmax(0, 1fr)', main: true, cell: (rule) => rule.title },
  { id: 'kind', header: t.columns.kind, width: '140px', minTablePx: 760, cell: (rule) => rule.kind },
  { id: 'alerts', header: t.columns.alerts, width: '120px', end: true, minTablePx: 520, cell: (rule) => rule.alerts },
  {
    id: 'precision',
    header: t.columns.precision,
    width: '100px',
    end: true,
    minTablePx: 620,
    cell: (rule) => (rule.precision === null ? t.unjudged : t.precision(rule.precision)),
  },
  { id: 'on', header: t.columns.on, width: '90px', cell: stateOf },
];
const NO_PARAMS = {};

export default function RulesPage() {
  const [filters, setFilters] = useFilters();
  const whole = useList<RuleRow>('/v1/detection/rules', NO_PARAMS);
  const state = useAnswer<State>('/v1/detection/state', true, RENEW_MS).data;
  const text = filters.text?.toLowerCase();
  const items = useMemo(
    () =>
      text === undefined
        ? whole.items
        : whole.items.filter(({ id, title, tags }) => `${id} ${title} ${tags.join(' ')}`.toLowerCase().includes(text)),
    [whole.items, text],
  );
  const onOpen = useCallback(
    (rule: RuleRow, replace: boolean) => setFilters({ id: rule.id, event: undefined }, replace),
    [setFilters],
  );
  const opened = whole.items.find(({ id }) => id === filters.id);
  const on = whole.items.filter((rule) => rule.enabled && rule.quarantined === null).length;
  return (
    <SplitView
      title={t.page}
      detailLabel={t.detail}
      onClose={() => setFilters({ id: undefined })}
      detail={
        opened === undefined ? null : (
          <RuleDetail key={opened.id} rule={opened} event={filters.event ?? ''} onChanged={whole.reset} />
        )
      }
      list={
        <div className="page">
          <PageTop
            title={t.page}
            answer={
              whole.loading
                ? texts.loading
                : t.answer({
                    on,
                    off: whole.items.filter(({ enabled }) => !enabled).length,
                    quarantined: whole.items.filter(({ quarantined }) => quarantined !== null).length,
                    suppressed: state?.suppressed ?? 0,
                  })
            }
          >
            <TextFilter label={texts.filters.text} />
          </PageTop>
          {state && <p className="dim">{t.state({ ...state, mb: Math.round(state.bytes / 1e6) })}</p>}
          <Silenced />
          <VirtualTable
            label={t.page}
            list={{ ...whole, items }}
            columns={COLUMNS}
            selectedId={filters.id}
            onOpen={onOpen}
            hrefOf={(rule) => `/rules?id=${encodeURIComponent(rule.id)}`}
            place={`rules ${text ?? ''}`}
            empty={
              text === undefined ? (
                <Empty title={t.none} command={t.noneCommand}>
                  {t.noneText}
                </Empty>
              ) : (
                <Empty title={texts.filters.nothing}>{texts.filters.nothingText}</Empty>
              )
            }
          />
        </div>
      }
    />
  );
}

/** What is kept silent, by whom and until when; each can be taken back. */
function Silenced() {
  const client = useQueryClient();
  const { analyst } = useMayRespond();
  const path = SUPPRESSIONS;
  const { data } = useAnswer<{ readonly items: readonly Suppression[] }>(path, true, RENEW_MS);
  if (!data || data.items.length === 0) return null;
  const undo = async (one: Suppression) => {
    await api.delete(`${path}/${one.id}`);
    await client.invalidateQueries({ queryKey: ['answer', path] });
    didIt(t.saidBack);
  };
  return (
    <details className="panel">
      <summary>
        <h2>
          {t.suppressions} ({data.items.length})
        </h2>
      </summary>
      <ul className="plain-list">
        {data.items.map((one) => (
          <li key={one.id}>
            <span>
              {one.rule ?? t.anyRule}
              {one.conditions.length > 0 && `: ${one.conditions.map(conditionText).join(' · ')}`}
            </span>{' '}
            <span className="dim">
              {t.suppression({ owner: one.owner, until: one.until.slice(0, 10), count: one.count })} · {one.reason}
            </span>{' '}
            {analyst && <Button onClick={() => void undo(one)}>{t.takeBack}</Button>}
          </li>
        ))}
      </ul>
    </details>
  );
}

function RuleDetail({ rule, event, onChanged }: { rule: RuleRow; event: string; onChanged: () => void }) {
  const { analyst, lead } = useMayRespond();
  const [reason, setReason] = useState('');
  const [error, setError] = useState<unknown>(null);
  const set = async (enabled: boolean, why: string) => {
    setError(null);
    try {
      await api.post(`/v1/detection/rules/${encodeURIComponent(rule.id)}/enabled`, { enabled, reason: why });
      didIt(enabled ? t.saidOn(rule.title) : t.saidOff(rule.title), () => set(!enabled, why));
      onChanged();
    } catch (failure) {
      setError(failure);
    }
  };
  return (
    <article className="detail">
      <header className="detail-head">
        <h2>{rule.title}</h2>
        <p>
          <Severity level={rule.level} /> <span className="dim">{stateOf(rule)}</span>
        </p>
      </header>
      <p>{t.sentence(rule)}</p>
      {rule.quarantined !== null && <p className="notice notice-problem">{rule.quarantined}</p>}
      <dl className="facts">
        <Cost rule={rule} />
        <div>
          <dt>id</dt>
          <dd className="mono">{rule.id}</dd>
        </div>
        <div>
          <dt>ATT&amp;CK</dt>
          <dd>{rule.tags.join(', ')}</dd>
        </div>
      </dl>
      <p>
        <Link to="/alerts" search={{ rule: rule.id }}>
          {t.showAlerts}
        </Link>
      </p>
      <Problem error={error} />
      {lead && (
        <form
          className="inline-form"
          aria-label={t.columns.on}
          onSubmit={(event) => {
            event.preventDefault();
            if (reason.trim() !== '') void set(!rule.enabled, reason.trim());
          }}
        >
          <TextInput
            label={t.reason}
            value={reason}
            maxLength={400}
            required
            onChange={(event) => setReason(event.currentTarget.value)}
          />
          <Button type="submit">{rule.enabled ? t.switchOff : t.switchOn}</Button>
        </form>
      )}
      <Explain key={event} rule={rule} event={event} />
      {analyst && <Quiet rule={rule} />}
      {analyst && <Backtest rule={rule} />}
    </article>
  );
}

function Cost({ rule }: { rule: RuleRow }) {
  const path = `/v1/detection/rules/${encodeURIComponent(rule.id)}/cost`;
  const us = useAnswer<{ readonly us_event: number | null }>(path, rule.kind === 'detection').data?.us_event;
  if (us === undefined || us === null) return null;
  return (
    <div>
      <dt>{t.cost}</dt>
      <dd>{t.costWords(us)}</dd>
    </div>
  );
}
