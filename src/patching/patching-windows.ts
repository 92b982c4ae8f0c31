/** Editions of Windows as one name for each line of updates: by the build, since all editions of a build have the same. */

/** Builds and what Microsoft's advisories call them; clients and servers of one build have other updates. */
const BUILDS: readonly (readonly [build: string, client: string | null, server: string | null])[] = [
  ['6003', null, '2008'],
  ['7601', '7', '2008 r2'],
  ['9200', null, '2012'],
  ['9600', '8.1', '2012 r2'],
  ['10240', '10', null],
  ['14393', '10 version 1607', '2016'],
  ['17763', '10 version 1809', '2019'],
  ['18363', '10 version 1909', null],
  ['19041', '10 version 2004', null],
  ['19042', '10 version 20h2', null],
  ['19043', '10 version 21h1', null],
  ['19044', '10 version 21h2', null],
  ['19045', '10 version 22h2', null],
  ['20348', null, '2022'],
  ['22000', '11 version 21h2', null],
  ['22621', '11 version 22h2', null],
  ['22631', '11 version 23h2', null],
  ['25398', null, '2022, 23h2 edition'],
  ['26100', '11 version 24h2', '2025'],
  ['26200', '11 version 25h2', null],
];

/** "Windows 10 Pro" with "10.0.19045.3803" → "client:19045"; null when the build is not known. */
export function windowsName(name: string, version: string): string | null {
  const build = /^[0-9]{1,2}\.[0-9]{1,2}\.([0-9]{3,6})(?:\.|$)/.exec(version)?.[1];
  if (build === undefined) return null;
  return `${/server|hyper-v/i.test(name) ? 'server' : 'client'}:${build}`;
}

/** "Windows 10 Version 22H2 for x64-based Systems", "Windows Server 2012 R2 (Server Core installation)" → the same names. */
export function windowsProduct(text: string): string | null {
  const plain = text
    .slice(0, 200)
    .toLowerCase()
    .replace(/^microsoft /, '');
  const server = /^windows server,? (?:version )?(\d{4}(?: r2)?(?:, 23h2 edition)?)/.exec(plain)?.[1];
  if (server !== undefined) {
    const row = BUILDS.find(([, , name]) => name === server);
    return row ? `server:${row[0]}` : null;
  }
  const client = /^windows (7|8\.1|10|11)(?: (version \w{4}))?(?: |$)/.exec(plain);
  if (!client) return null;
  const label = client[2] ? `${client[1]} ${client[2]}` : client[1];
  const row = BUILDS.find(([, name]) => name === label);
  return row ? `client:${row[0]}` : null;
}
