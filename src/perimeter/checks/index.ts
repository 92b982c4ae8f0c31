/** All HTTP checks, in the order in which they are asked: first what one page tells. */

import type { HttpCheck } from '../perimeter-site.ts';
import { adminPanels } from './admin-panels.ts';
import { cookies } from './cookies.ts';
import { cors } from './cors.ts';
import { csp } from './csp.ts';
import { defaultPage } from './default-page.ts';
import { directoryListing } from './directory-listing.ts';
import { errorLeak } from './error-leak.ts';
import { framing } from './framing.ts';
import { hsts } from './hsts.ts';
import { httpsRedirect } from './https-redirect.ts';
import { leftFiles } from './left-files.ts';
import { loginPage } from './login-page.ts';
import { methods } from './methods.ts';
import { mixedContent } from './mixed-content.ts';
import { nosniff } from './nosniff.ts';
import { referrer } from './referrer.ts';
import { securityTxt } from './security-txt.ts';
import { sri } from './sri.ts';

export const HTTP_CHECKS: readonly HttpCheck[] = [
  httpsRedirect,
  hsts,
  csp,
  cookies,
  cors,
  framing,
  nosniff,
  referrer,
  sri,
  methods,
  directoryListing,
  defaultPage,
  adminPanels,
  leftFiles,
  errorLeak,
  mixedContent,
  securityTxt,
  loginPage,
];
