/** Which addresses are on site: the ranges of the configuration, or all private ones. */

import { BlockList, isIP } from 'node:net';
import { AsepsisError, isPrivateAddress } from '../core/index.ts';

export function onSite(ranges: readonly string[]): (address: string) => boolean {
  if (ranges.length === 0) return isPrivateAddress;
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', bits] = range.split('/', 2);
    const family = isIP(address);
    const length = bits === undefined ? (family === 4 ? 32 : 128) : Number(bits);
    if (family === 0 || !Number.isInteger(length) || length < 0 || length > (family === 4 ? 32 : 128))
      throw new AsepsisError('CONFIG_INVALID', `${range} is not a range such as 10.0.0.0/8.`);
    list.addSubnet(address, length, family === 4 ? 'ipv4' : 'ipv6');
  }
  // What never leaves a machine or its own link is on site whatever the ranges say.
  return (address) =>
    /^(?:127\.|169\.254\.|::1$|fe[89ab])/.test(address) || list.check(address, address.includes(':') ? 'ipv6' : 'ipv4');
}
