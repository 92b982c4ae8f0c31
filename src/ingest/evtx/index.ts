/** The door of the reader of Windows event logs: a file, bytes or a stream in, events out. */

export { readEvtx } from './evtx-read.ts';
