/** The one reading of a request's target, method and host. What two programs could read in two ways is refused. */

/** Longer targets are refused: every server in use has a limit near it. */
const TARGET_CHARS_MAX = 8192;
const METHOD = /^[A-Z]{1,16}$/;
/** CONNECT makes tunnels and TRACE echoes cookies (RFC 9110 sections 9.3.6 and 9.3.8). */
const METHODS_REFUSED = new Set(['CONNECT', 'TRACE', 'TRACK']);

export interface Target {
  /** Decoded once, starting with `/`, without `//`, `.`, `..`, `;`, backslashes or control characters. */
  readonly path: string;
  /** `path` as the most lenient application could read it ({@link foldPath}); restrictions are held against this. */
  readonly folded: string;
  /** As it was written, from `?` on; empty when there is none. */
  readonly query: string;
}
export type Refusal = { readonly refused: string };

/** Characters that, once decoded, another program could read as structure. */
const STRUCTURE = /[/\\.;%?#]/g;

/** The target of a request line (origin-form, RFC 9112 section 3.2.1), or why it is refused. */
export function readTarget(raw: string): Target | Refusal {
  if (raw.length === 0 || raw.length > TARGET_CHARS_MAX) return { refused: 'target-length' };
  if (raw.charCodeAt(0) !== 0x2f) return { refused: 'target-form' };
  // Only what RFC 3986 allows in a path or query, plus what browsers really send in queries.
  for (let i = 0; i < raw.length; i++) {
    const code = raw.charCodeAt(i);
    if (code <= 0x20 || code >= 0x7f || code === 0x5c || code === 0x23) return { refused: 'target-character' };
  }
  const mark = raw.indexOf('?');
  const written = mark < 0 ? raw : raw.slice(0, mark);
  const query = mark < 0 ? '' : raw.slice(mark);
  const path = decodePath(written);
  if (typeof path !== 'string') return path;
  const folded = foldPath(path);
  // What shows only when folded: `admin.` with something invisible behind it, spaces of another width.
  if (folded !== path.toLowerCase() && /[. ](?:\/|$)/.test(folded)) return { refused: 'path-dots' };
  return { path, folded, query };
}

/**
 * Without regard to case, width and what is invisible: file systems and frameworks take `Admin`, `ａｄｍｉｎ`, `adm\u0131n` and
 * `ad\u00admin` for `admin` (UAX #15, UAX #31 section 2.3; CVE-2014-9390 for what follows).
 */
export function foldPath(path: string): string {
  if (!/[^\x20-\x7e]/.test(path)) return path.toLowerCase();
  const once = path
    .normalize('NFKC')
    .replace(/\p{Default_Ignorable_Code_Point}/gu, '')
    .toLowerCase()
    .toUpperCase()
    .toLowerCase();
  // Changing the case can leave letters and marks apart that belong together.
  return once.normalize('NFKC').replaceAll('i\u0307', 'i');
}

function decodePath(written: string): string | Refusal {
  if (/["<>^`{|}]/.test(written)) return { refused: 'path-character' };
  // `admin:$DATA` and `admin::$INDEX_ALLOCATION` are `admin` to servers on NTFS.
  if (/(?::|%3a)(?:\$|%24)/i.test(written)) return { refused: 'path-stream' };
  if (written.includes(';')) return { refused: 'path-parameter' };
  if (written.includes('//')) return { refused: 'path-empty-segment' };
  const simple = !written.includes('%');
  const path = simple ? written : decodeOnce(written);
  if (typeof path !== 'string') return path;
  let from = 1;
  while (from <= path.length) {
    const slash = path.indexOf('/', from);
    const end = slash < 0 ? path.length : slash;
    const last = path.charCodeAt(end - 1);
    // `.` and `..` are steps; `admin.` and `admin%20` are `admin` to servers on Windows.
    if (end > from && (last === 0x2e || last === 0x20)) return { refused: 'path-dots' };
    from = end + 1;
  }
  return path;
}

function decodeOnce(written: string): string | Refusal {
  if (!/^(?:[^%]|%[0-9A-Fa-f]{2})*$/.test(written)) return { refused: 'path-encoding' };
  // Encoded `/`, `\`, `.`, `;`, `%`, `?`, `#` and control characters have no honest use in a path.
  if (/%(?:2[fFeE53]|5[cC]|3[bBfF]|[01][0-9A-Fa-f]|7[fF])/.test(written)) return { refused: 'path-encoded-structure' };
  let path: string;
  try {
    path = decodeURIComponent(written);
  } catch {
    return { refused: 'path-encoding' };
  }
  // C1 controls, and characters whose compatibility form is a separator: `／`, `．`, `；` (UAX #15).
  if (/[\u0080-\u009f\u2028\u2029\ufeff\ufffd]/.test(path)) return { refused: 'path-character' };
  const count = (text: string) => text.match(STRUCTURE)?.length ?? 0;
  if (count(path.normalize('NFKC')) !== count(path)) return { refused: 'path-lookalike' };
  return path.normalize('NFC');
}

/** The method as it is, or null when it is none of ours to pass on. */
export function readMethod(raw: string): string | null {
  return METHOD.test(raw) && !METHODS_REFUSED.has(raw) ? raw : null;
}

/** A host header or authority: a lower-case name without a trailing dot, and its port; null when it is anything else. */
export function readHost(raw: string): { host: string; port: string } | null {
  const match = /^([a-zA-Z0-9](?:[a-zA-Z0-9_.-]{0,251}[a-zA-Z0-9])?|\[[0-9a-fA-F:.]{2,45}\])(?::([0-9]{1,5}))?$/.exec(
    raw,
  );
  if (match === null || raw.includes('..')) return null;
  if (match[2] !== undefined && Number(match[2]) > 65_535) return null;
  return { host: (match[1] as string).toLowerCase(), port: match[2] ?? '' };
}

/** Headers by which clients ask frameworks to use another method, path or host than the request's own. */
const OVERRIDES = [
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
  'x-original-url',
  'x-rewrite-url',
  'x-original-uri',
  'x-forwarded-path',
  'x-forwarded-prefix',
  'x-override-url',
  'x-host',
  'x-forwarded-server',
  'x-http-host-override',
  'base-url',
  'proxy',
];
const OVERRIDE_SET: ReadonlySet<string> = new Set(OVERRIDES);

/**
 * The one spelling of a header's name. CGI and WSGI make `_` of `-`; lighttpd and older Apache make it of everything that is
 * no letter or digit (RFC 3875 section 4.1.18 leaves it open), so `X.Asepsis.User` is `X-Asepsis-User` to an application.
 */
export const headerKey = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '-');
/** A name that is not written in letters, digits and hyphens: no honest header of today. */
export const isOddName = (name: string): boolean => /[^A-Za-z0-9-]/.test(name);

/** True for a header that asks for another method, path or host (in any spelling). */
export const isOverride = (name: string): boolean => OVERRIDE_SET.has(headerKey(name));

/** Several frameworks read the method from a field of the query. */
const METHOD_FIELDS = new Set([
  '_method',
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
  '_httpmethod',
]);
export function overridesMethod(query: string): boolean {
  if (!/method|%/i.test(query)) return false;
  for (const name of new URLSearchParams(query).keys()) if (METHOD_FIELDS.has(name.toLowerCase())) return true;
  return false;
}
