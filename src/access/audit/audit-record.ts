/** What every reader makes of an identity system's export: accounts with what protects them, and log-ins that were seen. */

export const FACTORS = ['enforced', 'registered', 'bypassed', 'none', 'unknown'] as const;
/** `registered`: there is one, and a log-in can do without it. `bypassed`: a protocol lets the password in alone. */
export type FactorState = (typeof FACTORS)[number];

export interface AuditAccount {
  readonly service: string;
  readonly name: string;
  readonly display: string;
  /** Null is unknown. */
  readonly enabled: boolean | null;
  readonly privileged: boolean | null;
  readonly external: boolean | null;
  readonly kind: 'person' | 'service' | 'shared' | 'unknown';
  readonly factor: FactorState;
  /** The protocol that goes around the second factor, in words. */
  readonly protocol: string | null;
  /** Null: the export does not say. 0: it says never. */
  readonly lastSignInMs: number | null;
  readonly createdMs: number | null;
  /** One sentence: what of the export says so. */
  readonly why: string;
  readonly source: string;
  /** Other weaknesses that the export shows. */
  readonly marks: readonly AccountMark[];
  /** Set only to be compared; never printed, never stored. */
  readonly secretHash?: string;
}
export type AccountMark =
  | 'password-not-required'
  | 'password-never-expires'
  | 'password-reused'
  | 'password-default'
  | 'empty-password';

export interface SeenLogin {
  readonly service: string | null;
  readonly name: string;
  readonly atMs: number;
  readonly factors: 'single' | 'multi' | 'unknown';
  /** Set when a protocol was used that cannot ask for a second factor. */
  readonly legacy: string | null;
}

export interface AuditInput {
  readonly accounts: AuditAccount[];
  readonly seen: SeenLogin[];
  /** What could not be read, in words, with how often. */
  readonly faults: Map<string, number>;
  /** What was understood: file → format. */
  readonly formats: Map<string, string>;
}

export const newInput = (): AuditInput => ({ accounts: [], seen: [], faults: new Map(), formats: new Map() });
export const fault = (input: AuditInput, what: string): void =>
  void input.faults.set(what, (input.faults.get(what) ?? 0) + 1);

export type Json = Readonly<Record<string, unknown>>;
export const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
export const textOf = (value: unknown): string =>
  typeof value === 'string' ? value.slice(0, 512) : typeof value === 'number' ? String(value) : '';
export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
export const boolOf = (value: unknown): boolean | null => (typeof value === 'boolean' ? value : null);

/** A time in any of the forms that exports use; null when there is none. */
export function timeMs(value: unknown): number | null {
  if (typeof value === 'number') return value <= 0 ? null : value < 1e11 ? value * 1000 : value;
  if (typeof value !== 'string' || value === '' || /^never/i.test(value)) return null;
  const ms = Date.parse(value);
  return Number.isNaN(ms) || ms <= 0 ? null : ms;
}

const SHARED =
  /(?:^|[._-])(?:shared|generic|station|ward|reception|empfang|info|office|kiosk|pflege|triage|labor|lab|theatre|pharmacy|scan|scanner|copier|fax|team|desk|pc|workstation|user|test|guest|gast|training)(?:\d{1,4})?(?:$|[._-])/i;
const SERVICE =
  /^(?:svc|srv|service|sa|app|bot|sync|msol|aad|krbtgt|healthmailbox|systemmailbox|exchange|sql|backup|scanner)[._$-]|[._-](?:svc|service|sync|bot|daemon)$|^krbtgt$|\$$/i;
/** What a name alone suggests; used where the export does not say. */
export function kindOfName(name: string): 'service' | 'shared' | 'unknown' {
  const local = name.split('@')[0] as string;
  return SERVICE.test(local) ? 'service' : SHARED.test(local) ? 'shared' : 'unknown';
}

export function account(
  base: Pick<AuditAccount, 'service' | 'name' | 'factor' | 'why' | 'source'> & Partial<AuditAccount>,
): AuditAccount {
  return {
    display: base.name,
    enabled: null,
    privileged: null,
    external: null,
    kind: kindOfName(base.name),
    protocol: null,
    lastSignInMs: null,
    createdMs: null,
    marks: [],
    ...base,
  };
}
