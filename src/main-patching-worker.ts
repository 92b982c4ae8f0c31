/** The thread of patching: opens the store by itself, and does what the room asks of it. */

import { systemClock } from './core/index.ts';
import { servePatchingThread } from './patching/index.ts';
import { openStore } from './store/index.ts';

servePatchingThread(async ({ dataDir, config }) => ({
  store: await openStore({
    dataDir,
    clock: systemClock,
    ...(config.store.url === undefined ? {} : { url: config.store.url }),
  }),
  clock: systemClock,
}));
