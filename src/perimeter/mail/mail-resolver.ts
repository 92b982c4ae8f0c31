/** Asks DNS: general questions to this machine's own resolver, questions to a named server only through the gate. */

import { Resolver } from 'node:dns/promises';

export interface Names {
  txt(name: string): Promise<readonly string[]>;
  mx(name: string): Promise<readonly { exchange: string; priority: number }[]>;
  ns(name: string): Promise<readonly string[]>;
  cname(name: string): Promise<readonly string[]>;
  caa(
    name: string,
  ): Promise<readonly { critical: number; issue?: string | undefined; issuewild?: string | undefined }[]>;
  addresses(name: string): Promise<readonly string[]>;
  /** True when the name does not exist at all (NXDOMAIN), false when it does, null when nobody knows. */
  missing(name: string): Promise<boolean | null>;
}

const TRIES = { timeout: 2500, tries: 2 } as const;

/**
 * The resolver that this machine uses anyway, or the servers handed in. No scanned machine is spoken to.
 *
 * @param servers `address` or `address:port`, for a resolver of one's own
 */
export function systemNames(servers?: readonly string[]): Names {
  const resolver = new Resolver(TRIES);
  if (servers) resolver.setServers(servers);
  const none = async <T>(asked: Promise<T[]>): Promise<T[]> => {
    try {
      return (await asked).slice(0, 64);
    } catch {
      return [];
    }
  };
  return {
    txt: async (name) => (await none(resolver.resolveTxt(name))).map((parts) => parts.join('').slice(0, 8192)),
    mx: (name) => none(resolver.resolveMx(name)),
    ns: (name) => none(resolver.resolveNs(name)),
    cname: (name) => none(resolver.resolveCname(name)),
    caa: (name) => none(resolver.resolveCaa(name)),
    addresses: async (name) => [...(await none(resolver.resolve4(name))), ...(await none(resolver.resolve6(name)))],
    missing: async (name) => {
      try {
        await resolver.resolve(name, 'A');
        return false;
      } catch (error) {
        const { code } = error as { code?: string };
        return code === 'ENOTFOUND' ? true : code === 'ENODATA' ? false : null;
      }
    },
  };
}
