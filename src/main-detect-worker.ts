/** A thread of `asepsis detect`: loads the rules by itself and reads the pieces that it is given. */

import assert from 'node:assert';
import { parentPort, workerData } from 'node:worker_threads';
import { createPieceReader, type FromThread, loadRules, type ThreadSetup, type ToThread } from './detection/index.ts';
import { decodeFile } from './main-decode-file.ts';

assert(parentPort, 'this runs as a worker thread');
const port = parentPort;
const { folders, loading, carve, print } = workerData as ThreadSetup;
const say = (message: FromThread): void => port.postMessage(message);
const { rules } = await loadRules(folders, loading);
const reader = createPieceReader(rules, { decodeFile, carve, print });

port.on('message', (message: ToThread) => {
  if (message.type === 'end') {
    say({ type: 'ended', quarantined: reader.quarantined() });
    port.close();
    return;
  }
  const { piece } = message;
  const { index } = piece;
  reader
    .read(
      piece,
      (report) => say({ type: 'report', index, report }),
      (sentence) => say({ type: 'say', sentence }),
    )
    .then(
      () => say({ type: 'done', index, error: null }),
      (error: unknown) => say({ type: 'done', index, error: error instanceof Error ? error.message : String(error) }),
    );
});
say({ type: 'ready' });
