/** Writes a change as a shell script that people can read, try in a folder, apply, and undo. */

import { createHash } from 'node:crypto';
import type { Change, HardeningCheck, HardeningEvidence } from './hardening-model.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
const DIFF_LINES_MAX = 60;

/** Lines that go and lines that come, as comments: what a reviewer reads first. */
export function diffLines(before: string, after: string): string[] {
  const count = new Map<string, number>();
  for (const line of before.split('\n')) count.set(line, (count.get(line) ?? 0) + 1);
  const added: string[] = [];
  for (const line of after.split('\n')) {
    const left = count.get(line) ?? 0;
    if (left > 0) count.set(line, left - 1);
    else added.push(`# + ${line}`);
  }
  const removed = [...count].flatMap(([line, left]) => Array.from({ length: left }, () => `# - ${line}`));
  return [...removed, ...added].slice(0, DIFF_LINES_MAX);
}

/** A here-document ends at a word that the text does not have. */
function delimiter(text: string): string {
  let word = 'ASEPSIS_END';
  while (text.split('\n').includes(word)) word += '_';
  return word;
}

/**
 * `sh FILE apply|undo|check [ROOT]`. A file is changed only when it is still the one that was judged, a copy is kept
 * beside the script's own name, and undo puts back exactly what was there.
 */
export function changeScript(check: HardeningCheck, changes: readonly Change[], evidence: HardeningEvidence): string {
  const keep = `/var/backups/asepsis/${check.id}`;
  const steps = changes.map((change, i) => {
    const path = quoted(change.path);
    if (change.kind === 'mode') {
      const before = (evidence.mode(change.path)?.bits ?? 0).toString(8);
      return {
        review: [`# ${change.path}: mode ${before} → ${change.bits.toString(8)}`],
        guard: `[ "$(stat -c %a "$ROOT"${path})" = ${before} ] || refuse ${path}`,
        apply: `chmod ${change.bits.toString(8)} "$ROOT"${path}`,
        undo: `chmod ${before} "$ROOT"${path}`,
        check: `[ "$(stat -c %a "$ROOT"${path})" = ${change.bits.toString(8)} ] || changed=no`,
      };
    }
    const before = evidence.text(change.path);
    // A here-document always ends its last line; a text that does not is the same to every program that reads it.
    const body = change.text.endsWith('\n') ? change.text : `${change.text}\n`;
    const word = delimiter(body);
    return {
      review: [`# ${change.path}:`, ...diffLines(before ?? '', body)],
      guard:
        before === null
          ? `[ ! -e "$ROOT"${path} ] || refuse ${path}`
          : `[ "$(sum "$ROOT"${path})" = ${sha256(before)} ] || refuse ${path}`,
      apply: [
        `mkdir -p "$ROOT"${quoted(change.path.replace(/\/[^/]*$/, ''))} "$KEEP"`,
        ...(before === null ? [] : [`cp -p "$ROOT"${path} "$KEEP/${i}"`]),
        `cat > "$ROOT"${path} <<'${word}'\n${body}${word}`,
      ].join('\n'),
      undo: before === null ? `rm -f "$ROOT"${path}` : `cp -p "$KEEP/${i}" "$ROOT"${path}`,
      check: `[ "$(sum "$ROOT"${path})" = ${sha256(body)} ] || changed=no`,
    };
  });
  return `#!/bin/sh
# ${check.title}
# ${check.why}
# Source: ${check.sources.join('; ')}
#
${steps.flatMap(({ review }) => review).join('\n')}
#
# sh THIS-FILE apply [ROOT]   changes it, keeping a copy
# sh THIS-FILE undo [ROOT]    puts back what was there
# sh THIS-FILE check [ROOT]   says whether it is applied
set -eu
ROOT="\${2:-}"
KEEP="$ROOT${keep}"
sum() { sha256sum "$1" | cut -d' ' -f1; }
refuse() { echo "$1 is not the file that was judged: nothing was changed." >&2; exit 3; }
case "\${1:-}" in
apply)
${steps.map(({ guard }) => guard).join('\n')}
${steps.map(({ apply }) => apply).join('\n')}
${check.reload === '' ? ':' : `[ -n "$ROOT" ] || echo ${quoted(`Now: ${check.reload}`)}`}
;;
undo)
${steps
  .toReversed()
  .map(({ undo }) => undo)
  .join('\n')}
;;
check)
changed=yes
${steps.map(({ check: one }) => one).join('\n')}
echo "$changed"
[ "$changed" = yes ]
;;
*) echo "apply, undo or check" >&2; exit 2 ;;
esac
`;
}
