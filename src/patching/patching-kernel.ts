/** Kernels: of several that are installed only the one that runs matters, and whether the newest one runs. */

import type { SoftwareRecord } from './patching-package.ts';
import { compareVersions } from './versions/index.ts';

/** "linux-image-6.1.0-18-amd64" → "6.1.0-18-amd64"; of rpm the version with its architecture, as `uname -r` says it. */
function kernelOf(one: SoftwareRecord): string | null {
  if (one.ecosystem === 'deb') return /^linux-image-(?:unsigned-)?([0-9].*)$/.exec(one.name)?.[1] ?? null;
  if (one.ecosystem !== 'rpm' || !/^kernel(?:-core|-default|-uek|-uek-core|-rt-core)?$/.test(one.name)) return null;
  return `${one.version.replace(/^[0-9]+:/, '')}${one.arch ? `.${one.arch}` : ''}`;
}

export interface KernelChoice {
  /** What is left to be judged. */
  readonly software: readonly SoftwareRecord[];
  /** A newer kernel is installed than the one that runs: what both are called. */
  readonly restart: { readonly running: string; readonly newest: string } | null;
}

/** @param running as `uname -r` says it; absent: not known, then the newest that is installed is judged */
export function chooseKernel(software: readonly SoftwareRecord[], running: string | undefined): KernelChoice {
  const kernels = software.flatMap((one) => {
    const name = kernelOf(one);
    return name === null ? [] : [{ one, name }];
  });
  const [first] = kernels;
  if (first === undefined) return { software, restart: null };
  const scheme = first.one.ecosystem === 'deb' ? 'deb' : 'rpm';
  const newest = kernels.reduce((a, b) => (compareVersions(scheme, b.one.version, a.one.version) > 0 ? b : a));
  // In a container the kernel is another machine's.
  const own = running === undefined ? null : (kernels.find((kernel) => kernel.name === running) ?? null);
  if (running !== undefined && own === null) return { software, restart: null };
  const kept = own ?? newest;
  const left = software.filter((one) => kernelOf(one) === null || one === kept.one);
  const old = own !== null && compareVersions(scheme, newest.one.version, own.one.version) > 0;
  return { software: left, restart: old ? { running: own.name, newest: newest.name } : null };
}
