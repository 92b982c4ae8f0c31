/** A process that archives as fast as it can until it is killed; says on stdout up to which block it is durable. */

import { openArchiveWriter } from '../archive-writer.ts';
import { sampleEvents } from './sample-events.ts';

const [dir = '', streamId = ''] = process.argv.slice(2);
const upkeep = { sealRows: 2000, sealAgeMs: 200, settleMs: 0, folderFilesMax: 4 };
const clock = { now: () => Date.now() };
const writer = await openArchiveWriter({ dir, streamId, clock, retentionDays: 36_500, upkeep });
const events = sampleEvents(500);
process.stdout.write(`open ${writer.durableSeq}\n`);
for (let seq = Math.max(1, writer.durableSeq - 3); ; seq++) {
  await writer.append(
    events.map((event) => ({ ...event, seq, timeMs: event.timeMs + seq * 1000 })),
    seq,
  );
  if (seq % 3 === 0) {
    await writer.flush();
    process.stdout.write(`durable ${writer.durableSeq}\n`);
  }
  await new Promise((resolve) => setTimeout(resolve, 4));
}
