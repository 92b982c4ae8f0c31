/** From open findings to the few actions that close them: what, on which assets, how much risk it takes away, and why. */

import { type Asset, type Finding, type Severity, severityRank } from '../../core/index.ts';

export const ACTION_KINDS = ['update', 'contain', 'replace', 'restart', 'ask'] as const;
export type ActionKind = (typeof ACTION_KINDS)[number];

export interface ActionAsset {
  readonly id: string | null;
  readonly name: string;
  readonly findings: readonly string[];
  /** The strictest of this asset. */
  readonly due: string | null;
}

export interface PatchAction {
  /** The same action has the same id as long as it is open. */
  readonly id: string;
  readonly kind: ActionKind;
  readonly title: string;
  readonly how: string;
  readonly findings: readonly string[];
  readonly assets: readonly ActionAsset[];
  readonly vulnerabilities: number;
  readonly exploited: number;
  readonly worst: Severity;
  readonly due: string | null;
  readonly overdue: number;
  /** Expected exploitation, weighted by what the assets are for and whether the internet reaches them. */
  readonly risk: number;
  readonly why: string;
  readonly minutes: number;
  readonly reboot: boolean;
  readonly disrupts: boolean;
  readonly rollback: string;
}

export type AssetFacts = Pick<Asset, 'criticality' | 'external' | 'class' | 'owner'>;

/** Not measured, but ordered: without a score, the word of severity stands for how likely exploitation is. */
const LIKELY: Readonly<Record<Severity, number>> = {
  critical: 0.1,
  high: 0.03,
  medium: 0.01,
  low: 0.002,
  information: 0,
};
const CARE = { 'life-sustaining': 4, diagnostic: 2, administrative: 1, unknown: 1.5 } as const;
const EXPOSED = 5;

const KIND: Readonly<Record<string, ActionKind>> = {
  'missing-update': 'update',
  'pending-update': 'update',
  'no-update-yet': 'contain',
  'end-of-life': 'replace',
  'device-advisory': 'contain',
  'restart-needed': 'restart',
  'device-advisory-question': 'ask',
  'possible-match': 'ask',
};
const MINUTES: Readonly<Record<ActionKind, number>> = { update: 15, contain: 30, replace: 240, restart: 15, ask: 0 };

export function actionOf(finding: Finding): ActionKind | null {
  return finding.room === 'patching' && Object.hasOwn(KIND, finding.kind) ? (KIND[finding.kind] as ActionKind) : null;
}

/** Most risk first. Findings of one package with different targets are one action: the newest target closes all. */
export function actionsOf(
  findings: Iterable<Finding>,
  assetOf: (finding: Finding) => AssetFacts | null,
  nowMs: number,
): PatchAction[] {
  const groups = new Map<string, Finding[]>();
  for (const finding of findings) {
    const kind = actionOf(finding);
    if (kind === null || finding.state !== 'open') continue;
    const what = kind === 'update' ? finding.key : finding.fix.title;
    const key = `${kind}\n${what}`;
    const group = groups.get(key);
    if (group) group.push(finding);
    else groups.set(key, [finding]);
  }
  return [...groups]
    .map(([key, group]) => oneAction(key, group, assetOf, nowMs))
    .sort((a, b) => b.risk - a.risk || severityRank(a.worst) - severityRank(b.worst) || (a.title < b.title ? -1 : 1));
}

interface Weight {
  readonly names: Set<string>;
  readonly exploited: Set<string>;
  risk: number;
  exposed: number;
  lifeSustaining: number;
}

function oneAction(
  key: string,
  group: readonly Finding[],
  assetOf: (finding: Finding) => AssetFacts | null,
  nowMs: number,
): PatchAction {
  const kind = key.slice(0, key.indexOf('\n')) as ActionKind;
  const newest = group.reduce((a, b) => (severityRank(b.severity) < severityRank(a.severity) ? b : a));
  const weight: Weight = { names: new Set(), exploited: new Set(), risk: 0, exposed: 0, lifeSustaining: 0 };
  const assets = new Map<string, ActionAsset>();
  for (const finding of group) {
    const { name, id = null } = finding.asset;
    const known = assets.get(name);
    const due = [known?.due ?? null, finding.due].filter((one) => one !== null).sort()[0] ?? null;
    assets.set(name, { id, name, findings: [...(known?.findings ?? []), finding.id], due });
    weigh(finding, assetOf(finding), weight);
  }
  const dues = group.flatMap((one) => (one.due === null ? [] : [one.due])).sort();
  const overdue = dues.filter((due) => Date.parse(due) < nowMs).length;
  const many = assets.size === 1 ? [...assets.keys()][0] : `${assets.size} assets`;
  const reboot = group.some(needsReboot);
  return {
    id: `act-${hash(key)}`,
    kind,
    title: kind === 'restart' ? newest.fix.title : `${newest.fix.title} on ${many}`.slice(0, 250),
    how: newest.fix.how,
    findings: group.map((one) => one.id),
    assets: [...assets.values()],
    vulnerabilities: weight.names.size,
    exploited: weight.exploited.size,
    worst: newest.severity,
    due: dues[0] ?? null,
    overdue,
    risk: Math.round(weight.risk * 1000) / 1000,
    why: whyOf(group.length, weight, dues[0] ?? null, overdue),
    minutes: MINUTES[kind],
    reboot,
    disrupts: newest.fix.disrupts,
    rollback: rollbackOf(newest),
  };
}

function weigh(finding: Finding, asset: AssetFacts | null, weight: Weight): void {
  const care = CARE[asset?.criticality ?? 'unknown'];
  const exposed = asset?.external === true;
  if (exposed) weight.exposed++;
  if (asset?.criticality === 'life-sustaining') weight.lifeSustaining++;
  let survives = 1;
  for (const { data } of finding.evidence) {
    if (data === undefined) continue;
    const name = typeof data.vulnerability === 'string' ? data.vulnerability : '';
    const known = typeof data.kev_added === 'string';
    if (name !== '') weight.names.add(name);
    if (known) weight.exploited.add(name);
    const said =
      typeof data.severity === 'string' && Object.hasOwn(LIKELY, data.severity)
        ? (data.severity as Severity)
        : finding.severity;
    const likely = known ? 0.9 : typeof data.epss === 'number' ? data.epss : LIKELY[said];
    survives *= 1 - Math.min(0.99, likely);
  }
  if (finding.evidence.length === 0) survives = 1 - LIKELY[finding.severity];
  weight.risk += (1 - survives) * care * (exposed ? EXPOSED : 1);
}

const needsReboot = (finding: Finding) =>
  (finding.kind === 'restart-needed' && finding.key === 'the machine') ||
  /(^|\/)(linux|kernel|glibc|systemd|client:|server:)/.test(finding.key) ||
  finding.evidence.some(({ data }) => data?.restart === true);

function whyOf(findings: number, weight: Weight, due: string | null, overdue: number): string {
  const parts = [`closes ${findings} ${findings === 1 ? 'finding' : 'findings'}`];
  if (weight.names.size > 0)
    parts.push(`${weight.names.size} ${weight.names.size === 1 ? 'vulnerability' : 'vulnerabilities'}`);
  if (weight.exploited.size > 0) parts.push(`${weight.exploited.size} known exploited`);
  if (weight.exposed > 0) parts.push(`${weight.exposed} on assets that the internet reaches`);
  if (weight.lifeSustaining > 0) parts.push(`${weight.lifeSustaining} on life-sustaining ones`);
  if (overdue > 0) parts.push(`${overdue} past their deadline`);
  else if (due !== null) parts.push(`first deadline ${due.slice(0, 10)}`);
  return parts.join(', ');
}

function rollbackOf(finding: Finding): string {
  const installed = finding.evidence[0]?.data?.installed;
  const version = typeof installed === 'string' ? installed : 'the version of before';
  const [ecosystem = '', name = ''] = finding.key.split('/', 2);
  if (finding.kind !== 'missing-update')
    return 'Take the change of the network or configuration back as noted in the ticket.';
  if (/^(debian|ubuntu)/.test(ecosystem))
    return `apt-get install --allow-downgrades the binary packages of ${name} in version ${version}; take a snapshot before.`;
  if (/^(red hat|rocky|alma|centos|fedora|oracle|amazon)/.test(ecosystem))
    return 'dnf history undo last; take a snapshot before.';
  if (ecosystem === 'windows')
    return 'wusa /uninstall of the update, or go back to the restore point; take a snapshot before.';
  return `Install ${name} ${version} again; take a snapshot before.`;
}

/** FNV-1a, 64 bits: ids are for people's links, not for secrets. */
function hash(text: string): string {
  let value = 0xcbf29ce484222325n;
  for (let i = 0; i < text.length; i++)
    value = BigInt.asUintN(64, (value ^ BigInt(text.charCodeAt(i))) * 0x100000001b3n);
  return value.toString(36).padStart(13, '0');
}
