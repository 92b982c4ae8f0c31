/** The standing alarms of the log as one sentence: each kind is set and cleared by itself. */

export type AlarmKind = 'disk' | 'damage' | 'retention';

export interface Alarms {
  set(kind: AlarmKind, sentence: string | null): void;
}

/** @param onAlarm called with all standing sentences when one changes, with null when the last one is gone */
export function createAlarms(onAlarm: (sentence: string | null) => void): Alarms {
  const standing = new Map<AlarmKind, string>();
  return {
    set(kind, sentence) {
      if ((standing.get(kind) ?? null) === sentence) return;
      if (sentence === null) standing.delete(kind);
      else standing.set(kind, sentence);
      onAlarm(standing.size === 0 ? null : [...standing.values()].join(' '));
    },
  };
}
