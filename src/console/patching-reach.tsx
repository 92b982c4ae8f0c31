/** Where a vulnerability or a package is open, on which assets and until when. */

import { Link } from '@tanstack/react-router';
import type { Finding } from '../core/records.ts';
import { withParams } from './api-client.ts';
import { useAnswer } from './api-queries.ts';
import { useFilters } from './filters.ts';
import { TextFilter } from './list-page.tsx';
import { Problem } from './notice.tsx';
import { Severity } from './severity.tsx';
import { texts } from './texts.ts';

const t = texts.patching.reach;

export default function PatchingReach() {
  const [filters] = useFilters();
  const name = (filters.text ?? '').trim();
  const { data, error } = useAnswer<{
    name: string;
    assets: number;
    fixed: number;
    open: readonly Finding[];
  }>(withParams('/v1/patching/reach', { name }), name.length >= 2);
  return (
    <section className="panel" aria-labelledby="reach">
      <h2 id="reach">{texts.patching.tabs.reach}</h2>
      <TextFilter label={t.label} />
      <p className="dim">{t.hint}</p>
      <Problem error={error} />
      <p role="status">{name.length < 2 ? t.ask : data ? t.answer(data.name, data.assets, data.fixed) : ''}</p>
      {data && data.open.length > 0 && name.length >= 2 && (
        <div className="scroll-x">
          <table className="plain wide">
            <thead>
              <tr>
                <th scope="col">{t.asset}</th>
                <th scope="col">{t.finding}</th>
                <th scope="col">{t.due}</th>
              </tr>
            </thead>
            <tbody>
              {data.open.map((one) => (
                <tr key={one.id}>
                  <th scope="row">{one.asset.name}</th>
                  <td>
                    <Severity level={one.severity} />{' '}
                    <Link to="/findings" search={{ view: 'list', id: one.id }}>
                      {one.title}
                    </Link>
                  </td>
                  <td>{one.due?.slice(0, 10) ?? '–'}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
