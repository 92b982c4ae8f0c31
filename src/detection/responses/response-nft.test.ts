import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseRange } from './response-address.ts';
import { type NftBlock, nftRemove, nftReplace, nftSeen, sameBlocks, withoutCovered } from './response-nft.ts';

const block = (text: string, secondsLeft = 600): NftBlock => ({
  range: parseRange(text) as NonNullable<ReturnType<typeof parseRange>>,
  secondsLeft,
});
const range = (text: string) => block(text).range;

/** nft in a network namespace of its own: what it changes is gone with it. */
const canNft =
  process.getuid?.() === 0 &&
  existsSync('/usr/sbin/nft') &&
  spawnSync('unshare', ['-n', '/usr/sbin/nft', 'list', 'ruleset']).status === 0;

function inNamespace(documents: readonly unknown[]): { listed: string; stderr: string } {
  const script = `for one in "$@"; do printf %s "$one" | /usr/sbin/nft -j -f - || exit 1; done; /usr/sbin/nft -j list table inet asepsis`;
  const run = spawnSync('unshare', ['-n', 'sh', '-c', script, 'sh', ...documents.map((one) => JSON.stringify(one))], {
    encoding: 'utf8',
  });
  return { listed: run.stdout, stderr: run.stderr };
}

test('a narrower block inside a wider one is left out', () => {
  const kept = withoutCovered([block('198.51.100.7'), block('198.51.100.0/24'), block('203.0.113.7')]);
  expect(kept.map((one) => one.range.prefix)).toEqual([24, 32]);
});

describe.skipIf(!canNft)('the real nft (needs root and nftables)', () => {
  const blocks = [
    block('198.51.100.0/24', 60),
    block('198.51.100.9'),
    block('203.0.113.7'),
    block('2001:db8:1:2::/64'),
  ];
  const allowed = [range('10.0.0.0/8'), range('10.1.0.0/16'), range('fd00::/8')];

  test('takes the table whole, twice, and reads back what is in force', () => {
    const { listed, stderr } = inNamespace([nftReplace([block('192.0.2.1')], []), nftReplace(blocks, allowed)]);
    expect(stderr).toBe('');
    const seen = nftSeen(listed);
    expect(seen?.map((one) => one.range).sort()).toEqual(['198.51.100.0/24', '2001:db8:1:2::/64', '203.0.113.7']);
    expect(sameBlocks(blocks, seen ?? [])).toBe(true);
    expect(sameBlocks(blocks.slice(2), seen ?? [])).toBe(false);
    expect(listed).toContain('"timeout": 60');
  });
  test('removal leaves nothing, also when nothing was there', () => {
    const { listed, stderr } = inNamespace([nftRemove(), nftReplace(blocks, allowed), nftRemove()]);
    expect(listed).toBe('');
    expect(stderr).toContain('No such file or directory');
  });
});

test('an answer that is no table is none', () => {
  expect(nftSeen('')).toBeNull();
  expect(nftSeen('{"nftables": 3}')).toBeNull();
  expect(nftSeen('{"nftables": [{"metainfo": {}}]}')).toEqual([]);
});
