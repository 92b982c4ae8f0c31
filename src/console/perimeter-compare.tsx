/** Inside against outside: what only one of them sees of a host. */

import { Link } from '@tanstack/react-router';
import { useAnswer } from './api-queries.ts';
import { Empty, Problem, Waiting } from './notice.tsx';
import { texts } from './texts.ts';

const t = texts.perimeter;
const SEEN = ['outside only', 'both', 'inside only'] as const;

interface Compared {
  readonly items: readonly { host: string; where: string; service: string; seen: (typeof SEEN)[number] }[];
  readonly more: number;
}

export function PerimeterCompare() {
  const answer = useAnswer<Compared>('/v1/perimeter/compare');
  if (answer.error) return <Problem error={answer.error} />;
  if (!answer.data) return <Waiting rows={6} />;
  const { items, more } = answer.data;
  if (items.length === 0) return <Empty title={t.noCompare}>{t.noCompareText}</Empty>;
  const groups = Map.groupBy(items, ({ seen }) => seen);
  return (
    <>
      {SEEN.map((seen) => (
        <section key={seen} aria-label={t.compare[seen]} className="panel">
          <h2>{t.compare[seen]}</h2>
          <p className="dim">{t.compareLead[seen]}</p>
          <ul className="plain-list">
            {(groups.get(seen) ?? []).map((row) => (
              <li key={`${row.host} ${row.where}`}>
                <Link to="/findings" search={{ room: 'perimeter', view: 'list', text: row.host }} className="mono">
                  {row.host}
                </Link>{' '}
                <span className="mono">{row.where}</span> {row.service}
              </li>
            ))}
            {!groups.has(seen) && <li className="dim">{t.nothing}</li>}
          </ul>
        </section>
      ))}
      {more > 0 && <p className="dim">{t.moreTargets(more)}</p>}
    </>
  );
}
