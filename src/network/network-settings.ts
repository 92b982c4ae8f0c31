/** What people said about their network, from the configuration and the command line, in one piece. */

import type { Config } from '../core/index.ts';
import type { AssessOptions } from './network-assess.ts';
import { onSite } from './network-cidr.ts';

export interface NetworkSettings {
  /** Ranges on site; empty: everything private. */
  readonly sites: readonly string[];
  readonly routers: readonly string[];
  readonly shared: readonly string[];
}

export const settingsOf = (config: Config): NetworkSettings => ({
  sites: config.network.sites,
  routers: config.network.routers,
  shared: config.network.shared,
});

export function assessOptions(
  settings: NetworkSettings,
  overrides: AssessOptions['overrides'],
): AssessOptions & { isOurs: (address: string) => boolean } {
  const lower = (words: readonly string[]) => new Set(words.map((word) => word.toLowerCase()));
  return {
    routers: lower(settings.routers),
    shared: lower(settings.shared),
    isOurs: onSite(settings.sites),
    ...(overrides === undefined ? {} : { overrides }),
  };
}
