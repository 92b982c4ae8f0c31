/** A live interface, read by a capture program of its own: this process needs no privilege, and a crash of either harms nobody. */

import { spawn } from 'node:child_process';
import { AsepsisError } from '../core/index.ts';
import { type CaptureEnd, createCaptureReader, type PacketSink, type Pieces } from './network-capture.ts';

export interface LiveCapture {
  /** Settles when the program ends, by itself or after `stop`. */
  readonly ended: Promise<CaptureEnd & { readonly received: number; readonly lost: number }>;
  readonly stop: () => void;
}

/** Kernel memory for packets that wait for the reader. */
const BUFFER_MIB = 128;
const MESSAGE_CHARS_MAX = 4000;

const PROGRAMS: readonly (readonly [string, (face: string) => string[]])[] = [
  ['dumpcap', (face) => ['-q', '-P', '-B', String(BUFFER_MIB), '-i', face, '-w', '-']],
  ['tcpdump', (face) => ['-n', '-U', '-s', '0', '-B', String(BUFFER_MIB * 1024), '-i', face, '-w', '-']],
];

/** What both programs say at their end about packets that they could not keep. */
export function lossOf(text: string): { received: number; lost: number } {
  const own = /received\/dropped on interface [^:]{1,80}: (\d+)\/(\d+)/.exec(text);
  if (own) return { received: Number(own[1]), lost: Number(own[2]) };
  const received = Number(/(\d+) packets? received by filter/.exec(text)?.[1] ?? 0);
  return { received, lost: Number(/(\d+) packets? dropped by kernel/.exec(text)?.[1] ?? 0) };
}

/** Starts to read; `dumpcap` where it is installed, otherwise `tcpdump`. */
export async function captureLive(face: string, sink: PacketSink, pieces?: Pieces): Promise<LiveCapture> {
  if (!/^[\w.:@-]{1,64}$/.test(face))
    throw new AsepsisError('CONFIG_INVALID', `${face} is not the name of an interface.`);
  for (const [program, argumentsOf] of PROGRAMS) {
    const child = spawn(program, argumentsOf(face), { stdio: ['ignore', 'pipe', 'pipe'] });
    const started = await new Promise<boolean>((resolve) => {
      child.once('spawn', () => resolve(true));
      child.once('error', () => resolve(false));
    });
    if (!started) continue;
    const reader = createCaptureReader(sink, pieces);
    let said = '';
    child.stderr.on('data', (piece: Buffer) => {
      said = (said + piece.toString('latin1')).slice(-MESSAGE_CHARS_MAX);
    });
    child.stdout.on('data', (piece: Buffer) => reader.push(piece));
    const ended = new Promise<CaptureEnd & { received: number; lost: number }>((resolve, reject) => {
      child.once('close', (code) => {
        const end = reader.end();
        if (end.packets === 0 && code !== 0 && end.format === 'unknown')
          reject(
            new AsepsisError(
              'INPUT_UNREADABLE',
              `${program} cannot read ${face}: ${said.trim().split('\n').at(-1) ?? ''}`,
            ),
          );
        else resolve({ ...end, ...lossOf(said) });
      });
    });
    return { ended, stop: () => child.kill('SIGINT') };
  }
  throw new AsepsisError('INPUT_UNREADABLE', 'Neither dumpcap nor tcpdump is installed here.');
}
