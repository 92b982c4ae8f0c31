/** The door of the archive. */

export { archiveCommands } from './archive-commands.ts';
export { parseQuery, type Query } from './archive-query.ts';
export { openArchiveReader } from './archive-reader.ts';
export { openArchiveWriter } from './archive-writer.ts';
