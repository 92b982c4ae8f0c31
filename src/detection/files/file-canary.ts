/** Canaries: files that nobody uses, named so that they are met first and last; whoever changes one is no person at work. */

import { randomBytes, randomInt } from 'node:crypto';
import { chown, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Store } from '../../core/index.ts';

const KEY = 'files.canaries';
const WORDS = ['invoices', 'budget', 'contracts', 'staff', 'payroll', 'letters', 'archive', 'minutes', 'scans'];
const TEXT =
  'This file is here so that a program that changes many files is noticed. Please leave it as it is, or tell the IT security team.\n';

/** Sorted first and last in a folder, in what most programs open; hidden from people who look with the usual tools. */
function namesFor(): string[] {
  const word = () => WORDS[randomInt(WORDS.length)] as string;
  const tail = () => randomBytes(2).toString('hex');
  return [`.!${word()}-${tail()}.docx`, `.~${word()}-${tail()}.xlsx`, `.zz${word()}-${tail()}.pdf`];
}

/** Canary files by folder, as they were placed. */
export async function knownCanaries(store: Store): Promise<Set<string>> {
  const text = await store.values.get(KEY);
  const list: unknown = text === null ? [] : JSON.parse(text);
  return new Set(Array.isArray(list) ? list.filter((one): one is string => typeof one === 'string') : []);
}

/** Places what is missing in each folder and takes away what is no longer wanted; answers all that stand, and faults. */
export async function placeCanaries(
  store: Store,
  folders: readonly string[],
): Promise<{ placed: Set<string>; faults: string[] }> {
  const known = await knownCanaries(store);
  const placed = new Set<string>();
  const faults: string[] = [];
  const wanted = new Set(folders);
  for (const path of known) {
    const folder = path.slice(0, -basename(path).length - 1);
    const ours = (await readFile(path, 'utf8').catch(() => '')).startsWith(TEXT.slice(0, 20));
    if (wanted.has(folder) && ours) placed.add(path);
    else if (!wanted.has(folder) && ours) await rm(path, { force: true });
  }
  for (const folder of wanted) {
    if ([...placed].some((path) => path.startsWith(`${folder}/`))) continue;
    for (const name of namesFor()) {
      const path = join(folder, name);
      try {
        const owner = await stat(folder);
        await writeFile(path, TEXT.repeat(40), { flag: 'wx', mode: 0o666 & owner.mode });
        // Owned like its neighbours; only root may give a file away.
        await chown(path, owner.uid, owner.gid).catch(() => {});
        placed.add(path);
      } catch (error) {
        faults.push(`No canary in ${folder}: ${(error as Error).message}`);
        break;
      }
    }
  }
  await store.values.set(KEY, JSON.stringify([...placed]));
  return { placed, faults };
}
