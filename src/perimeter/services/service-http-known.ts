/** Interfaces over HTTP that are known by their answer: search engines, container and cluster control, clinical servers, VPN portals. */

import type { HttpAnswer } from '../perimeter-http.ts';
import { type SiteView, weak } from '../perimeter-site.ts';
import type { Software, Weakness } from '../perimeter-weakness.ts';

export interface Known {
  readonly service: string;
  readonly software?: readonly Software[];
  readonly facts?: Readonly<Record<string, string | boolean>>;
  readonly weaknesses?: readonly Weakness[];
}

function json(answer: HttpAnswer | null): Record<string, unknown> | null {
  if (answer?.status !== 200 || answer.body.length > 2_000_000) return null;
  try {
    const value: unknown = JSON.parse(answer.body);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
const word = (value: unknown): string => (typeof value === 'string' ? value.slice(0, 64) : '');

function open(site: SiteView, key: string, name: string, why: string, path: string, how: string): Weakness {
  return weak(
    site,
    'no-authentication',
    'critical',
    `${name} asks nobody who they are`,
    why,
    `GET ${path} was answered without a log-in`,
    how,
    { key, path, head: false, fixTitle: `Protect ${name} on ${site.origin}` },
  );
}

async function elasticsearch(site: SiteView): Promise<Known | null> {
  const root = json(site.page);
  const version = (root?.version as Record<string, unknown> | undefined)?.number;
  if (!root || typeof version !== 'string' || !('cluster_name' in root)) {
    const realm =
      site.page.status === 401 &&
      /security.*(elasticsearch|opensearch)|ApiKey/i.test(site.page.headers['www-authenticate'] ?? '');
    return realm ? { service: 'elasticsearch' } : null;
  }
  return {
    service: 'elasticsearch',
    software: [
      {
        name: /opensearch/i.test(JSON.stringify(root.version)) ? 'opensearch' : 'elasticsearch',
        version: word(version),
      },
    ],
    weaknesses: [
      open(
        site,
        'elasticsearch',
        'Elasticsearch',
        'Anybody reads and deletes what is stored in it.',
        '/',
        'elasticsearch.yml: xpack.security.enabled: true, network.host: 127.0.0.1, then set the passwords.',
      ),
    ],
  };
}

async function docker(site: SiteView): Promise<Known | null> {
  if (!/"message":"page not found"/.test(site.page.body) && !/docker/i.test(site.page.headers.server ?? ''))
    return null;
  const version = json(await site.get('/version'));
  if (!version || !('ApiVersion' in version)) return null;
  return {
    service: 'docker',
    software: [{ name: 'docker', version: word(version.Version) }],
    weaknesses: [
      open(
        site,
        'docker',
        'The Docker control port',
        'Whoever reaches it owns the machine.',
        '/version',
        'Remove -H tcp:// from the service, or use --tlsverify with client certificates; SSH is simpler: docker -H ssh://host.',
      ),
    ],
  };
}

/** What programs in Go say of a path that they do not have: no page is at /, only an interface below it. */
const bareGo = (site: SiteView) => site.page.status === 404 && site.page.body.startsWith('404 page not found');

async function kubernetes(site: SiteView): Promise<Known | null> {
  const status = site.page.body.slice(0, 2000);
  if (/"kind":\s*"Status"/.test(status) && /"apiVersion":\s*"v1"/.test(status)) {
    const version = json(await site.get('/version'));
    const list = json(await site.get('/api/v1/namespaces?limit=1'));
    const weaknesses =
      list && 'items' in list
        ? [
            open(
              site,
              'kubernetes',
              'The Kubernetes API',
              'Whoever reaches it runs anything in the cluster.',
              '/api/v1/namespaces?limit=1',
              'kube-apiserver --anonymous-auth=false; remove role bindings of system:anonymous.',
            ),
          ]
        : [];
    return {
      service: 'kubernetes',
      software: version ? [{ name: 'kubernetes', version: word(version.gitVersion).replace(/^v/, '') }] : [],
      weaknesses,
    };
  }
  if (bareGo(site)) {
    const answer = await site.get('/healthz');
    if (answer?.status !== 200 || answer.body.trim() !== 'ok') return null;
    // The head alone says whether anybody may ask; what runs there is not read.
    const pods = await site.get('/pods', { method: 'HEAD' });
    if (![200, 401, 403].includes(pods?.status ?? 0)) return null;
    return {
      service: 'kubelet',
      weaknesses:
        pods?.status === 200
          ? [
              open(
                site,
                'kubelet',
                'The kubelet',
                'Whoever reaches it runs anything in every container of the machine.',
                '/pods',
                'kubelet: --anonymous-auth=false, --authorization-mode=Webhook, --read-only-port=0.',
              ),
            ]
          : [],
    };
  }
  return null;
}

/** etcd tells its version to anybody; whether its keys are open is not tried. */
async function etcd(site: SiteView): Promise<Known | null> {
  if (!bareGo(site)) return null;
  const version = json(await site.get('/version'));
  if (typeof version?.etcdserver !== 'string') return null;
  return {
    service: 'etcd',
    software: [{ name: 'etcd', version: word(version.etcdserver) }],
    weaknesses: site.tls
      ? []
      : [
          weak(
            site,
            'database-without-tls',
            site.outside ? 'critical' : 'medium',
            'etcd without TLS',
            'It holds the secrets of a cluster; without TLS it cannot ask for a client certificate either.',
            '/version was answered in clear',
            'etcd --cert-file --key-file --client-cert-auth --trusted-ca-file, and --auth-token with users.',
            { key: 'etcd', path: '/version', head: false, disrupts: true, fixTitle: `Encrypt etcd on ${site.origin}` },
          ),
        ],
  };
}

const FHIR_PATHS = [
  '/metadata',
  '/fhir/metadata',
  '/fhir/R4/metadata',
  '/hapi-fhir-jpaserver/fhir/metadata',
  '/baseR4/metadata',
  '/r4/metadata',
  '/openmrs/ws/fhir2/R4/metadata',
] as const;

/** The capability statement says what a server is; whether it gives patients away is never tried. */
async function fhir(site: SiteView): Promise<Known | null> {
  for (const path of FHIR_PATHS) {
    const answer = await site.get(path, { headers: { accept: 'application/fhir+json' } });
    const statement = json(answer);
    if (statement?.resourceType !== 'CapabilityStatement' && statement?.resourceType !== 'Conformance') continue;
    const rest = Array.isArray(statement.rest) ? (statement.rest[0] as { security?: object } | undefined) : undefined;
    const security = rest?.security === undefined ? '' : JSON.stringify(rest.security);
    const smart = json(await site.get(path.replace(/metadata$/, '.well-known/smart-configuration')));
    const guarded = /oauth|smart|basic|certificates/i.test(security) || smart !== null;
    const software = statement.software as { name?: unknown; version?: unknown } | undefined;
    const weaknesses: Weakness[] = [];
    if (!guarded)
      weaknesses.push(
        weak(
          site,
          'fhir-open',
          site.outside ? 'critical' : 'high',
          'A FHIR server names no way of logging in',
          'It may give patients’ records to whoever asks; no record was asked for.',
          `${path} is a CapabilityStatement without security, and there is no SMART configuration`,
          'Put SMART on FHIR (OAuth 2) in front of it, and allow applications by name; until then close it to all but the interface engine.',
          { path, head: false, effort: 'days', fixTitle: `Protect FHIR on ${site.origin}` },
        ),
      );
    if (!site.tls)
      weaknesses.push(
        weak(
          site,
          'clinical-without-tls',
          'high',
          'FHIR in clear',
          'Records of patients and tokens are readable in the path.',
          `${path} was answered without TLS`,
          'Serve it over HTTPS only.',
          { key: 'fhir', path, head: false, disrupts: true, fixTitle: `Encrypt FHIR on ${site.origin}` },
        ),
      );
    return {
      service: 'fhir',
      software:
        typeof software?.name === 'string' && typeof software.version === 'string'
          ? [{ name: word(software.name).toLowerCase(), version: word(software.version) }]
          : [],
      facts: { fhir_version: word(statement.fhirVersion), smart: smart !== null },
      weaknesses,
    };
  }
  return null;
}

/** Orthanc says of itself what it is; studies are never listed. */
async function dicomWeb(site: SiteView): Promise<Known | null> {
  if (
    !/orthanc/i.test(
      `${site.page.body.slice(0, 8192)}${site.page.headers['www-authenticate'] ?? ''}${site.page.url}`,
    ) &&
    !/app\/explorer\.html/.test(site.page.headers.location ?? '')
  ) {
    const other = /OHIF|dcm4chee|DICOMweb|Weasis|RadiAnt|PACS/i.exec(site.page.body.slice(0, 16_384))?.[0];
    return other === undefined ? null : { service: 'clinical-web', facts: { product: other } };
  }
  const system = json(await site.get('/system'));
  if (!system || typeof system.DicomAet !== 'string') return { service: 'orthanc' };
  const web = (await site.get('/dicom-web/', { method: 'OPTIONS' }))?.status ?? 0;
  return {
    service: 'orthanc',
    software: [{ name: 'orthanc', version: word(system.Version) }],
    facts: { dicom_web: web > 0 && web !== 404 },
    weaknesses: [
      open(
        site,
        'orthanc',
        'The image server Orthanc',
        'Anybody who reaches it fetches images of patients.',
        '/system',
        '"AuthenticationEnabled": true with "RegisteredUsers", "RemoteAccessAllowed": false; then restart.',
      ),
    ],
  };
}

const PORTALS: readonly (readonly [RegExp, string])[] = [
  [/\/remote\/login|fgt_lang|FortiGate|sslvpn_login/i, 'FortiGate SSL VPN'],
  [/\/dana-na\/|Pulse Connect Secure|Ivanti Connect Secure/i, 'Ivanti Connect Secure'],
  [/\/vpn\/index\.html|Citrix Gateway|NetScaler|logon\/LogonPoint/i, 'Citrix Gateway'],
  [/global-protect|GlobalProtect Portal/i, 'GlobalProtect'],
  [/\+CSCOE\+|webvpn/i, 'Cisco AnyConnect'],
  [/SonicWall|sslvpnclient|\/cgi-bin\/welcome/i, 'SonicWall SSL VPN'],
  [/my\.policy|BIG-IP logout|F5 Networks/i, 'F5 BIG-IP APM'],
  [/\/RDWeb\/|RD Web Access/i, 'RD Web Access'],
  [/OpenVPN Access Server|__session_start__/i, 'OpenVPN Access Server'],
  [/\/owa\/auth|Outlook Web App|X-OWA-Version/i, 'Outlook Web App'],
  [/VMware Horizon|vmware-view/i, 'VMware Horizon'],
  [/Check Point Mobile|\/sslvpn\/Login/i, 'Check Point VPN'],
];

async function vpn(site: SiteView): Promise<Known | null> {
  const hints = `${site.page.body.slice(0, 32_768)} ${Object.entries(site.page.headers)
    .map(([name, value]) => `${name}: ${value}`)
    .join(' ')
    .slice(
      0,
      8192,
    )} ${site.redirects.hops.map(({ url }) => url).join(' ')} ${site.page.cookies.map((cookie) => cookie.split('=')[0]).join(' ')}`;
  const portal = PORTALS.find(([pattern]) => pattern.test(hints));
  return portal ? { service: 'vpn-portal', facts: { product: portal[1] } } : null;
}

async function printerWeb(site: SiteView): Promise<Known | null> {
  const text = `${site.page.headers.server ?? ''} ${/<title>([^<]{0,200})/i.exec(site.page.body)?.[1] ?? ''}`;
  if (
    !/(HP (HTTP Server|LaserJet)|LaserJet|Lexmark|Xerox|KYOCERA|Brother|RICOH|Canon|EPSON|CUPS\/\d|IPP\/\d)/i.test(text)
  )
    return null;
  const cups = /CUPS\/(\d[\w.]*)/i.exec(text)?.[1];
  return {
    service: 'printer-web',
    software: cups === undefined ? [] : [{ name: 'cups', version: cups }],
    weaknesses: site.outside
      ? [
          weak(
            site,
            'exposed-service',
            'medium',
            'A printer’s pages face outside',
            'They show and change its settings, and what was printed.',
            'Its title or server header names a printer',
            'Let the firewall close it to the outside.',
            { key: 'printer-web' },
          ),
        ]
      : [],
  };
}

const LOOKS = [elasticsearch, docker, etcd, kubernetes, dicomWeb, vpn, printerWeb, fhir] as const;

export async function known(site: SiteView): Promise<Known | null> {
  for (const look of LOOKS) {
    const found = await look(site);
    if (found) return found;
  }
  return null;
}
