/** Reads and sets one setting in the formats that servers use; pure text in, text out. */

const LINES_MAX = 20_000;
const linesOf = (text: string): string[] => text.split('\n').slice(0, LINES_MAX);
const escaped = (word: string): string => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** `Key value`, the first one counts, until the first Match block (sshd_config(5)). */
export function sshdValue(text: string, key: string): string | null {
  const pattern = new RegExp(`^\\s*${escaped(key)}(?:\\s+|\\s*=\\s*)(.{1,500})$`, 'i');
  for (const line of linesOf(text)) {
    if (/^\s*Match\s/i.test(line)) return null;
    const value = pattern.exec(line)?.[1];
    if (value !== undefined) return value.trim().replace(/^"|"$/g, '');
  }
  return null;
}

/** Puts the setting first, so that it is the one that counts. */
export const sshdSet = (text: string, key: string, value: string): string => `${key} ${value}\n${text}`;

/** `key = value` or `key value`, the last one counts; comments begin with # or ;. */
export function lastValue(text: string, key: string, section?: string): string | null {
  const pattern = new RegExp(`^\\s*${escaped(key).replaceAll(' ', '\\s+')}\\s*(?:=\\s*|\\s+)(.{0,500})$`, 'i');
  let inside = section === undefined;
  let found: string | null = null;
  for (const line of linesOf(text)) {
    const head = /^\s*\[([^\]]{1,100})\]/.exec(line)?.[1];
    if (head !== undefined && section !== undefined) inside = head.trim().toLowerCase() === section.toLowerCase();
    if (!inside || /^\s*[#;]/.test(line)) continue;
    const value = pattern.exec(line)?.[1];
    if (value !== undefined)
      found = value
        .replace(/\s+#.*$/, '')
        .trim()
        .replace(/^(['"])(.*)\1$/, '$2');
  }
  return found;
}

/** Appends the setting where the last one counts; inside a section at its end. */
export function lastSet(text: string, line: string, section?: string): string {
  if (section === undefined) return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${line}\n`;
  const lines = text.split('\n');
  const start = lines.findIndex((one) => one.trim().toLowerCase() === `[${section.toLowerCase()}]`);
  if (start < 0) return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}[${section}]\n${line}\n`;
  let end = lines.findIndex((one, i) => i > start && /^\s*\[/.test(one));
  if (end < 0) end = lines.length;
  while (end > start + 1 && (lines[end - 1] ?? '').trim() === '') end--;
  return [...lines.slice(0, end), line, ...lines.slice(end)].join('\n');
}

/** Lines without comments, numbered from 0. */
export function activeLines(text: string): { at: number; line: string }[] {
  return linesOf(text)
    .map((line, at) => ({ at, line: line.replace(/^\s*#.*$/, '').trim() }))
    .filter(({ line }) => line !== '');
}

export function replaceLines(text: string, change: (line: string) => string): string {
  return text
    .split('\n')
    .map((line) => (/^\s*#/.test(line) ? line : change(line)))
    .join('\n');
}
