/** The records: one schema for each idea, from which its type, its validation and its documentation derive. */

import { type Static, type TSchema, Type } from 'typebox';
import type {
  AccountId,
  AlertId,
  AssetId,
  AuditId,
  EventId,
  FindingId,
  IncidentId,
  IndicatorId,
  PersonId,
  SoftwareId,
  SourceId,
} from './ids.ts';
import { LIMITS } from './limits.ts';
import { ROOM_NAMES } from './rooms.ts';
import type { Rfc3339 } from './time.ts';

const name = (description?: string) =>
  Type.String({ maxLength: LIMITS.nameCharsMax, ...(description === undefined ? {} : { description }) });
const text = (description?: string) =>
  Type.String({ maxLength: LIMITS.textCharsMax, ...(description === undefined ? {} : { description }) });
const id = <T extends string>(prefix: string) => Type.Unsafe<T>(Type.String({ pattern: `^${prefix}_[0-9a-z]{26}$` }));
const list = <S extends TSchema>(item: S, maxItems: number) => Type.Array(item, { maxItems });
const optional = Type.Optional;
const words = <T extends string>(values: readonly T[]) => Type.Unsafe<T>({ type: 'string', enum: [...values] });

export const TimeSchema = Type.Unsafe<Rfc3339>(
  Type.String({ format: 'date-time', maxLength: 32, description: 'RFC 3339, in UTC' }),
);
export const SourceIdSchema = id<SourceId>('src');
export const AssetIdSchema = id<AssetId>('ast');
export const AccountIdSchema = id<AccountId>('acc');
export const SoftwareIdSchema = id<SoftwareId>('sw');
export const FindingIdSchema = id<FindingId>('fnd');
export const AlertIdSchema = id<AlertId>('alr');
export const IncidentIdSchema = id<IncidentId>('inc');
export const IndicatorIdSchema = id<IndicatorId>('ind');
export const AuditIdSchema = id<AuditId>('aud');
export const PersonIdSchema = id<PersonId>('per');
export const EventIdSchema = Type.Unsafe<EventId>(
  Type.String({ pattern: '^[0-9a-z]{4,16}-[0-9a-z]{1,11}-[0-9a-z]{1,6}$' }),
);

export const SEVERITIES = ['critical', 'high', 'medium', 'low', 'information'] as const;
export const SeveritySchema = words(SEVERITIES);
export type Severity = Static<typeof SeveritySchema>;
/** 0 is the worst. */
export const severityRank = (severity: Severity): number => SEVERITIES.indexOf(severity);
/** Severity is never colour alone: the shape that stands beside its word. */
export const SEVERITY_SHAPE: Readonly<Record<Severity, string>> = {
  critical: '◆',
  high: '▲',
  medium: '●',
  low: '○',
  information: '–',
};
/** What an alert or incident turned out to be. */
export const VERDICTS = ['real', 'harmless', 'exercise'] as const;
export type Verdict = (typeof VERDICTS)[number];
export const RoomSchema = words(ROOM_NAMES);

/** Who or what an alert or finding is about: `type` and `value` together are what incidents group by. */
export const ENTITY_TYPES = [
  'address',
  'host',
  'account',
  'asset',
  'service',
  'domain',
  'file',
  'hash',
  'process',
] as const;
export const EntitySchema = Type.Object({
  type: words(ENTITY_TYPES),
  value: name(),
  role: optional(words(['attacker', 'victim', 'witness'] as const)),
});
export type Entity = Static<typeof EntitySchema>;

/** One piece of proof that a person can look at again. Never holds a patient identifier or a secret. */
export const EvidenceSchema = Type.Object({
  what: text('One sentence: what was seen, where'),
  seen: TimeSchema,
  event: optional(EventIdSchema),
  command: optional(text('A command that shows the same again')),
  data: optional(Type.Record(Type.String({ maxLength: 64 }), Type.Union([text(), Type.Number(), Type.Boolean()]))),
});
export type Evidence = Static<typeof EvidenceSchema>;

/** The event as it leaves the system. Inside the pipeline it is the `DecodedEvent` of `core/event.ts`. */
export const EventSchema = Type.Object({
  id: EventIdSchema,
  time: TimeSchema,
  received: TimeSchema,
  source: SourceIdSchema,
  format: Type.String({ maxLength: 64, description: 'The decoder that understood it; "raw" when none did' }),
  logsource: Type.Object({ product: optional(name()), category: optional(name()), service: optional(name()) }),
  ocsf: Type.Record(Type.String({ maxLength: 64 }), Type.Union([Type.String(), Type.Number()]), {
    description: 'Normalised columns; see NORMALISED_COLUMNS',
  }),
  fields: Type.Record(Type.String({ maxLength: 256 }), Type.Unknown(), {
    description: 'The original fields, untouched',
  }),
  raw: Type.String({ maxLength: LIMITS.recordBytesMax }),
  marks: list(name(), 8),
  exercise: Type.Boolean(),
});
export type EventRecord = Static<typeof EventSchema>;

export const AssetSchema = Type.Object({
  id: AssetIdSchema,
  name: name(),
  class: words(['server', 'workstation', 'network', 'medical', 'mobile', 'printer', 'other', 'unknown'] as const),
  addresses: list(Type.String({ maxLength: 64 }), 64),
  macs: list(Type.String({ maxLength: 17 }), 64),
  os: optional(name()),
  owner: optional(name()),
  criticality: words(['life-sustaining', 'diagnostic', 'administrative', 'unknown'] as const),
  external: Type.Union([Type.Boolean(), Type.Null()], { description: 'Faces the internet; null is unknown' }),
  seen_by: list(name(), 32),
  reasons: list(text(), 16),
  first_seen: TimeSchema,
  last_seen: TimeSchema,
  exercise: Type.Boolean(),
});
export type Asset = Static<typeof AssetSchema>;

export const AccountSchema = Type.Object({
  id: AccountIdSchema,
  name: name(),
  service: name('Where it signs in: a host, a directory, an application'),
  asset: optional(AssetIdSchema),
  privileged: Type.Union([Type.Boolean(), Type.Null()]),
  external: Type.Union([Type.Boolean(), Type.Null()]),
  second_factor: words(['enforced', 'registered', 'bypassed', 'none', 'unknown'] as const),
  last_sign_in: optional(TimeSchema),
  evidence: list(EvidenceSchema, LIMITS.evidenceMax),
  first_seen: TimeSchema,
  last_seen: TimeSchema,
  exercise: Type.Boolean(),
});
export type Account = Static<typeof AccountSchema>;

export const SoftwareSchema = Type.Object({
  id: SoftwareIdSchema,
  asset: AssetIdSchema,
  ecosystem: Type.String({ maxLength: 64, description: 'deb, rpm, apk, npm, windows, …' }),
  name: name(),
  version: name(),
  source_name: optional(name()),
  source_version: optional(name()),
  arch: optional(Type.String({ maxLength: 32 })),
  release: optional(name()),
  first_seen: TimeSchema,
  last_seen: TimeSchema,
});
export type Software = Static<typeof SoftwareSchema>;

export const FINDING_STATES = ['open', 'accepted', 'fixed'] as const;
export const FindingSchema = Type.Object({
  id: FindingIdSchema,
  room: RoomSchema,
  kind: Type.String({ pattern: '^[a-z0-9]+(-[a-z0-9]+)*$', maxLength: 64 }),
  key: Type.String({ maxLength: 512, description: 'Tells findings of one kind on one asset apart' }),
  severity: SeveritySchema,
  asset: Type.Object({ id: optional(AssetIdSchema), name: name() }),
  title: name(),
  detail: optional(text()),
  evidence: list(EvidenceSchema, LIMITS.evidenceMax),
  fix: Type.Object({
    title: name('The action; findings with the same action are shown together'),
    how: text(),
    effort: words(['minutes', 'hours', 'days', 'unknown'] as const),
    disrupts: Type.Boolean({ description: 'May disturb care while it is done' }),
  }),
  first_seen: TimeSchema,
  last_seen: TimeSchema,
  due: Type.Union([TimeSchema, Type.Null()]),
  state: words(FINDING_STATES),
  reopened: Type.Integer({ minimum: 0, description: 'How often it came back after it was fixed' }),
  fixed_at: optional(TimeSchema),
  fixed_by: optional(EvidenceSchema),
  accepted: optional(Type.Object({ owner: name(), reason: text(), until: TimeSchema, by: name(), at: TimeSchema })),
  exercise: Type.Boolean(),
});
export type Finding = Static<typeof FindingSchema>;
/** The shape that every command prints for a finding with `--json`. */
export function publicFinding(finding: Finding): object {
  const { id, room, kind, severity, asset, title, evidence, first_seen, last_seen, due, fix, state } = finding;
  return { id, room, kind, severity, asset, title, evidence, first_seen, last_seen, due, fix, state };
}
export type FindingState = Finding['state'];

/** What a room saw this time. The store turns observations into findings with a life. */
export type FindingObservation = Pick<
  Finding,
  'room' | 'kind' | 'key' | 'severity' | 'asset' | 'title' | 'detail' | 'evidence' | 'fix' | 'due' | 'exercise'
>;

export const AlertSchema = Type.Object({
  id: AlertIdSchema,
  rule: Type.Object({
    id: name(),
    title: name(),
    level: SeveritySchema,
    tags: list(name(), 64),
    description: optional(text()),
    false_positives: list(text(), 16),
    response: optional(text('What to do, in one or two sentences')),
  }),
  title: name('What happened, as a sentence with its entities'),
  time: TimeSchema,
  received: TimeSchema,
  source: Type.Object({ id: optional(SourceIdSchema), name: name(), file: optional(text()), record: optional(name()) }),
  entities: list(EntitySchema, LIMITS.entitiesMax),
  events: list(EventIdSchema, LIMITS.evidenceMax),
  event_count: Type.Integer({ minimum: 1 }),
  matched: list(
    Type.Object({ field: name(), value: text(), words: list(text(), 16), event: optional(EventIdSchema) }),
    LIMITS.evidenceMax,
  ),
  incident: optional(IncidentIdSchema),
  /** Incidents it was in before they were merged into others, the latest last. */
  merged_from: optional(list(IncidentIdSchema, 64)),
  state: words(['new', 'acknowledged', 'closed'] as const),
  verdict: optional(words(VERDICTS)),
  retrospective: Type.Boolean(),
  exercise: Type.Boolean(),
});
export type Alert = Static<typeof AlertSchema>;

export const IncidentSchema = Type.Object({
  id: IncidentIdSchema,
  title: name(),
  severity: SeveritySchema,
  state: words(['open', 'closed'] as const),
  assignee: optional(PersonIdSchema),
  assignee_name: optional(name()),
  acknowledged_at: optional(TimeSchema),
  opened: TimeSchema,
  first_event: TimeSchema,
  last_event: TimeSchema,
  closed_at: optional(TimeSchema),
  close_reason: optional(text()),
  verdict: optional(words(VERDICTS)),
  entities: list(EntitySchema, LIMITS.entitiesMax),
  tactics: list(name(), 32),
  alert_count: Type.Integer({ minimum: 0 }),
  event_count: Type.Integer({ minimum: 0 }),
  comments: list(Type.Object({ by: name(), at: TimeSchema, text: text() }), 500),
  /** Hosts through which alerts of minutes join: `weak:` what happened on one host, `reached:` where an attacker got far. */
  ties: optional(list(name(), 256)),
  /** The incident that has its alerts now; it can be split off again. */
  merged_into: optional(IncidentIdSchema),
  /** Incidents that a person split from this one: they are not merged by themselves again. */
  apart: optional(list(IncidentIdSchema, 64)),
  exercise: Type.Boolean(),
  version: Type.Integer({ minimum: 1, description: 'Sent back with a change; a stale one answers 409' }),
  changed_version: Type.Integer({
    minimum: 1,
    description: 'The version that a person made last: alerts that join meanwhile make no change stale',
  }),
});
export type Incident = Static<typeof IncidentSchema>;

export const IndicatorSchema = Type.Object({
  id: IndicatorIdSchema,
  type: words(['address', 'cidr', 'domain', 'url', 'hash', 'email'] as const),
  value: Type.String({ maxLength: 2048 }),
  source: name(),
  confidence: Type.Integer({ minimum: 0, maximum: 100 }),
  tlp: words(['clear', 'green', 'amber', 'amber-strict', 'red'] as const),
  valid_until: optional(TimeSchema),
  first_seen: TimeSchema,
  last_seen: TimeSchema,
});
export type Indicator = Static<typeof IndicatorSchema>;

/** How far one recommendation is true, measured. Unknown is never counted as covered. */
export const CoverageSchema = Type.Object({
  room: RoomSchema,
  state: words(['measured', 'no-evidence'] as const),
  unit: name('What is counted: "assets", "accounts", "sources", …'),
  in_scope: Type.Integer({ minimum: 0 }),
  covered: Type.Integer({ minimum: 0 }),
  not_covered: Type.Integer({ minimum: 0 }),
  unknown: Type.Integer({ minimum: 0 }),
  measured_at: Type.Union([TimeSchema, Type.Null()]),
  sentence: text('The answer in one sentence'),
  next: Type.Object({ title: name(), command: optional(text()), finding: optional(FindingIdSchema) }),
  evidence: list(Type.Object({ label: name(), href: text(), count: Type.Integer({ minimum: 0 }) }), 16),
});
export type Coverage = Static<typeof CoverageSchema>;

export const SOURCE_KINDS = [
  'syslog',
  'http',
  'bulk',
  'otlp',
  'file',
  'journal',
  'import',
  'sensor',
  'check',
  'own',
] as const;
export const SourceSchema = Type.Object({
  id: SourceIdSchema,
  name: name(),
  kind: words(SOURCE_KINDS),
  address: optional(name('Peer address, path or token name')),
  zone: optional(Type.String({ maxLength: 64, description: 'IANA time zone of times that name none' })),
  expected_silence_sec: Type.Integer({ minimum: 1, description: 'Silence longer than this is a fault' }),
  critical: Type.Boolean(),
  first_seen: TimeSchema,
  last_seen: Type.Union([TimeSchema, Type.Null()]),
  events: Type.Integer({ minimum: 0 }),
  bytes: Type.Integer({ minimum: 0 }),
  not_understood: Type.Integer({ minimum: 0 }),
  dropped: Type.Integer({ minimum: 0, description: 'Refused or cut, with the reason in `faults`' }),
  formats: Type.Record(Type.String({ maxLength: 64 }), Type.Integer({ minimum: 0 })),
  faults: list(Type.Object({ what: text(), count: Type.Integer(), last: TimeSchema }), 32),
  exercise: Type.Boolean(),
});
export type Source = Static<typeof SourceSchema>;

export const AuditEntrySchema = Type.Object({
  id: AuditIdSchema,
  seq: Type.Integer({ minimum: 1 }),
  at: TimeSchema,
  actor: name('Person, token or "system"'),
  address: optional(Type.String({ maxLength: 64 })),
  action: Type.String({ pattern: '^[a-z0-9-]+(\\.[a-z0-9-]+)*$', maxLength: 64 }),
  target: optional(name()),
  outcome: words(['success', 'failure', 'denied'] as const),
  detail: optional(text()),
  previous: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  hash: Type.String({ pattern: '^[0-9a-f]{64}$' }),
});
export type AuditEntry = Static<typeof AuditEntrySchema>;
