/** The door of ingest: listeners for what shippers speak, files followed, imports; everything ends as blocks in the stream. */

export { registerIngestRoutes } from './http/http-routes.ts';
export { recordBatches } from './import/import-batches.ts';
export { importFile } from './import/import-file.ts';
export { ingestCommands } from './ingest-commands.ts';
export { appendPatiently } from './ingest-intake.ts';
export { startListeners } from './ingest-listeners.ts';
