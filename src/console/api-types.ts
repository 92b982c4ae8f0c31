/** What the API answers, built from core's records; the console holds no schema of its own. */

import type { Alert, Asset, Coverage, EventRecord, Finding, Incident, Software } from '../core/records.ts';
import type { RoomName } from '../core/rooms.ts';
import type { FindingAction, Role } from '../core/store-port.ts';

export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

export interface EventPage extends Page<EventRecord> {
  readonly took_ms: number;
}

export interface SessionAnswer {
  readonly person: {
    readonly id: string;
    readonly username: string;
    readonly display_name: string;
    readonly role: Role;
  } | null;
  readonly csrf: string;
  readonly needs_enrolment: boolean;
}

export interface TrendPoint {
  readonly day: string;
  readonly room: RoomName;
  readonly covered: number;
  readonly in_scope: number;
  readonly unknown: number;
}

export interface Overview {
  readonly sentence: string;
  readonly incident: Incident | null;
  readonly coverage: readonly Coverage[];
  readonly trend: readonly TrendPoint[];
  readonly rate: { readonly per_sec: readonly number[]; readonly now: number; readonly alert_p99_ms: number | null };
  readonly sources: {
    readonly total: number;
    readonly sending: number;
    readonly silent: readonly { readonly id: string; readonly name: string; readonly silent_sec: number }[];
  };
  readonly attackers: readonly {
    readonly address: string;
    readonly targets: readonly string[];
    readonly tries: number;
  }[];
  readonly due: { readonly findings: number; readonly exceptions: number };
  readonly counts?: { readonly incidents: number; readonly alerts: number; readonly findings: number };
  readonly actions: readonly FindingAction[];
  readonly alarm?: string | null;
  readonly exercise: boolean;
}

export interface IncidentAnswer {
  readonly incident: Incident;
  readonly alerts: readonly Alert[];
  readonly alerts_next?: string | null;
}

export interface AssetAnswer {
  readonly asset: Asset;
  readonly findings: readonly Finding[];
  readonly software: readonly Software[];
  readonly software_next?: string | null;
}

export interface Histogram {
  readonly items: readonly { readonly start: string; readonly count: number }[];
}

export interface PersonRow {
  readonly id: string;
  readonly username: string;
  readonly display_name: string;
  readonly role: Role;
  readonly disabled: boolean;
  readonly created: string;
  readonly last_sign_in: string | null;
}

export interface TokenRow {
  readonly id: string;
  readonly name: string;
  readonly scope: 'ingest' | 'read' | 'write';
  readonly role: Role | null;
  readonly source: string | null;
  readonly created_by: string;
  readonly created: string;
  readonly expires: string | null;
  readonly last_used: string | null;
  readonly revoked: boolean;
}

export interface PasskeyRow {
  readonly id: string;
  readonly name: string;
  readonly created: string;
  readonly last_used: string | null;
}

export interface PasskeysAnswer extends Page<PasskeyRow> {
  readonly totp?: boolean;
  readonly recovery_codes_left?: number;
}

export interface AuditVerdict {
  readonly ok: boolean;
  readonly entries: number;
  readonly first_bad: number | null;
  readonly reason: string | null;
}

export interface SessionRow {
  readonly id: string;
  readonly created: string;
  readonly last_seen: string;
  readonly address: string;
  readonly user_agent: string;
  readonly factors: readonly string[];
  readonly current?: boolean;
}

export interface SettingsAnswer {
  readonly archive: { readonly retention_days: number };
  readonly stream: { readonly retention_hours: number; readonly retention_mb: number };
  readonly notify: { readonly level: string; readonly webhook: string | null; readonly email: readonly string[] };
  readonly store: string;
  readonly listeners: readonly { readonly name: string; readonly address: string }[];
  readonly outbox: readonly {
    readonly channel: string;
    readonly attempts: number;
    readonly last_error: string | null;
  }[];
}
