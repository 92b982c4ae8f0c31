/** Which feeds the installation brings: the usual ones, with what its configuration says otherwise. */

import type { Config } from '../core/index.ts';
import { type FeedSource, PUBLIC_FEEDS } from './feeds/index.ts';

export function feedSources(config: Config): FeedSource[] {
  const own = config.patching.feeds;
  const usual = config.patching.own_feeds_only ? [] : PUBLIC_FEEDS;
  return [...usual.filter(({ id }) => !own.some((one) => one.id === id)), ...own].filter(({ url }) => url !== '');
}
