/**
 * Text configuration, without its secrets: what is kept of a file for a later difference, and the difference of two.
 * A secret is replaced by a keyed hash before it is stored: that it changed shows, what it was does not.
 */

import { createHmac } from 'node:crypto';

/** Larger files are no configuration that a person reads. */
export const TEXT_BYTES_MAX = 256 * 1024;
const LINES_MAX = 4000;
const LINE_CHARS_MAX = 400;
const SHOWN_LINES_MAX = 40;

const SECRET_NAME =
  'pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|private[_-]?key|credential|psk|community|auth[_-]?key|bind[_-]?pw|salt|cookie';
/** `name = value`, `name: value`, `name value`, `"name": "value"`; the name holds a word for secrets. */
const ASSIGNED = new RegExp(
  `([A-Za-z0-9_."'-]{0,40}(?:${SECRET_NAME})[A-Za-z0-9_."'-]{0,24}[ \\t]{0,8}[:= ][ \\t]{0,8})(\\S.{0,300})`,
  'i',
);
/** crypt(3) hashes, long random words, user:password in addresses, authorised keys keep their comment. */
const VALUES = [
  /\$(?:1|2[aby]?|5|6|y|gy|7|argon2[id]{1,2})\$[^\s:"']{8,200}/g,
  /(?<=:\/\/[^\s:@/]{1,64}:)[^\s@/]{1,128}(?=@)/g,
  /\b(?:eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*|gh[pousr]_[A-Za-z0-9]{20,}|AKIA[A-Z0-9]{16})/g,
] as const;

/** @returns null for what is no text: NUL bytes, or too large */
export function maskedLines(bytes: Uint8Array, key: string): string[] | null {
  if (bytes.length > TEXT_BYTES_MAX || bytes.subarray(0, 8192).includes(0)) return null;
  const mark = (secret: string): string =>
    `‹hidden ${createHmac('sha256', key).update(secret).digest('hex').slice(0, 8)}›`;
  let inKey = false;
  const lines = Buffer.from(bytes).toString('utf8').split('\n').slice(0, LINES_MAX);
  return lines.map((line) => {
    if (/-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----/.test(line)) inKey = true;
    const inside = inKey;
    if (/-----END [A-Z ]{0,30}PRIVATE KEY-----/.test(line)) inKey = false;
    if (inside) return mark(line);
    let text = line
      .slice(0, LINE_CHARS_MAX)
      .replace(/[\p{Cc}\p{Cf}]/gu, ' ')
      .trimEnd();
    for (const pattern of VALUES) text = text.replace(pattern, (secret) => mark(secret));
    return text.replace(ASSIGNED, (_, name: string, secret: string) => name + mark(secret));
  });
}

/**
 * Lines taken out (`-`) and put in (`+`), in order; by the longest common subsequence after the equal head and tail. When
 * what is left is too large for that, all of it counts as replaced.
 */
export function lineDifference(before: readonly string[], after: readonly string[]): string[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let endA = before.length;
  let endB = after.length;
  while (endA > start && endB > start && before[endA - 1] === after[endB - 1]) {
    endA--;
    endB--;
  }
  const a = before.slice(start, endA);
  const b = after.slice(start, endB);
  const out = a.length * b.length > 1_000_000 ? [...a.map((l) => `-${l}`), ...b.map((l) => `+${l}`)] : common(a, b);
  const more = out.length - SHOWN_LINES_MAX;
  return more > 0 ? [...out.slice(0, SHOWN_LINES_MAX), `… and ${more} more lines`] : out;
}

function common(a: readonly string[], b: readonly string[]): string[] {
  const width = b.length + 1;
  const table = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      table[i * width + j] =
        a[i] === b[j]
          ? (table[(i + 1) * width + j + 1] as number) + 1
          : Math.max(table[(i + 1) * width + j] as number, table[i * width + j + 1] as number);
  const out: string[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      i++;
      j++;
    } else if (
      i < a.length &&
      (j === b.length || (table[(i + 1) * width + j] as number) >= (table[i * width + j + 1] as number))
    )
      out.push(`-${a[i++]}`);
    else out.push(`+${b[j++]}`);
  }
  return out;
}

const HIDDEN = '‹hidden›';
const NAMES_SECRET = new RegExp(`(?:${SECRET_NAME})$`, 'i');
/** Programs whose -p is a password: joined to it, or the next word. */
const JOINED = /^(?:mysql|mariadb|sshpass)/;
const NEXT = /^sshpass$/;

/** The words of a command line without passwords and tokens: by the names of options, by address, by what programs call them. */
export function maskedCommand(words: readonly string[]): string {
  let hideNext = false;
  let program = '';
  const shown: string[] = [];
  for (const word of words.slice(0, 64)) {
    const bare = word.slice(0, LINE_CHARS_MAX);
    const before = shown.at(-1) ?? '';
    if (hideNext) {
      hideNext = false;
      shown.push(HIDDEN);
      continue;
    }
    if (program === '' || NEXT.test(program)) program = bare.startsWith('-') ? program : (bare.split('/').at(-1) ?? '');
    hideNext = /^--?[\w-]+$/.test(bare) && (NAMES_SECRET.test(bare) || (bare === '-p' && NEXT.test(program)));
    if (JOINED.test(program) && /^-p./.test(bare)) shown.push(`-p${HIDDEN}`);
    else if (/^(?:-u|--user|--proxy-user)$/.test(before) && bare.includes(':'))
      shown.push(`${bare.slice(0, bare.indexOf(':') + 1)}${HIDDEN}`);
    else shown.push(maskedWord(bare));
  }
  return shown.join(' ');
}

function maskedWord(word: string): string {
  let text = word;
  for (const pattern of VALUES) text = text.replace(pattern, HIDDEN);
  if (/^(?:[\w-]*-)?authorization: ?/i.test(text)) return `${text.slice(0, text.indexOf(':') + 1)} ${HIDDEN}`;
  return text.replace(
    new RegExp(`((?:^|[^A-Za-z])[A-Za-z0-9_.-]{0,40}(?:${SECRET_NAME})["']?[=:])[^/].{0,300}`, 'i'),
    (_, name: string) => name + HIDDEN,
  );
}
