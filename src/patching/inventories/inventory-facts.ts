/** What an inventory says of a host beside its packages; several statements become one, and later ones fill gaps only. */

import type { Asset } from '../../core/index.ts';
import type { SoftwareRecord } from '../patching-package.ts';

export interface HostFacts {
  readonly os?: string;
  /** "Debian:12": for packages that do not say. */
  readonly release?: string;
  readonly addresses?: readonly string[];
  readonly macs?: readonly string[];
  readonly serial?: string;
  readonly uuid?: string;
  /** The kernel that runs, as `uname -r` says it. */
  readonly kernel?: string;
  /** Services that still run code from before an update. */
  readonly oldCode?: readonly string[];
  /** KB numbers without "KB". */
  readonly hotfixes?: readonly string[];
  readonly class?: Asset['class'];
  readonly vendor?: string;
  readonly model?: string;
  /** Software or firmware of a device. */
  readonly version?: string;
  readonly owner?: string;
  readonly department?: string;
  readonly criticality?: Asset['criticality'];
  readonly external?: boolean;
  /** Hosts that stand in for each other: never in one maintenance window. */
  readonly pair?: string;
  /** When the source looked, Unix milliseconds. */
  readonly seenMs?: number;
}

/** What a bill of materials is about: VEX statements about a whole product hold for its parts. */
export interface ListedProduct {
  readonly ecosystem: string;
  readonly name: string;
  readonly version: string;
  /** "urn:cdx:<serial>/<version>#<bom-ref>" where the document says it. */
  readonly ref: string | null;
}

export type Listed =
  /** `gone`: a differential result says that it was removed; `partial`: it says only what changed. */
  | {
      readonly host: string | null;
      readonly software: SoftwareRecord;
      readonly gone?: boolean;
      readonly partial?: boolean;
    }
  | { readonly host: string | null; readonly product: ListedProduct }
  | { readonly host: string | null; readonly facts: HostFacts };

const LIST_MAX = 64;
const HOTFIXES_MAX = 2_000;
const TEXT_MAX = 250;

const LISTS = { addresses: LIST_MAX, macs: LIST_MAX, hotfixes: HOTFIXES_MAX, oldCode: LIST_MAX } as const;

/** `more` fills what `known` does not say; lists are joined. */
export function joinFacts(known: HostFacts, more: HostFacts): HostFacts {
  const joined: Record<string, unknown> = { ...more, ...known };
  for (const [key, max] of Object.entries(LISTS)) {
    const own = (known as Record<string, readonly string[] | undefined>)[key];
    const other = (more as Record<string, readonly string[] | undefined>)[key];
    // An empty list is an answer: somebody looked and found none.
    if (own || other) joined[key] = [...new Set([...(own ?? []), ...(other ?? [])])].slice(0, max);
  }
  return joined as HostFacts;
}

/** Only texts that are there, cut to what a record may hold. */
export function factsOf(texts: Readonly<Record<string, string | undefined>>): HostFacts {
  const facts: Record<string, string> = {};
  for (const [key, text] of Object.entries(texts)) {
    const plain = (text ?? '').trim().slice(0, TEXT_MAX);
    if (plain !== '') facts[key] = plain;
  }
  return facts as HostFacts;
}

/** "00-1A-2b-3c-4d-5e" → "00:1a:2b:3c:4d:5e"; null when it is none, or one that many machines have. */
export function macOf(text: string): string | null {
  const hex = text.toLowerCase().replace(/[^0-9a-f]/g, '');
  if (hex.length !== 12 || text.length > 17 || /^(0{12}|f{12})$/.test(hex)) return null;
  return (hex.match(/../g) as string[]).join(':');
}

/** Texts that stand where a serial number should and say nothing. */
const NO_SERIAL =
  /^(?:0+|none|n\/?a|unknown|default string|to be filled.*|system serial number|not specified|not applicable|x+|1234567890?|invalid)$/i;

export function serialOf(text: string): string | null {
  const plain = text.trim().slice(0, 64);
  return plain.length < 4 || NO_SERIAL.test(plain) ? null : plain;
}

export function classOf(text: string): Asset['class'] | null {
  const lower = text.slice(0, 200).toLowerCase();
  const words: readonly [Asset['class'], RegExp][] = [
    [
      'medical',
      /medical|infusion|pump|ventilator|monitor(?:ing)? system|patient monitor|ultrasound|modality|imaging|x-?ray|\bct\b|\bmri\b|dialysis|defib|analy[sz]er|biomed/,
    ],
    ['server', /server|hypervisor|virtual machine host/],
    ['network', /router|switch|firewall|access point|network|gateway/],
    ['printer', /printer|mfp/],
    ['mobile', /phone|tablet|mobile|ipad/],
    ['workstation', /workstation|desktop|laptop|notebook|client|\bpc\b|thin client/],
  ];
  return words.find(([, pattern]) => pattern.test(lower))?.[0] ?? null;
}

export function criticalityOf(text: string): Asset['criticality'] | null {
  const lower = text.slice(0, 200).toLowerCase();
  if (/life|critical care|sustain|class iii|^iii$|^very high$/.test(lower)) return 'life-sustaining';
  if (/diagnos|imaging|class ii|^ii[ab]?$|treatment|^high$/.test(lower)) return 'diagnostic';
  return /admin|office|low|class i\b|^i$/.test(lower) ? 'administrative' : null;
}
