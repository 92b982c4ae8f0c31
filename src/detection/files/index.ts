/** The door of file integrity inside the detection room. */

export { type FileCommandDeps, fileCommands } from './file-commands.ts';
export { type FileIntegrity, startFileIntegrity } from './file-service.ts';
