/**
 * CVSS 4.0 base scores (specification section 8): the MacroVector's score from the published table, less the mean of how far
 * the vector lies below the worst one of each of its equivalence classes. Threat and environment are left at their defaults.
 */

const LEVELS: Readonly<Record<string, string>> = {
  AV: 'NALP',
  AC: 'LH',
  AT: 'NP',
  PR: 'NLH',
  UI: 'NPA',
  VC: 'HLN',
  VI: 'HLN',
  VA: 'HLN',
  SC: 'HLN',
  SI: 'HLN',
  SA: 'HLN',
};

/**
 * The part of the published table that base vectors meet (EQ5 is 0). Rows: EQ1 and EQ2; columns: EQ3 and EQ6 as 00, 01, 10,
 * 11, 21, in each EQ4 as 1 and 2.
 */
const TABLE: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
  '00': [
    [10, 9.3],
    [9.6, 9],
    [9.3, 8.8],
    [9.2, 8],
    [7.9, 6.9],
  ],
  '01': [
    [9.5, 9.2],
    [9.1, 8.1],
    [9.2, 8.4],
    [8.2, 7],
    [7.1, 6.3],
  ],
  '10': [
    [9.4, 8.7],
    [8.9, 7.5],
    [8.6, 7.2],
    [7.6, 5.7],
    [6.5, 5.3],
  ],
  '11': [
    [9, 7.7],
    [7.7, 6.6],
    [7.4, 6.1],
    [5.9, 5.2],
    [5.8, 2.3],
  ],
  '20': [
    [8.6, 7],
    [7.4, 5.4],
    [7.2, 5.3],
    [5.7, 3.6],
    [4.7, 2.4],
  ],
  '21': [
    [7.3, 5.4],
    [5.5, 4.3],
    [6.1, 4.6],
    [5.1, 1.8],
    [2.4, 1],
  ],
};
const COLUMN: Readonly<Record<string, number>> = { '00': 0, '01': 1, '10': 2, '11': 3, '21': 4 };

const scoreAt = (eq1: number, eq2: number, eq36: string, eq4: number): number | null => {
  const column = Object.hasOwn(COLUMN, eq36) ? (COLUMN[eq36] as number) : -1;
  return TABLE[`${eq1}${eq2}`]?.[column]?.[eq4 - 1] ?? null;
};

/** How many steps a vector can lie below the worst one of its class. */
const DEPTH = { eq1: [1, 4, 5], eq2: [1, 2], eq3: [7, 8, 10], eq4: [6, 5, 4] } as const;
/** The worst vectors of each level of EQ1 (AV, PR, UI), EQ2 (AC, AT) and EQ3 (VC, VI, VA), as steps from the worst value. */
const WORST = {
  eq1: [
    [[0, 0, 0]],
    [
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ],
    [
      [3, 0, 0],
      [1, 1, 1],
    ],
  ],
  eq2: [
    [[0, 0]],
    [
      [1, 0],
      [0, 1],
    ],
  ],
  eq3: [
    [[0, 0, 0]],
    [
      [1, 0, 0],
      [0, 1, 0],
    ],
    [[1, 1, 1]],
  ],
} as const;

/** Steps from the first of the worst vectors that is nowhere better than this one. */
function stepsBelow(values: readonly number[], worst: readonly (readonly number[])[]): number {
  for (const one of worst)
    if (values.every((value, i) => value >= (one[i] as number)))
      return values.reduce((sum, value, i) => sum + value - (one[i] as number), 0);
  return 0;
}

/** Null when a base metric is missing or has no value that is known. */
export function cvss4Base(metrics: ReadonlyMap<string, string>): number | null {
  const steps: Record<string, number> = {};
  for (const [name, values] of Object.entries(LEVELS)) {
    const value = metrics.get(name) ?? '';
    const at = value.length === 1 ? values.indexOf(value) : -1;
    if (at < 0) return null;
    steps[name] = at;
  }
  const of = (...names: readonly string[]) => names.map((name) => steps[name] as number);
  const [av, pr, ui] = of('AV', 'PR', 'UI') as [number, number, number];
  const [vc, vi, va] = of('VC', 'VI', 'VA') as [number, number, number];
  const later = of('SC', 'SI', 'SA');
  if ([vc, vi, va, ...later].every((step) => step === 2)) return 0;
  const eq1 = av + pr + ui === 0 ? 0 : (av === 0 || pr === 0 || ui === 0) && av !== 3 ? 1 : 2;
  const eq2 = of('AC', 'AT').some((step) => step > 0) ? 1 : 0;
  const eq3 = vc === 0 && vi === 0 ? 0 : vc === 0 || vi === 0 || va === 0 ? 1 : 2;
  // Requirements are high by default, so that EQ6 says whether anything of the system itself is lost wholly.
  const eq6 = eq3 === 2 ? 1 : 0;
  const eq4 = later.includes(0) ? 1 : 2;
  const here = scoreAt(eq1, eq2, `${eq3}${eq6}`, eq4);
  if (here === null) return null;
  const below3 = Math.max(scoreAt(eq1, eq2, `${eq3}1`, eq4) ?? 0, scoreAt(eq1, eq2, `${eq3 + 1}0`, eq4) ?? 0);
  const lower = [
    {
      score: scoreAt(eq1 + 1, eq2, `${eq3}${eq6}`, eq4),
      part: stepsBelow([av, pr, ui], WORST.eq1[eq1]) / (DEPTH.eq1[eq1] as number),
    },
    {
      score: scoreAt(eq1, eq2 + 1, `${eq3}${eq6}`, eq4),
      part: stepsBelow(of('AC', 'AT'), WORST.eq2[eq2]) / (DEPTH.eq2[eq2] as number),
    },
    {
      score: eq3 === 2 ? null : eq3 === 1 ? scoreAt(eq1, eq2, '11', eq4) : below3,
      part: stepsBelow([vc, vi, va], WORST.eq3[eq3]) / (DEPTH.eq3[eq3] as number),
    },
    {
      score: scoreAt(eq1, eq2, `${eq3}${eq6}`, eq4 + 1),
      part: stepsBelow(later, [eq4 === 1 ? [0, 0, 0] : [1, 1, 1]]) / (DEPTH.eq4[eq4] as number),
    },
    // EQ5 is at its worst, which has a lower neighbour and no distance to it.
    { score: here, part: 0 },
  ].filter((one) => one.score !== null);
  const mean = lower.reduce((sum, one) => sum + (here - (one.score as number)) * one.part, 0) / lower.length;
  return Math.round((Math.min(10, Math.max(0, here - mean)) + 1e-6) * 10) / 10;
}
