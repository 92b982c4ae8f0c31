/** The door of devices: medical devices against advisories that name products in free text. */

import type { FindingObservation } from '../../core/index.ts';
import type { DeviceAdvisory } from './device-advisory.ts';

export { createDeviceJudge, type DeviceJudge } from './device-judge.ts';

import { type Device, deviceFinding, judgeAdvisory } from './device-match.ts';

export { type DeviceAdvisory, readDeviceAdvisory } from './device-advisory.ts';
export { type DeviceColumns, readDeviceAdvisories, readDevices } from './device-list.ts';

/** One finding for each device and advisory that speaks of it, or may. */
export function matchDevices(
  devices: readonly Device[],
  advisories: readonly DeviceAdvisory[],
  now: number,
): FindingObservation[] {
  // Hospitals have the same device many times; each different one is judged once.
  const judged = new Map<string, ((device: Device) => FindingObservation)[]>();
  return devices.flatMap((device) => {
    const key = JSON.stringify([device.vendor, device.model, device.version]);
    let answers = judged.get(key);
    if (!answers) {
      answers = advisories.flatMap((advisory) => {
        const found = judgeAdvisory(device, advisory);
        return found ? [(one: Device) => deviceFinding(one, advisory, judgeAdvisory(one, advisory) ?? found, now)] : [];
      });
      judged.set(key, answers);
    }
    return answers.map((finding) => finding(device));
  });
}
