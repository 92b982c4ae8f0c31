/** Does an error tell how the server is built? */

import { type HttpCheck, weak } from '../perimeter-site.ts';

const LEAKS: readonly (readonly [RegExp, string])[] = [
  [/Traceback \(most recent call last\)/, 'a Python traceback'],
  [/<b>(Fatal error|Warning|Notice)<\/b>:[^<]{0,200} in <b>/i, 'a PHP error with paths'],
  [/at [\w$.]{3,80}\([\w$]{1,60}\.java:\d{1,6}\)/, 'a Java stack trace'],
  [
    /\[(HttpException|SqlException|NullReferenceException)|Server Error in '\/[^']{0,60}' Application/,
    'an ASP.NET error page',
  ],
  [/You're seeing this error because you have <code>DEBUG = True/, 'a Django debug page'],
  [/(ORA-\d{5}|SQLSTATE\[|You have an error in your SQL syntax)/, 'a database error'],
  [/at [\w.<>]{1,60} \((\/|[A-Z]:\\)[^)\n]{1,160}:\d{1,6}:\d{1,6}\)/, 'a Node.js stack trace'],
];
const VERSION =
  /(nginx|apache|openresty|lighttpd|microsoft-iis|php|openssl|tomcat|jetty|express|werkzeug|gunicorn)\/\d[\w.]*/i;
const HOW =
  'Show a plain error page and write the details to the log. nginx: server_tokens off; Apache: ServerTokens Prod and ServerSignature Off; PHP: display_errors = Off, expose_php = Off; Django: DEBUG = False; ASP.NET: <customErrors mode="RemoteOnly" />';

export const errorLeak: HttpCheck = {
  kind: 'http-error-leak',
  check: (site) => {
    const found = [];
    for (const answer of [site.page, site.missing]) {
      const leak = answer ? LEAKS.find(([pattern]) => pattern.test(answer.body.slice(0, 65_536))) : undefined;
      if (!leak) continue;
      found.push(
        weak(
          site,
          'http-error-leak',
          'medium',
          `An error shows ${leak[1]}`,
          'Paths, versions and sometimes passwords help whoever looks for a way in.',
          `${leak[1]} in the answer (its text is not kept)`,
          HOW,
          { key: 'trace', head: false },
        ),
      );
      break;
    }
    const names = ['server', 'x-powered-by', 'x-aspnet-version'];
    const told = names
      .map((name) => site.page.headers[name] ?? '')
      .find((value) => VERSION.test(value) || /^\d+\.\d+\.\d+/.test(value));
    if (told !== undefined)
      found.push(
        weak(
          site,
          'http-version-told',
          'information',
          'The server tells its exact version',
          'Scanners pick servers by it; patching matters more.',
          `It says ${told.slice(0, 100)}`,
          HOW,
          { key: 'version' },
        ),
      );
    return found;
  },
};
