/** A scanner for plain XML: elements and their text. Entities are the five of XML and numbers; a DOCTYPE ends the reading. */

import type { Faults } from '../patching-input.ts';

export type XmlNode =
  | { readonly kind: 'open'; readonly name: string; readonly attributes: Readonly<Record<string, string>> }
  | { readonly kind: 'close'; readonly name: string; readonly text: string; readonly parents: readonly string[] };

const DEPTH_MAX = 100;
const TAG_CHARS_MAX = 64 * 1024;
const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

/** Names without their namespace prefix; `close` carries the text that was directly in the element. */
export function* scanXml(text: string, faults: Faults): Generator<XmlNode> {
  const names: string[] = [];
  const texts: string[] = [];
  let at = 0;
  while (at < text.length) {
    const tag = text.indexOf('<', at);
    const plain = text.slice(at, tag < 0 ? undefined : tag);
    if (texts.length > 0) texts[texts.length - 1] += plainText(plain);
    if (tag < 0) break;
    const skipped = skip(text, tag);
    if (skipped !== null) {
      if (text.startsWith('<![CDATA[', tag) && texts.length > 0)
        texts[texts.length - 1] += text.slice(tag + 9, skipped - 3);
      at = skipped;
      continue;
    }
    const end = endOfTag(text, tag);
    if (end < 0 || text.startsWith('<!', tag)) return faults.add('XML with a DOCTYPE or a broken tag');
    const inner = text.slice(tag + 1, end);
    at = end + 1;
    if (inner.startsWith('/')) {
      const name = names.pop();
      const own = texts.pop() ?? '';
      if (name === undefined || name !== local(inner.slice(1).trim()))
        return faults.add('XML whose elements do not match');
      yield { kind: 'close', name, text: own.trim(), parents: names };
      continue;
    }
    const empty = inner.endsWith('/');
    const body = empty ? inner.slice(0, -1) : inner;
    const name = local(/^[^\s]*/.exec(body)?.[0] ?? '');
    yield { kind: 'open', name, attributes: attributesOf(body) };
    if (empty) yield { kind: 'close', name, text: '', parents: names };
    else {
      if (names.length >= DEPTH_MAX) return faults.add('XML that is nested too deeply');
      names.push(name);
      texts.push('');
    }
  }
  if (names.length > 0) faults.add('XML that ends in the middle');
}

const local = (name: string) => name.slice(name.indexOf(':') + 1);

/** After a comment, an instruction or a CDATA part; null when there is none. */
function skip(text: string, at: number): number | null {
  for (const [start, stop] of [
    ['<!--', '-->'],
    ['<?', '?>'],
    ['<![CDATA[', ']]>'],
  ] as const)
    if (text.startsWith(start, at)) {
      const end = text.indexOf(stop, at + start.length);
      return end < 0 ? text.length : end + stop.length;
    }
  return null;
}

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
