/** What an address tells by itself. */

/** Private, shared, link-local, unique-local and loopback ranges (RFC 1918, 6598, 3927, 4193, 4291). */
export function isPrivateAddress(address: string): boolean {
  if (address.includes(':')) return /^(?:fe[89ab]|f[cd]|::1$)/i.test(address);
  const [a, b] = address.split('.').map(Number) as [number, number];
  return (
    a === 10 ||
    a === 127 ||
    (a === 172 && b >= 16 && b <= 31) ||
    (a === 192 && b === 168) ||
    (a === 169 && b === 254) ||
    (a === 100 && b >= 64 && b <= 127)
  );
}
