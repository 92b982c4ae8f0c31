/** `asepsis import`: sends files to a running desk, which alone may write its data folder. */

import { readFile, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Command } from 'commander';
import { AsepsisError, EXIT, errorLine, type RecordHint, type Terminal } from '../core/index.ts';
import { contentHash, type ImportBatch, importBatches } from './import/import-batches.ts';

interface ImportOptions {
  readonly source?: string;
  readonly url: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly json?: boolean;
}

const TRIES = 30;
const WAIT_SEC_MAX = 60;
const TYPES: Partial<Record<RecordHint, string>> = { line: 'text/plain', 'windows-xml': 'application/xml' };
/** Faults of a connection that another try may not meet. */
const PASSING = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);

async function tokenOf(o: ImportOptions): Promise<string> {
  const token = o.tokenFile
    ? await readFile(o.tokenFile, 'utf8').catch(() => '')
    : (o.token ?? process.env.ASEPSIS_TOKEN ?? '');
  if (token.trim() === '') {
    throw new AsepsisError(
      'UNAUTHENTICATED',
      'Give an ingest token with --token-file, --token or ASEPSIS_TOKEN (desk: Settings, Tokens).',
    );
  }
  return token.trim();
}

function bodyOf(batch: ImportBatch): Buffer {
  const parts: Uint8Array[] = [];
  let start = 0;
  for (const end of batch.ends) {
    parts.push(batch.data.subarray(start, end), Buffer.from('\n'));
    start = end;
  }
  return Buffer.concat(parts);
}

interface Sending {
  readonly url: URL;
  readonly headers: Record<string, string>;
}

/** Sends one batch until the desk has it; the key makes a repeat harmless. */
async function send(
  sending: Sending,
  batch: ImportBatch,
  key: string,
): Promise<{ accepted: number; duplicate: number }> {
  const body = await promisify(gzip)(bodyOf(batch), { level: 1 });
  const type = TYPES[batch.hint] ?? 'application/json';
  const headers = { ...sending.headers, 'content-type': type, 'content-encoding': 'gzip', 'idempotency-key': key };
  for (let tries = 1; ; tries++) {
    let waitSec = Math.min(2 ** tries, WAIT_SEC_MAX);
    try {
      const answer = await fetch(sending.url, { method: 'POST', headers, body });
      if (answer.ok) return (await answer.json()) as { accepted: number; duplicate: number };
      const problem = (await answer.json().catch(() => ({}))) as { detail?: string };
      const told = Number(answer.headers.get('retry-after'));
      if ((answer.status !== 429 && answer.status !== 503) || tries >= TRIES) {
        throw new AsepsisError(
          answer.status === 401 ? 'UNAUTHENTICATED' : answer.status === 403 ? 'FORBIDDEN' : 'BAD_REQUEST',
          `The desk refused it (${answer.status}): ${problem.detail ?? 'no reason given'}`,
        );
      }
      if (told > 0) waitSec = Math.min(told, WAIT_SEC_MAX);
    } catch (error) {
      if (error instanceof AsepsisError) throw error;
      const code = String(((error as Error).cause as NodeJS.ErrnoException | undefined)?.code ?? '');
      if (!PASSING.has(code) || tries >= TRIES)
        throw new Error(`No desk answers at ${sending.url.origin} (${code || errorLine(error)}).`);
    }
    await sleep(waitSec * 1000);
  }
}

async function importOne(path: string, sending: Sending, terminal: Terminal) {
  const all = (await stat(path).catch(() => null))?.size ?? 0;
  const batches = importBatches(path, {
    onBytes: (bytes) => terminal.progress(`${path}  ${all === 0 ? 100 : Math.floor((bytes / all) * 100)} %`),
  });
  const counts = { records: 0, duplicate: 0 };
  let hash = '';
  let block = 0;
  for await (const batch of batches) {
    if (hash === '') hash = await contentHash(path);
    const { accepted, duplicate } = await send(sending, batch, `import:${hash}#${block++}`);
    counts.records += accepted;
    counts.duplicate += duplicate;
  }
  return counts;
}

async function run(files: readonly string[], o: ImportOptions, terminal: Terminal): Promise<void> {
  const headers: Record<string, string> = { authorization: `Bearer ${await tokenOf(o)}` };
  if (o.source) headers['x-asepsis-source'] = encodeURIComponent(o.source);
  const sending = { url: new URL('/v1/events', o.url), headers };
  for (const path of files) {
    try {
      const counts = await importOne(path, sending, terminal);
      if (o.json) terminal.out(`${JSON.stringify({ file: path, ...counts })}\n`);
      else
        terminal.say(
          `${path}: ${counts.records} records imported${counts.duplicate > 0 ? `, ${counts.duplicate} were there already` : ''}`,
        );
    } catch (error) {
      // The next file may be well.
      terminal.say(`asepsis: ${errorLine(error)}`);
      process.exitCode = EXIT.failure;
    }
  }
}

/** Adds `asepsis import FILE…`. */
export function ingestCommands(program: Command, terminal: Terminal): void {
  program
    .command('import')
    .description(
      'sends files of evidence to a running desk: log lines, NDJSON, JSON, Windows event XML; also gzip and zstd',
    )
    .argument('<file...>', 'files to import; importing one twice adds nothing')
    .option('--source <name>', 'name of the source; the token’s own when absent')
    .option('--url <url>', 'the desk', 'http://127.0.0.1:8420')
    .option('--token <token>', 'an ingest token; ASEPSIS_TOKEN and --token-file keep it out of the process list')
    .option('--token-file <file>', 'a file that holds the token')
    .option('--json', 'one JSON object a file on stdout')
    .action((files: string[], o: ImportOptions) => run(files, o, terminal));
}
