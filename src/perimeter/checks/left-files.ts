/** Backups, version control and settings that were left in the web folder. Only their first bytes are looked at, and none are kept. */

import { type HttpCheck, isReal, weak } from '../perimeter-site.ts';

const FILES: readonly (readonly [string, RegExp | string, string])[] = [
  ['/.git/HEAD', /^(ref: refs\/|[0-9a-f]{40}\s*$)/, 'the version control folder .git'],
  ['/.svn/entries', /^\d+\s/, 'the version control folder .svn'],
  ['/.hg/requires', /^(revlogv1|store|fncache|dotencode)/m, 'the version control folder .hg'],
  ['/.env', /^\s*[A-Z][A-Z0-9_]{1,64}\s*=/m, 'a settings file .env'],
  ['/.htpasswd', /^[^:\s]{1,64}:(\$|\{SHA\}|[./0-9A-Za-z]{13}$)/m, 'a password file'],
  ['/.DS_Store', '\0\0\0\x01Bud1', 'a list of files (.DS_Store)'],
  ['/backup.zip', 'PK\x03\x04', 'a backup'],
  ['/backup.tar.gz', '\x1f\x8b', 'a backup'],
  ['/backup.sql', /^(--|\/\*|CREATE|INSERT|DROP)/i, 'a copy of a database'],
  ['/dump.sql', /^(--|\/\*|CREATE|INSERT|DROP)/i, 'a copy of a database'],
  ['/db.sql', /^(--|\/\*|CREATE|INSERT|DROP)/i, 'a copy of a database'],
  ['/www.zip', 'PK\x03\x04', 'a backup'],
  ['/index.php.bak', /<\?php/, 'source code'],
  ['/config.php.bak', /<\?php/, 'source code with settings'],
  ['/wp-config.php.bak', /<\?php/, 'source code with settings'],
  ['/web.config.bak', /<configuration/i, 'settings of IIS'],
  ['/id_rsa', /^-----BEGIN [A-Z ]{0,20}PRIVATE KEY/, 'a private key'],
  ['/phpinfo.php', /<title>phpinfo\(\)|PHP Version/i, 'phpinfo'],
];
const HOW = `Remove it from the web folder, and change every password and key that it held.
nginx: location ~ /\\.(?!well-known) { deny all; } location ~* \\.(bak|old|orig|sql|swp)$ { deny all; }
Apache: <FilesMatch "(^\\.|\\.(bak|old|orig|sql|swp)$)"> Require all denied </FilesMatch>`;
const FIRST_BYTES = 1024;

export const leftFiles: HttpCheck = {
  kind: 'http-left-file',
  check: async (site) => {
    const found = [];
    for (const [path, pattern, what] of FILES) {
      const answer = await site.get(path, {
        bodyMax: FIRST_BYTES,
        headers: { range: `bytes=0-${FIRST_BYTES - 1}`, 'accept-encoding': 'identity' },
      });
      if (!answer || (answer.status !== 206 && !isReal(site, answer))) continue;
      // The type says little: many servers call everything HTML. The first bytes tell.
      if (path !== '/phpinfo.php' && /^\s*<(!doctype|html)/i.test(answer.body.slice(0, 200))) continue;
      const begins = answer.bodyBytes.toString('latin1', 0, FIRST_BYTES);
      if (!(typeof pattern === 'string' ? begins.startsWith(pattern) : pattern.test(begins))) continue;
      const secret = /key|password|settings|database|\.git|backup/.test(what);
      found.push(
        weak(
          site,
          'http-left-file',
          secret ? 'high' : 'medium',
          `${what[0]?.toUpperCase()}${what.slice(1)} can be fetched`,
          'Scanners ask every server for it: it holds passwords, keys or code.',
          `${path} answered ${answer.status} and begins as such a file does (its content is not kept)`,
          HOW,
          { key: path, path },
        ),
      );
    }
    return found;
  },
};
