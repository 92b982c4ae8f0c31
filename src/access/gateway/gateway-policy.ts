/** Who may do what: rules as data, compiled once. The first rule that a request falls under decides; nothing else is asked. */

import { type NetworkSet, networkSet } from './gateway-address.ts';
import { foldPath, type Target } from './gateway-path.ts';
import { type AppConfig, type GatewayConfig, type RuleConfig, STRENGTHS, type StrengthName } from './gateway-schema.ts';

/** 0 nobody, 1 one factor, 2 two, 3 two of which phishing cannot take any. */
export type Strength = 0 | 1 | 2 | 3;
export const strengthOf = (name: StrengthName): Strength => (STRENGTHS.indexOf(name) + 1) as Strength;

interface Subject {
  readonly account: string;
  readonly groups: ReadonlySet<string>;
  readonly strength: Strength;
  /** When the newest second factor was shown, Unix milliseconds. */
  readonly factorMs: number;
  /** Set for a break-glass session: the application that it opens. */
  readonly emergencyApp: string | null;
}

export interface Need {
  readonly strength: Strength;
  readonly withinMs: number | null;
}

export type Decision =
  | { readonly kind: 'allow'; readonly rule: string; readonly public: boolean }
  | { readonly kind: 'sign-in'; readonly need: Need; readonly rule: string }
  | { readonly kind: 'step-up'; readonly need: Need; readonly rule: string }
  | { readonly kind: 'deny'; readonly why: string; readonly rule: string };

interface Rule {
  readonly label: string;
  readonly matchers: readonly PathMatcher[] | null;
  readonly methods: ReadonlySet<string> | null;
  readonly networks: readonly NetworkSet[] | null;
  readonly groups: readonly string[] | null;
  readonly users: ReadonlySet<string> | null;
  readonly need: Need;
  readonly effect: RuleConfig['effect'];
}
type PathMatcher = (target: Target) => boolean;

export interface App {
  readonly name: string;
  readonly title: string;
  readonly emergency: AppConfig['emergency'];
  readonly upstream: URL | null;
  readonly userHeader: string;
  readonly decide: (request: PolicyRequest, subject: Subject | null, nowMs: number) => Decision;
}

interface PolicyRequest {
  readonly target: Target;
  readonly method: string;
  readonly address: string;
}

const DEFAULT_NEED: Need = { strength: 2, withinMs: null };
const needOf = (need: RuleConfig['need'], otherwise: Need): Need =>
  need === undefined
    ? otherwise
    : {
        strength: strengthOf(need.strength),
        withinMs: need.within_minutes === undefined ? null : need.within_minutes * 60_000,
      };

/** Host → application. */
export type Policy = ReadonlyMap<string, App>;

export function compilePolicy(config: GatewayConfig): Policy {
  const networks = new Map(
    Object.entries(config.networks).map(([name, texts]) => [name, networkSet(texts) as NetworkSet]),
  );
  const policy = new Map<string, App>();
  for (const app of config.apps) {
    const compiled = compileApp(app, networks);
    for (const host of app.hosts) policy.set(hostKey(host), compiled);
  }
  return policy;
}

function compileApp(app: AppConfig, networks: ReadonlyMap<string, NetworkSet>): App {
  const appNeed = needOf(app.need, DEFAULT_NEED);
  const rules = app.rules.map((rule, index) => compileRule(rule, index, appNeed, networks));
  // What no rule names is open to whoever may enter the application at all.
  const rest: Rule = {
    label: 'default',
    matchers: null,
    methods: null,
    networks: null,
    groups: null,
    users: null,
    need: appNeed,
    effect: 'allow',
  };
  const entry = app.groups ?? null;
  const candidates = bySegment(app.rules, rules);
  return {
    name: app.name,
    title: app.title ?? app.name,
    emergency: app.emergency,
    upstream: app.upstream === undefined ? null : new URL(app.upstream),
    userHeader: app.user_header,
    decide(request, subject, nowMs) {
      const rule = candidates(request.target).find((one) => falls(one, request)) ?? rest;
      return judge(rule, entry, app, subject, nowMs);
    },
  };
}

/** `App.example:443` is `app.example`, as requests are read. */
const hostKey = (host: string): string => host.toLowerCase().replace(/:(?:80|443)$/, '');

const firstSegment = (path: string): string => {
  const slash = path.indexOf('/', 1);
  return slash < 0 ? path.slice(1) : path.slice(1, slash);
};

/** The rules that a path can fall under at all, in their order, by its first segment: hundreds of rules cost one look-up. */
function bySegment(configs: readonly RuleConfig[], rules: readonly Rule[]): (target: Target) => readonly Rule[] {
  const keys = configs.map((rule) => {
    const segments = rule.paths?.map((path) => firstSegment(foldPath(path.replace(/\/\*\*$/, '/'))));
    return segments === undefined || segments.some((one) => one === '*' || one === '') ? null : new Set(segments);
  });
  const pick = (segment: string | null) =>
    rules.filter((_, i) => keys[i] === null || (segment !== null && keys[i]?.has(segment)));
  const everywhere = pick(null);
  const found = new Map(
    [...new Set(keys.flatMap((set) => [...(set ?? [])]))].map((segment) => [segment, pick(segment)]),
  );
  return (target) => found.get(firstSegment(target.folded)) ?? everywhere;
}

function compileRule(rule: RuleConfig, index: number, appNeed: Need, networks: ReadonlyMap<string, NetworkSet>): Rule {
  // What opens is read exactly, what restricts is read broadly: `/Admin/` is `/admin` to many servers.
  const exact = rule.effect === 'public';
  return {
    label: `rule ${index + 1}`,
    matchers: rule.paths?.map((path) => pathMatcher(path, exact)) ?? null,
    methods: rule.methods === undefined ? null : new Set(rule.methods),
    networks: rule.networks?.map((name) => networks.get(name) as NetworkSet) ?? null,
    groups: rule.groups ?? null,
    users: rule.users === undefined ? null : new Set(rule.users.map((user) => user.toLowerCase())),
    need: needOf(rule.need, appNeed),
    effect: rule.effect,
  };
}

/** A last segment with an ending: a script, to servers that have scripts. */
const SCRIPT = /\.[a-z0-9]{1,8}$/;

function pathMatcher(pattern: string, exact: boolean): PathMatcher {
  const fold = exact ? pattern : foldPath(pattern);
  const pathOf = exact ? (target: Target) => target.path : (target: Target) => target.folded;
  if (fold === '/**') return () => true;
  const whole = fold.endsWith('/**');
  const stem = whole ? fold.slice(0, -3) : fold;
  // `/admin.php/x` runs `/admin.php` (PATH_INFO, RFC 3875 section 4.1.5): what restricts the one restricts the other.
  const open = whole || (!exact && SCRIPT.test(stem));
  if (!stem.includes('*')) {
    const under = `${stem}/`;
    if (open) return (target) => pathOf(target).startsWith(under) || pathOf(target) === stem;
    return (target) => pathOf(target) === stem || (!exact && pathOf(target) === under);
  }
  const parts = stem.split('/');
  return (target) => {
    const found = pathOf(target).split('/');
    if (!exact && !open && found.length === parts.length + 1 && found.at(-1) === '') found.pop();
    if (open ? found.length < parts.length : found.length !== parts.length) return false;
    return parts.every((part, i) => (part === '*' ? found[i] !== '' : part === found[i]));
  };
}

function falls(rule: Rule, request: PolicyRequest): boolean {
  if (rule.methods !== null && !rule.methods.has(request.method)) {
    // HEAD is GET without its body (RFC 9110 section 9.3.2).
    if (!(request.method === 'HEAD' && rule.methods.has('GET'))) return false;
  }
  if (rule.matchers !== null && !rule.matchers.some((matches) => matches(request.target))) return false;
  return rule.networks === null || rule.networks.some((network) => network.has(request.address));
}

function judge(
  rule: Rule,
  entry: readonly string[] | null,
  app: AppConfig,
  subject: Subject | null,
  nowMs: number,
): Decision {
  const { label } = rule;
  if (rule.effect === 'deny') return { kind: 'deny', why: 'rule', rule: label };
  if (rule.effect === 'public') return { kind: 'allow', rule: label, public: true };
  if (subject === null) return { kind: 'sign-in', need: rule.need, rule: label };
  if (subject.emergencyApp !== null) {
    if (subject.emergencyApp !== app.name || app.emergency !== 'break-glass')
      return { kind: 'deny', why: 'emergency-scope', rule: label };
    return { kind: 'allow', rule: `${label}, break-glass`, public: false };
  }
  if (entry !== null && !entry.some((group) => subject.groups.has(group)))
    return { kind: 'deny', why: 'group', rule: label };
  if (rule.users !== null || rule.groups !== null) {
    const named = rule.users?.has(subject.account) || rule.groups?.some((group) => subject.groups.has(group));
    if (!named) return { kind: 'deny', why: 'group', rule: label };
  }
  if (subject.strength < rule.need.strength) return { kind: 'step-up', need: rule.need, rule: label };
  if (rule.need.withinMs !== null && nowMs - subject.factorMs > rule.need.withinMs)
    return { kind: 'step-up', need: rule.need, rule: label };
  return { kind: 'allow', rule: label, public: false };
}
