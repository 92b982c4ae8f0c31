/** What a decoder remembers from one record of a source to the next, bounded: W3C field lists, LDAP connections. */

import type { SourceId } from '../../core/index.ts';

const SOURCES_MAX = 2048;
const CONNECTIONS_MAX = 1024;

export interface SourceMemory {
  /** Column names of the last `#Fields` line (W3C extended log). */
  w3cFields: readonly string[] | null;
  /** Which web server writes this source's access log, once a line has shown it. */
  webServer: 'nginx' | 'apache' | null;
  /** slapd's connection number → who it is; the answer (`err=49`) does not repeat address and name. */
  readonly ldap: Map<string, { ip: string; port: number; dn: string }>;
}

function fresh(): SourceMemory {
  return { w3cFields: null, webServer: null, ldap: new Map() };
}

/** The memory of a source; the one that was unused for longest goes when there are too many. */
export function createMemories(): (source: SourceId) => SourceMemory {
  const memories = new Map<SourceId, SourceMemory>();
  return (source) => {
    let memory = memories.get(source);
    if (memory) memories.delete(source);
    else memory = fresh();
    memories.set(source, memory);
    if (memories.size > SOURCES_MAX) memories.delete(memories.keys().next().value as SourceId);
    return memory;
  };
}

/** Remembers a connection, forgetting the oldest beyond the limit. */
export function rememberLdap(memory: SourceMemory, id: string, entry: { ip: string; port: number; dn: string }): void {
  memory.ldap.delete(id);
  memory.ldap.set(id, entry);
  if (memory.ldap.size > CONNECTIONS_MAX) memory.ldap.delete(memory.ldap.keys().next().value as string);
}
