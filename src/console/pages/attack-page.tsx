/** ATT&CK: which techniques the rules look for, by tactic, and which of them raised alerts. */

import { Link } from '@tanstack/react-router';
import { TACTICS } from '../../core/tactics.ts';
import { useAnswer } from '../api-queries.ts';
import { PageTop } from '../list-page.tsx';
import { Problem, Waiting } from '../notice.tsx';
import { texts } from '../texts.ts';
import { detectionTexts } from '../texts-detection.ts';

const t = detectionTexts.attack;

interface Cell {
  readonly technique: string;
  readonly tactics: readonly string[];
  readonly rules: readonly string[];
  readonly alerts: number;
}

export default function AttackPage() {
  const { data, error, isPending } = useAnswer<{ readonly items: readonly Cell[] }>('/v1/detection/attack');
  const cells = data?.items ?? [];
  const fired = cells.filter(({ alerts }) => alerts > 0).length;
  const tactics = TACTICS.filter((tactic) => cells.some((cell) => cell.tactics.includes(tactic))).length;
  return (
    <div className="page">
      <PageTop
        title={t.page}
        answer={isPending ? texts.loading : t.answer({ techniques: cells.length, tactics, fired })}
      />
      <Problem error={error} />
      {isPending ? (
        <Waiting />
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard (WCAG 2.1.1)
        <section className="scroll-x" tabIndex={0} aria-label={t.caption}>
          <table className="plain">
            <caption>{t.caption}</caption>
            <tbody>
              {TACTICS.map((tactic) => {
                const own = cells.filter((cell) => cell.tactics.includes(tactic));
                return (
                  <tr key={tactic}>
                    <th scope="row" className="tactic">
                      {tactic.replaceAll('-', ' ')}
                    </th>
                    <td>
                      {own.length === 0 ? (
                        <span className="dim">{t.none}</span>
                      ) : (
                        <ul className="chips">
                          {own.map((cell) => (
                            <li key={cell.technique}>
                              <Link
                                className="chip"
                                to="/rules"
                                search={{ text: `attack.${cell.technique.toLowerCase()}` }}
                              >
                                <span className="mono">{cell.technique}</span> {t.rules(cell.rules.length)}
                                {cell.alerts > 0 && <strong> · {t.alerts(cell.alerts)}</strong>}
                              </Link>
                            </li>
                          ))}
                        </ul>
                      )}
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </section>
      )}
    </div>
  );
}
