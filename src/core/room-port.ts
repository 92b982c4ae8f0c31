/** What a room offers through its door for a first round of a machine and for the nine recommendations. */

import type { TypedApp } from './api-kit.ts';
import type { ArchiveReader } from './archive-port.ts';
import type { Config } from './config-schema.ts';
import type { AssetId } from './ids.ts';
import type { Account, Alert, Asset, Coverage, FindingObservation, Software } from './records.ts';
import type { RoomName } from './rooms.ts';
import type { Store } from './store-port.ts';
import type { Clock } from './time.ts';

/** One round over one asset: everything that was seen, and plainly what could not be. */
export interface RoundResult {
  readonly room: RoomName;
  /** Kinds of finding that this round judged completely: what it did not see again is fixed. */
  readonly judgedKinds: readonly string[];
  readonly findings: readonly FindingObservation[];
  readonly asset?: Partial<Asset>;
  readonly software?: readonly Omit<Software, 'id' | 'asset' | 'first_seen' | 'last_seen'>[];
  readonly accounts?: readonly Omit<Account, 'id' | 'first_seen' | 'last_seen' | 'exercise'>[];
  /** "Cannot read /etc/shadow: run as root to see password ages." */
  readonly notSeen: readonly string[];
}

/** What a round may read of a machine: files and the answers of programs. Nothing here changes the machine. */
export interface MachineReader {
  /** The text of a file, at most 4 MiB of it; null when it is not there or may not be read. */
  text(path: string): Promise<string | null>;
  /** Names in a folder; null when it is not there or may not be read. */
  names(path: string): Promise<readonly string[] | null>;
  /** Where a symbolic link points; null when it is none or may not be read. */
  link(path: string): Promise<string | null>;
  /** Last change, Unix milliseconds; null when it is not there. */
  changedMs(path: string): Promise<number | null>;
  /** Runs a program without a shell, for at most `timeoutMs`; null when it is not installed. */
  run(
    program: string,
    args: readonly string[],
    timeoutMs?: number,
  ): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string } | null>;
  readonly isRoot: boolean;
}

export interface RoundContext {
  readonly machine: MachineReader;
  readonly clock: Clock;
  readonly asset: { id: AssetId; name: string };
  readonly signal: AbortSignal;
  readonly onProgress: (sentence: string) => void;
}

/** What `serve` hands to a room that has routes or works in the background. */
export interface RoomServices {
  readonly store: Store;
  readonly clock: Clock;
  readonly config: Config;
  readonly dataDir: string;
  readonly exercise: boolean;
  readonly archive: ArchiveReader;
  /**
   * Appends JSON records to the event log, as a source of its own. Durable when it resolves; waits while the log is full
   * or stopped. The decoder knows such records by their fields, like those of any other sender.
   */
  readonly emit: (sourceName: string, records: readonly object[]) => Promise<void>;
  /** Alerts that were made outside the pipeline; they become incidents like all others, once an alert id. */
  readonly raise: (alerts: readonly Alert[]) => Promise<void>;
  /** A fault of the machinery, shown on the desk; null takes it back. */
  readonly alarm: (what: string, sentence: string | null) => void;
  readonly log: {
    info(entry: object, message: string): void;
    warn(entry: object, message: string): void;
  };
}

export interface Room {
  readonly name: RoomName;
  /** Looks at this machine; never needs root and never changes anything. */
  readonly round?: (context: RoundContext) => Promise<RoundResult>;
  /** The answer for this room's recommendation from what the store knows; unknown stays unknown. */
  readonly coverage: () => Promise<Coverage>;
  /** The room's HTTP routes; each declares `config.access`. */
  readonly routes?: (app: TypedApp, services: RoomServices) => Promise<void>;
  /** Work in the background while `serve` runs; answers how to end it. */
  readonly start?: (services: RoomServices) => Promise<() => Promise<void>>;
}
