/** The door of the detection room. */

export { type DetectionDeps, detectionCommands } from './detection-commands.ts';
export { createEngine, type Engine, type EngineStats } from './detection-engine.ts';
export { explainCommands } from './detection-explain-commands.ts';
export { indicatorCommands, retroHunt } from './detection-hunt-commands.ts';
export { type LiveStats, openLiveEngine } from './detection-live.ts';
export { type LoadedRules, loadRules } from './detection-load.ts';
export { createPieceReader } from './detection-part.ts';
export { createDetection, type LiveBridge } from './detection-room.ts';
export type { Refusal, Rule } from './detection-rule.ts';
export { readSite } from './detection-site.ts';
export type { FromThread, ThreadSetup, ToThread } from './detection-threads.ts';
export { type FileCommandDeps, fileCommands } from './files/index.ts';
export { type ResponseCommandDeps, responseCommands } from './responses/index.ts';
