/** Administration pages that anybody reaches. */

import { type HttpCheck, isReal, weak } from '../perimeter-site.ts';

const PANELS: readonly (readonly [string, RegExp, string])[] = [
  ['/phpmyadmin/', /phpMyAdmin/i, 'phpMyAdmin'],
  ['/adminer.php', /<title>[^<]{0,80}Adminer/i, 'Adminer'],
  ['/manager/html', /Tomcat (Web Application )?Manager|tomcat-users/i, 'Tomcat Manager'],
  ['/wp-login.php', /wp-submit|WordPress/i, 'WordPress'],
  ['/administrator/', /Joomla/i, 'Joomla'],
  ['/server-status', /Apache Server Status/i, 'Apache status'],
  ['/nginx_status', /^Active connections: \d/i, 'nginx status'],
  ['/jenkins/login', /Jenkins/i, 'Jenkins'],
  ['/actuator', /"_links"/i, 'Spring actuator'],
  ['/solr/', /Solr Admin/i, 'Solr'],
  ['/console/login/LoginForm.jsp', /WebLogic/i, 'WebLogic'],
  ['/webmin/', /Webmin/i, 'Webmin'],
];
const HOW =
  'Allow it from the administrators’ network only. nginx: location /PATH { allow 10.0.0.0/8; deny all; } Apache: <Location "/PATH"> Require ip 10.0.0.0/8 </Location>';

export const adminPanels: HttpCheck = {
  kind: 'http-admin-panel',
  check: async (site) => {
    const found = [];
    for (const [path, pattern, name] of PANELS) {
      const answer = await site.get(path, { bodyMax: 64 * 1024 });
      const asks = answer?.status === 401 && pattern.test(`${answer.headers['www-authenticate'] ?? ''}${answer.body}`);
      if (!asks && !(isReal(site, answer) && pattern.test(answer.body.slice(0, 32_768)))) continue;
      const status = /status|actuator/i.test(name);
      found.push(
        weak(
          site,
          'http-admin-panel',
          site.outside ? (status ? 'medium' : 'high') : 'low',
          `${name} is reachable`,
          status
            ? 'It tells who visits, and how the server is built.'
            : 'Its log-in is guessed at, and its faults are used within days.',
          `${path} answered ${answer?.status}`,
          HOW,
          { key: path, path },
        ),
      );
    }
    return found;
  },
};
