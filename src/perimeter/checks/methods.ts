/** Methods that nothing needs: TRACE, and writing ones that OPTIONS lists. None of them is used. */

import { type HttpCheck, weak } from '../perimeter-site.ts';

const HOW = `nginx: limit_except GET HEAD POST { deny all; } (TRACE is off anyway)
Apache: TraceEnable off, and <LimitExcept GET HEAD POST OPTIONS> Require all denied </LimitExcept>
IIS: request filtering, verbs; remove WebDAV where nobody uses it.`;

export const methods: HttpCheck = {
  kind: 'http-methods',
  check: async (site) => {
    const answer = await site.get('/', { method: 'OPTIONS' });
    if (!answer || answer.status >= 400) return [];
    const allowed = `${answer.headers.allow ?? ''},${answer.headers.public ?? ''}`.toUpperCase().split(/[\s,]+/);
    const bad = ['TRACE', 'TRACK', 'PUT', 'DELETE', 'CONNECT', 'PROPFIND', 'MOVE', 'COPY', 'MKCOL'].filter((name) =>
      allowed.includes(name),
    );
    if (bad.length === 0) return [];
    const writes = bad.some((name) => name !== 'TRACE' && name !== 'TRACK');
    return [
      weak(
        site,
        'http-methods',
        writes ? 'medium' : 'low',
        `${bad.join(', ')} ${bad.length === 1 ? 'is' : 'are'} allowed`,
        writes ? 'Files may be written or deleted.' : 'TRACE gives back what should stay hidden, such as cookies.',
        `OPTIONS lists ${bad.join(', ')} (none was used)`,
        HOW,
      ),
    ].map((one) => ({
      ...one,
      command: one.command.replace('curl -', 'curl -X OPTIONS -i').replace('-iskI', '-isk').replace('-isI', '-is'),
    }));
  },
};
