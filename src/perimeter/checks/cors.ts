/** Cross-origin sharing: does the server let any site read what a visitor may see? */

import { type HttpCheck, weak } from '../perimeter-site.ts';

const ORIGIN = 'https://asepsis.invalid';
const HOW =
  'List the origins that may read, and compare whole strings; never send back what Origin says together with Access-Control-Allow-Credentials: true.';

export const cors: HttpCheck = {
  kind: 'http-cors',
  check: async (site) => {
    const found = [];
    for (const origin of [ORIGIN, 'null']) {
      const answer = await site.get('/', { headers: { origin } });
      const allowed = answer?.headers['access-control-allow-origin'];
      if (allowed === origin && answer?.headers['access-control-allow-credentials'] === 'true')
        found.push(
          weak(
            site,
            'http-cors',
            'high',
            'Any site may read with the visitor’s session',
            'A page that a signed-in person opens reads their data.',
            `Origin: ${origin} was allowed, with credentials`,
            HOW,
            { key: origin },
          ),
        );
    }
    return found.slice(0, 1);
  },
};
