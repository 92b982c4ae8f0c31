/** The door of `api`: the HTTP server with sign-in, people, tokens and audit; TLS; and its commands. */

export { type AppOptions, buildApp } from './api-app.ts';
export { apiCommands } from './api-commands.ts';
export { createInvitation } from './api-invitation.ts';
export { createLog } from './api-log.ts';
export { createMetrics } from './api-metrics.ts';
export { type ApiServer, createServer } from './api-server.ts';
export { createToken } from './api-token.ts';
export { registerDesk } from './desk.ts';
export type { PipelineStatus } from './desk-deps.ts';
export { createLiveBus } from './desk-live.ts';
export { type TlsMaterial, tlsMaterial } from './tls-material.ts';
