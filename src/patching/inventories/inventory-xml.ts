/**
 * A scanner for plain XML that takes its text in pieces: elements and their text. Entities are the five of XML and
 * numbers; a DOCTYPE ends the reading.
 */

import type { Faults } from '../patching-input.ts';

export type XmlNode =
  | { readonly kind: 'open'; readonly name: string; readonly attributes: Readonly<Record<string, string>> }
  | { readonly kind: 'close'; readonly name: string; readonly text: string; readonly parents: readonly string[] };

const DEPTH_MAX = 100;
const TAG_CHARS_MAX = 64 * 1024;
/** A comment or CDATA part, and the text of one element. */
const PART_CHARS_MAX = 4 * 1024 * 1024;
const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

export interface XmlScanner {
  /** The nodes that the text so far completes; none after a fault. */
  take(text: string, last: boolean): XmlNode[];
}

/** Names without their namespace prefix; `close` carries the text that was directly in the element. */
export function createXmlScanner(faults: Faults): XmlScanner {
  const names: string[] = [];
  const texts: string[] = [];
  let rest = '';
  let stopped = false;
  const stop = (what: string): null => {
    faults.add(what);
    stopped = true;
    return null;
  };
  const addText = (text: string) => {
    const top = texts.length - 1;
    const known = texts[top];
    if (known !== undefined && known.length < PART_CHARS_MAX) texts[top] = known + text;
  };
  /** Reads from `at`, where a `<` stands; answers where to go on, null when more text is needed or all is over. */
  const tag = (text: string, at: number, last: boolean, out: XmlNode[]): number | null => {
    const part = partAt(text, at);
    if (part !== null) {
      const end = text.indexOf(part.stop, at + part.start.length);
      if (end < 0) {
        if (last || text.length - at > PART_CHARS_MAX) return stop('XML with a part that has no end');
        return null;
      }
      if (part.start === '<![CDATA[') addText(text.slice(at + 9, end));
      return end + part.stop.length;
    }
    if (!last && text.length - at < 9) return null;
    if (text.startsWith('<!', at)) return stop('XML with a DOCTYPE or a broken tag');
    const end = endOfTag(text, at);
    if (end < 0) return last || text.length - at > TAG_CHARS_MAX ? stop('XML with a DOCTYPE or a broken tag') : null;
    element(text.slice(at + 1, end), out);
    return stopped ? null : end + 1;
  };
  const element = (inner: string, out: XmlNode[]): void => {
    if (inner.startsWith('/')) {
      const name = names.pop();
      const own = texts.pop() ?? '';
      if (name === undefined || name !== local(inner.slice(1).trim()))
        return void stop('XML whose elements do not match');
      out.push({ kind: 'close', name, text: own.trim(), parents: names.slice() });
      return;
    }
    const empty = inner.endsWith('/');
    const body = empty ? inner.slice(0, -1) : inner;
    const name = local(/^[^\s]*/.exec(body)?.[0] ?? '');
    out.push({ kind: 'open', name, attributes: attributesOf(body) });
    if (empty) out.push({ kind: 'close', name, text: '', parents: names.slice() });
    else if (names.length >= DEPTH_MAX) stop('XML that is nested too deeply');
    else {
      names.push(name);
      texts.push('');
    }
  };
  return {
    take(more, last) {
      const out: XmlNode[] = [];
      const text = rest + more;
      let at = 0;
      while (!stopped && at < text.length) {
        const next = text.indexOf('<', at);
        // Text is held back until its end: an entity may be cut in two.
        if (next < 0 && !last && text.length - at < PART_CHARS_MAX) break;
        if (texts.length > 0) addText(plainText(text.slice(at, next < 0 ? undefined : next)));
        if (next < 0) {
          at = text.length;
          break;
        }
        const after = tag(text, next, last, out);
        at = after ?? next;
        if (after === null) break;
      }
      rest = stopped ? '' : text.slice(at);
      if (last && !stopped && names.length > 0) stop('XML that ends in the middle');
      return out;
    },
  };
}

const SLICE_CHARS = 256 * 1024;

/** The nodes of a whole text, a slice at a time: as objects they take a hundred times the room of their text. */
export function* scanXml(text: string, faults: Faults): Generator<XmlNode> {
  const scanner = createXmlScanner(faults);
  for (let at = 0; at === 0 || at < text.length; at += SLICE_CHARS)
    yield* scanner.take(text.slice(at, at + SLICE_CHARS), at + SLICE_CHARS >= text.length);
}

const local = (name: string) => name.slice(name.indexOf(':') + 1);

const PARTS = [
  { start: '<!--', stop: '-->' },
  { start: '<?', stop: '?>' },
  { start: '<![CDATA[', stop: ']]>' },
] as const;
const partAt = (text: string, at: number) => PARTS.find(({ start }) => text.startsWith(start, at)) ?? null;

function endOfTag(text: string, at: number): number {
  let quote = '';
  const limit = Math.min(text.length, at + TAG_CHARS_MAX);
  for (let i = at + 1; i < limit; i++) {
    const char = text[i] as string;
    if (quote !== '') quote = char === quote ? '' : quote;
    else if (char === '"' || char === "'") quote = char;
    else if (char === '>') return i;
  }
  return -1;
}

function attributesOf(body: string): Record<string, string> {
  const found: Record<string, string> = Object.create(null) as Record<string, string>;
  if (!body.includes('=')) return found;
  for (const match of body.matchAll(/\s([A-Za-z_:][\w:.-]{0,63})\s{0,8}=\s{0,8}(?:"([^"]*)"|'([^']*)')/g))
    found[local(match[1] as string)] = plainText(match[2] ?? match[3] ?? '');
  return found;
}

function plainText(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&(#x[0-9a-fA-F]{1,6}|#[0-9]{1,7}|[a-z]{2,4});/g, (all, name: string) => {
    if (!name.startsWith('#')) return Object.hasOwn(ENTITIES, name) ? (ENTITIES[name] as string) : all;
    const code = name[1] === 'x' ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
    return code > 0 && code <= 0x10_ffff ? String.fromCodePoint(code) : all;
  });
}
