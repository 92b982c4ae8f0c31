/** The door of the decoders: blocks of raw records in, events out. */

export { createDecoder } from './decode-block.ts';
