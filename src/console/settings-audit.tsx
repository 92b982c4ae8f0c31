/** The audit log: who did what, and whether its chain is whole. */

import { Button } from '@mantine/core';
import { useMemo, useState } from 'react';
import type { AuditEntry } from '../core/records.ts';
import { api } from './api-client.ts';
import { useList } from './api-queries.ts';
import type { AuditVerdict } from './api-types.ts';
import { CopyLine } from './copy-line.tsx';
import { Empty, Problem } from './notice.tsx';
import { texts } from './texts.ts';
import { Clock } from './time.tsx';
import { type TableColumn, VirtualTable } from './virtual-table.tsx';

const t = texts.settings.audit;
const COLUMNS: readonly TableColumn<AuditEntry>[] = [
  { id: 'at', header: t.at, width: '190px', cell: (item) => <Clock at={item.at} /> },
  { id: 'actor', header: t.actor, width: '140px', cell: (item) => item.actor },
  { id: 'action', header: t.action, width: '160px', cell: (item) => <span className="mono">{item.action}</span> },
  { id: 'outcome', header: t.outcome, width: '80px', minTablePx: 560, cell: (item) => t.outcomes[item.outcome] },
  { id: 'target', header: t.target, width: 'minmax(0, 1fr)', minTablePx: 700, cell: (item) => item.target ?? '' },
  { id: 'detail', header: t.detail, width: 'minmax(0, 1fr)', minTablePx: 900, cell: (item) => item.detail ?? '' },
  { id: 'address', header: t.address, width: '120px', minTablePx: 1000, cell: (item) => item.address ?? '' },
];

export default function SettingsAudit() {
  const params = useMemo(() => ({}), []);
  const list = useList<AuditEntry>('/v1/audit', params, { limit: 200 });
  const [verdict, setVerdict] = useState<AuditVerdict | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const [open, setOpen] = useState<AuditEntry | null>(null);
  const verify = () => {
    setProblem(null);
    api.get<AuditVerdict>('/v1/audit/verify').then(setVerdict, setProblem);
  };
  return (
    <section className="panel audit" aria-labelledby="audit">
      <h2 id="audit">{t.title}</h2>
      <p>{t.text}</p>
      <p className="buttons">
        <Button onClick={verify}>{t.verify}</Button>
        <span role="status">
          {verdict && (verdict.ok ? t.whole(verdict.entries) : t.broken(verdict.first_bad ?? 0, verdict.reason ?? ''))}
        </span>
      </p>
      <CopyLine text="asepsis audit verify" />
      <Problem error={problem} />
      <div className="audit-table">
        <VirtualTable
          label={t.title}
          list={list}
          columns={COLUMNS}
          selectedId={open?.id}
          onOpen={setOpen}
          hrefOf={() => '/settings?tab=audit'}
          place="audit"
          empty={<Empty title={t.none} />}
        />
      </div>
      {open && (
        <div role="status" className="notice">
          <p>
            <strong>
              {open.seq}. {open.action}
            </strong>{' '}
            {open.actor} {open.address && <span className="mono">{open.address}</span>} · {t.outcomes[open.outcome]}
          </p>
          <p>
            {open.target} {open.detail}
          </p>
          <p className="mono">
            {t.hash} {open.hash}
          </p>
        </div>
      )}
    </section>
  );
}
