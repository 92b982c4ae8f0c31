/** Values that stand in every list sooner or later and in every hospital's logs: they would alert without end. */

import { type Cidr, inCidr, parseCidr } from '../detection-cidr.ts';
import type { IndicatorValue } from './indicator-value.ts';

/** Addresses that are nobody's or one's own (RFC 6890), and the resolvers that half of all machines ask. */
const NETWORKS = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '224.0.0.0/3',
  '::/127',
  'fc00::/7',
  'fe80::/10',
  'ff00::/8',
  '8.8.8.8',
  '8.8.4.4',
  '1.1.1.1',
  '1.0.0.1',
  '9.9.9.9',
  '149.112.112.112',
  '208.67.222.222',
  '208.67.220.220',
  '2001:4860:4860::8888',
  '2001:4860:4860::8844',
  '2606:4700:4700::1111',
  '2606:4700:4700::1001',
  '2620:fe::fe',
].map((text) => parseCidr(text) as Cidr);

/** Sites that software asks by itself; only the name itself, as what people keep below it can be evil. */
const DOMAINS = new Set([
  'google.com',
  'www.google.com',
  'microsoft.com',
  'www.microsoft.com',
  'windowsupdate.com',
  'update.microsoft.com',
  'office.com',
  'office365.com',
  'live.com',
  'apple.com',
  'amazon.com',
  'amazonaws.com',
  'cloudflare.com',
  'akamai.net',
  'facebook.com',
  'github.com',
  'ubuntu.com',
  'debian.org',
  'digicert.com',
  'letsencrypt.org',
  'in-addr.arpa',
  'localhost.localdomain',
]);

/** Digests of nothing: an empty file in MD5, SHA-1, SHA-256 and SHA-512. */
const HASHES = new Set([
  'd41d8cd98f00b204e9800998ecf8427e',
  'da39a3ee5e6b4b0d3255bfef95601890afd80709',
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  'cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e',
]);

/** @param own addresses, networks and names of this organisation that no list may turn into alerts */
export function createAllowList(own: readonly string[] = []): (value: IndicatorValue) => string | null {
  const networks = own.flatMap((text) => parseCidr(text) ?? []);
  const names = new Set(own.map((text) => text.toLowerCase()));
  return ({ type, value }) => {
    if (type === 'address') {
      if (networks.some((cidr) => inCidr(value, cidr))) return 'own address';
      return NETWORKS.some((cidr) => inCidr(value, cidr)) ? 'common or private address' : null;
    }
    if (type === 'cidr') {
      const cidr = parseCidr(value) as Cidr;
      if (cidr.bits < (cidr.words.length === 2 ? 8 : 19)) return 'network too wide';
      const [base = ''] = value.split('/');
      const own = networks.some((one) => inCidr(base, one) || inCidr(one.text.split('/')[0] as string, cidr));
      if (own) return 'own network';
      return NETWORKS.some((one) => one.bits <= cidr.bits && inCidr(base, one)) ? 'private network' : null;
    }
    if (type === 'domain') {
      for (let name = value; name.includes('.'); name = name.slice(name.indexOf('.') + 1))
        if (names.has(name)) return 'own name';
      return DOMAINS.has(value) ? 'common name' : null;
    }
    if (type === 'hash') return HASHES.has(value) ? 'digest of an empty file' : null;
    return names.has(value) ? 'own value' : null;
  };
}
