/** The door of the rehearsal: a generated hospital, its night, and the sender. */

export { createHospital } from './rehearsal-hospital.ts';
export { night } from './rehearsal-night.ts';
export { createRandom } from './rehearsal-random.ts';
export { sendRehearsal } from './rehearsal-send.ts';
