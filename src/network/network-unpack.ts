/** Bodies packed with gzip, unpacked as far as they are read. */

import { gunzipSync, constants as zlib } from 'node:zlib';

const UNPACKED_BYTES_MAX = 1024 * 1024;

/** As much of the beginning as unpacks to what is read: of a longer body a half, or a half of that. */
export function unpack(bytes: Uint8Array): Uint8Array | null {
  for (let size = bytes.length; size > 64; size >>= 1) {
    try {
      return gunzipSync(bytes.subarray(0, size), {
        finishFlush: zlib.Z_SYNC_FLUSH,
        maxOutputLength: UNPACKED_BYTES_MAX,
      });
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_BUFFER_TOO_LARGE') return null;
    }
  }
  return null;
}
