/** MurmurHash3, 32 bits (Austin Appleby, public domain): the number by which favicons are known. */

export function murmur3(bytes: Buffer, seed = 0): number {
  let hash = seed;
  const mix = (value: number) => {
    let k = Math.imul(value, 0xcc9e2d51);
    k = (k << 15) | (k >>> 17);
    return Math.imul(k, 0x1b873593);
  };
  const blocks = bytes.length & ~3;
  for (let at = 0; at < blocks; at += 4) {
    hash ^= mix(bytes.readInt32LE(at));
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let at = bytes.length - 1; at >= blocks; at--) tail = (tail << 8) | (bytes[at] as number);
  if (bytes.length > blocks) hash ^= mix(tail);
  hash ^= bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) | 0;
}
