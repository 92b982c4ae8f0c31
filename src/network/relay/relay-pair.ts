/** Writes a pair of relays into a folder: certificates, both configurations, steps; with the same folder again it renews the certificates only. */

import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AsepsisError, type Clock, writeWhole } from '../../core/index.ts';
import { makePairAuthority, makePairCertificate, type PemPair } from './relay-certificates.ts';
import { type PairPlan, pairFiles, pairNames } from './relay-files.ts';

async function knownAuthority(folder: string): Promise<PemPair | null> {
  try {
    const [cert, key] = await Promise.all([
      readFile(join(folder, 'authority.pem'), 'utf8'),
      readFile(join(folder, 'authority-key.pem'), 'utf8'),
    ]);
    return { cert, key };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new AsepsisError('TLS_INVALID', `The authority in ${folder} cannot be read.`, { cause: error });
  }
}

/**
 * @param plan null renews the certificates of the pair that is in the folder, and touches nothing else
 * @throws CONFLICT when there is a pair already and a plan is given, or none and no plan
 */
export async function writePair(o: {
  folder: string;
  name: string;
  plan: PairPlan | null;
  clock: Clock;
}): Promise<{ renewed: boolean; files: readonly string[] }> {
  const known = await knownAuthority(o.folder);
  if (known && o.plan)
    throw new AsepsisError(
      'CONFLICT',
      `${o.folder} holds a pair already; give another folder, or no ends to renew it.`,
    );
  if (!known && !o.plan)
    throw new AsepsisError(
      'BAD_REQUEST',
      `${o.folder} holds no pair that could be renewed: name --listen, --tunnel, --to and --from.`,
    );
  const nowMs = o.clock.now();
  const authority = known ?? (await makePairAuthority(o.name, nowMs));
  const written: string[] = [];
  const write = async (name: string, text: string, secret: boolean) => {
    const path = join(o.folder, name);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeWhole(path, text, secret ? 0o600 : 0o644);
    written.push(name);
  };
  if (!known) {
    await write('authority.pem', authority.cert, false);
    await write('authority-key.pem', authority.key, true);
  }
  const names = pairNames(o.name);
  for (const side of ['near', 'far'] as const) {
    const own = await makePairCertificate(authority, names[side], nowMs);
    await write(`${side}/ca.pem`, authority.cert, false);
    await write(`${side}/key.pem`, own.key, true);
    await write(`${side}/cert.pem`, own.cert, false);
    // HAProxy reads both from one file.
    await write(`${side}/cert-and-key.pem`, `${own.cert}${own.key}`, true);
  }
  if (o.plan) for (const [name, text] of Object.entries(pairFiles(o.plan))) await write(name, text, false);
  return { renewed: known !== null, files: written };
}
