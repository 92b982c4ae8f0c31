/** The door of responses inside the detection room: routes, the worker, commands. */

export { type ResponseCommandDeps, responseCommands } from './response-commands.ts';
export { responseRoutes } from './response-routes.ts';
export { type ResponseWorker, startResponseWorker } from './response-worker.ts';
