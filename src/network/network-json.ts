/** JSON as far as it goes: reads what an interrupted capture holds, with ceilings on depth and nodes, and never throws. */

export type Loose = string | number | boolean | null | Loose[] | { [key: string]: Loose };

const DEPTH_MAX = 32;
const NODES_MAX = 50_000;

/** The value as far as it could be read; null when it does not begin like JSON. */
export function looseJson(text: string): Loose {
  let at = 0;
  let nodes = 0;
  let broken = false;

  const space = (): void => {
    while (at < text.length && text.charCodeAt(at) <= 32) at++;
  };
  const stringHere = (): string => {
    let end = at + 1;
    while (end < text.length && text.charCodeAt(end) !== 34) end += text.charCodeAt(end) === 92 ? 2 : 1;
    const inner = text.slice(at + 1, Math.min(end, text.length));
    if (end >= text.length) broken = true;
    at = end + 1;
    return inner;
  };
  const members = (depth: number): Loose => {
    const object: { [key: string]: Loose } = Object.create(null) as { [key: string]: Loose };
    at++;
    for (;;) {
      space();
      if (text[at] === ',') {
        at++;
        continue;
      }
      if (text[at] !== '"') break;
      const key = stringHere();
      space();
      if (text[at] !== ':' || broken) break;
      at++;
      object[key] = value(depth + 1);
      if (broken) return object;
    }
    if (text[at] === '}') at++;
    else broken = true;
    return object;
  };
  const items = (depth: number): Loose => {
    const list: Loose[] = [];
    at++;
    for (;;) {
      space();
      if (text[at] === ',') {
        at++;
        continue;
      }
      if (at >= text.length || text[at] === ']') break;
      list.push(value(depth + 1));
      if (broken) return list;
    }
    if (text[at] === ']') at++;
    else broken = true;
    return list;
  };
  const value = (depth: number): Loose => {
    space();
    if (++nodes > NODES_MAX || depth > DEPTH_MAX) {
      broken = true;
      return null;
    }
    const c = text[at];
    if (c === '{') return members(depth);
    if (c === '[') return items(depth);
    if (c === '"') return stringHere();
    const start = at;
    while (at < text.length && !',]} \r\n\t'.includes(text[at]!)) at++;
    if (at === start) broken = true;
    return text.slice(start, at);
  };
  return value(0);
}
