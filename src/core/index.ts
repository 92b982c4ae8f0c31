/** The door of `core`: records, ports, ids, limits, errors. Pure: it imports nothing of ours. */

export * from './address.ts';
export * from './api-kit.ts';
export * from './api-port.ts';
export * from './archive-port.ts';
export * from './audit.ts';
export * from './cidr.ts';
export * from './cli-port.ts';
export { isCommonPassword } from './common-passwords.ts';
export * from './config-schema.ts';
export * from './coverage.ts';
export * from './durable-files.ts';
export * from './errors.ts';
export * from './event.ts';
export * from './ids.ts';
export * from './limits.ts';
export * from './observable-keys.ts';
export * from './observable-scan.ts';
export * from './records.ts';
export * from './room-port.ts';
export * from './rooms.ts';
export * from './slots.ts';
export * from './store-port.ts';
export * from './stream-port.ts';
export * from './tactics.ts';
export * from './time.ts';
