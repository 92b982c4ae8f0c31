/** Deadlines kept, and how long remediation takes by severity, exposure and department, with its trend. */

import { useAnswer } from './api-queries.ts';
import { Empty, Problem, Waiting } from './notice.tsx';
import { texts } from './texts.ts';

const t = texts.patching.times;
interface TimesAnswer {
  readonly rows: readonly {
    readonly group: string;
    readonly value: string;
    readonly fixed: number;
    readonly median: number;
    readonly p90: number;
    readonly late: number;
  }[];
  readonly trend: readonly { readonly month: string; readonly fixed: number; readonly median: number }[];
  readonly kept: number;
  readonly missed: number;
}

export default function PatchingTimes() {
  const { data, error, refetch } = useAnswer<TimesAnswer>('/v1/patching/times');
  if (!data) return error ? <Problem error={error} retry={() => void refetch()} /> : <Waiting rows={8} />;
  return (
    <section className="panel" aria-labelledby="times">
      <h2 id="times">{t.title}</h2>
      <p>{t.kept(data.kept, data.missed)}</p>
      {data.rows.length === 0 ? (
        <Empty title={t.none}>{t.noneText}</Empty>
      ) : (
        <>
          <Numbers
            heads={[t.group, t.value, t.fixed, t.median, t.p90, t.late]}
            rows={data.rows.map((row) => [
              t.groups[row.group] ?? row.group,
              row.value,
              row.fixed,
              row.median,
              row.p90,
              row.late,
            ])}
          />
          <h3>{t.trend}</h3>
          <Numbers
            heads={[t.month, t.fixed, t.median]}
            rows={data.trend.map((row) => [row.month, row.fixed, row.median])}
          />
        </>
      )}
    </section>
  );
}

function Numbers({ heads, rows }: { heads: readonly string[]; rows: readonly (readonly (string | number)[])[] }) {
  return (
    <div className="scroll-x">
      <table className="plain wide">
        <thead>
          <tr>
            {heads.map((head) => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.slice(0, 2).join(' ')}>
              {row.map((cell, i) => (
                <td key={heads[i]}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
