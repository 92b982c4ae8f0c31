/** The door of the event log: the stream in segment files, and its reader for another thread. */

export { readIdentity } from './stream-identity.ts';
export { openSegmentStream } from './stream-service.ts';
export { openSegmentReader } from './stream-thread-reader.ts';
