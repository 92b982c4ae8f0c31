/** The door of ingest: listeners for what shippers speak, files followed, imports; everything ends as blocks in the stream. */

export { startListeners } from './ingest-listeners.ts';
