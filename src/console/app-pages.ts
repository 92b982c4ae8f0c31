/** The pages of the desk in the order of the navigation: the address, the key after `g`, and the group it stands in. */

import type { texts } from './texts.ts';

type PageName = keyof typeof texts.pages;
type PageGroup = keyof typeof texts.shell.groups;

interface DeskPage {
  readonly to: string;
  readonly key: string;
  readonly name: PageName;
  readonly group: PageGroup;
}

/** `now` is what somebody must look at, `evidence` what is known, `rooms` one page a recommendation, `desk` the desk itself. */
export const PAGES = [
  { to: '/', key: 'o', name: 'overview', group: 'now' },
  { to: '/incidents', key: 'i', name: 'incidents', group: 'now' },
  { to: '/alerts', key: 'a', name: 'alerts', group: 'now' },
  { to: '/findings', key: 'f', name: 'findings', group: 'now' },
  { to: '/responses', key: 'b', name: 'responses', group: 'now' },
  { to: '/assets', key: 'd', name: 'assets', group: 'evidence' },
  { to: '/events', key: 'e', name: 'events', group: 'evidence' },
  { to: '/sources', key: 's', name: 'sources', group: 'evidence' },
  { to: '/patching', key: 'p', name: 'patching', group: 'rooms' },
  { to: '/perimeter', key: 'x', name: 'perimeter', group: 'rooms' },
  { to: '/network', key: 'n', name: 'network', group: 'rooms' },
  { to: '/access', key: 'c', name: 'access', group: 'rooms' },
  { to: '/rules', key: 'r', name: 'rules', group: 'rooms' },
  { to: '/hunt', key: 'h', name: 'hunt', group: 'rooms' },
  { to: '/attack', key: 'k', name: 'attack', group: 'rooms' },
  { to: '/settings', key: 't', name: 'settings', group: 'desk' },
] as const satisfies readonly DeskPage[];

export const PAGE_GROUPS = ['now', 'evidence', 'rooms', 'desk'] as const satisfies readonly PageGroup[];
