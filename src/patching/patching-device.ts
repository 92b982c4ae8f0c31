/** What feeds need of devices: the reader of advisories that name products in free text. */

export { type DeviceAdvisory, readDeviceAdvisory } from './devices/index.ts';
