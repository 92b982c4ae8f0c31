/**
 * Finds every literal of a field in one pass (Aho and Corasick 1975) over a table of transitions. A hot path:
 * bench/bench-detect.ts shows what it costs; the plain evaluator beside it is what tests compare with.
 */

import { BEGIN, END } from './detection-literal.ts';

export interface Automaton {
  readonly states: number;
  /** Calls `hit` with the payload of each literal that stands in the lower-case value. */
  scan(value: string, hit: (payload: number) => void): void;
}

interface Trie {
  /** Children by symbol, while it is built. */
  readonly children: Map<number, number>[];
  readonly payloads: (number[] | null)[];
}

function symbolsOf(literals: readonly string[]): { table: Uint8Array; count: number } {
  const table = new Uint8Array(128);
  let count = 1;
  for (const literal of literals) {
    for (let i = 0; i < literal.length; i++) {
      const c = literal.charCodeAt(i);
      if (table[c] === 0) table[c] = count++;
    }
  }
  return { table, count };
}

function plant(literals: readonly string[], payloads: readonly (readonly number[])[], table: Uint8Array): Trie {
  const trie: Trie = { children: [new Map()], payloads: [null] };
  literals.forEach((literal, n) => {
    let at = 0;
    for (let i = 0; i < literal.length; i++) {
      const symbol = table[literal.charCodeAt(i)] as number;
      const children = trie.children[at] as Map<number, number>;
      let next = children.get(symbol);
      if (next === undefined) {
        next = trie.children.push(new Map()) - 1;
        trie.payloads.push(null);
        children.set(symbol, next);
      }
      at = next;
    }
    trie.payloads[at] = [...(trie.payloads[at] ?? []), ...(payloads[n] as readonly number[])];
  });
  return trie;
}

/**
 * @param literals lower-case ASCII texts, with the edge symbols where they are tied to one
 * @param payloads for each literal the numbers handed to `hit`
 */
export function createAutomaton(literals: readonly string[], payloads: readonly (readonly number[])[]): Automaton {
  const { table, count } = symbolsOf([...literals, BEGIN + END]);
  const trie = plant(literals, payloads, table);
  const states = trie.children.length;
  const next = new Int32Array(states * count);
  const fail = new Int32Array(states);
  /** The nearest state on the way of suffixes that has payloads, itself included; 0 for none. */
  const output = new Int32Array(states);
  const queue: number[] = [0];
  for (let q = 0; q < queue.length; q++) {
    const state = queue[q] as number;
    const children = trie.children[state] as Map<number, number>;
    const back = fail[state] as number;
    output[state] = trie.payloads[state] ? state : state === 0 ? 0 : (output[back] as number);
    for (let symbol = 0; symbol < count; symbol++) {
      const child = children.get(symbol);
      const fallback = state === 0 ? 0 : (next[back * count + symbol] as number);
      if (child === undefined) next[state * count + symbol] = fallback;
      else {
        next[state * count + symbol] = child;
        fail[child] = fallback;
        queue.push(child);
      }
    }
  }
  const payloadsOf = trie.payloads;
  const begin = next[table[BEGIN.charCodeAt(0)] as number] as number;
  const endSymbol = table[END.charCodeAt(0)] as number;

  const report = (from: number, hit: (payload: number) => void): void => {
    for (let at = from; at !== 0; at = output[fail[at] as number] as number) {
      const list = payloadsOf[at] as number[];
      for (let i = 0; i < list.length; i++) hit(list[i] as number);
    }
  };

  return {
    states,
    scan: (value, hit) => {
      let state = begin;
      for (let i = 0, length = value.length; i < length; i++) {
        const c = value.charCodeAt(i);
        state = next[state * count + (c < 128 ? (table[c] as number) : 0)] as number;
        const found = output[state] as number;
        if (found !== 0) report(found, hit);
      }
      const found = output[next[state * count + endSymbol] as number] as number;
      if (found !== 0) report(found, hit);
    },
  };
}
