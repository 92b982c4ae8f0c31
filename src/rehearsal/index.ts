/** The door of the rehearsal: a generated hospital, its night, and the sender. */

export { accessExports } from './rehearsal-access.ts';
export { sendEvidence } from './rehearsal-evidence.ts';
export { createHospital } from './rehearsal-hospital.ts';
export { exerciseAdvisories } from './rehearsal-inventory.ts';
export { night } from './rehearsal-night.ts';
export { createRandom } from './rehearsal-random.ts';
export { sendRehearsal } from './rehearsal-send.ts';
