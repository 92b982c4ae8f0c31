/** What a pair of relays is made of, as files: our configuration for both ends, the same for stunnel and HAProxy, and the steps of the switch-over. Pure. */

import { stringify } from 'yaml';
import type { RelayEnd, RelayKind, RelayRoute } from './relay-config.ts';

export interface PairPlan {
  /** Short word for both ends: `pacs`. */
  readonly name: string;
  readonly kind: RelayKind;
  /** Where the near relay takes the device's clear text, in the device's own segment. */
  readonly near: RelayEnd;
  /** Where the far relay takes TLS. */
  readonly far: RelayEnd;
  /** The server that the device speaks to today. */
  readonly server: RelayEnd;
  /** Networks or addresses of the devices. */
  readonly devices: readonly string[];
  /** Address of the near relay as the far one sees it; without it the certificate alone decides. */
  readonly nearSeenAs?: string;
  /** Where both ends answer /healthz and /metrics. */
  readonly status: RelayEnd;
}

export const pairNames = (name: string) => ({ near: `near.${name}.relay`, far: `far.${name}.relay` }) as const;
export const STATUS_USUAL: RelayEnd = { host: '127.0.0.1', port: 9465 };

const FILES = { certificate: 'cert.pem', key: 'key.pem', authority: 'ca.pem' } as const;

function ownConfig(plan: PairPlan, side: 'near' | 'far'): string {
  const names = pairNames(plan.name);
  const route: Pick<RelayRoute, 'name' | 'kind' | 'side' | 'listen' | 'to' | 'peers' | 'from'> =
    side === 'near'
      ? {
          name: plan.name,
          kind: plan.kind,
          side,
          listen: plan.near,
          to: plan.far,
          peers: [names.far],
          from: [...plan.devices],
        }
      : {
          name: plan.name,
          kind: plan.kind,
          side,
          listen: plan.far,
          to: plan.server,
          peers: [names.near],
          from: plan.nearSeenAs === undefined ? [] : [plan.nearSeenAs],
        };
  const what =
    side === 'near' ? 'Beside the device: clear text in, TLS out.' : 'Beside the server: TLS in, clear text out.';
  return `# ${what} Start it with: asepsis relay run relay.yaml\n${stringify({ ...FILES, status: plan.status, routes: [route] })}`;
}

const bracketed = (host: string) => (host.includes(':') ? `[${host}]` : host);

/** stunnel's manual: client, verifyChain, checkHost, sslVersionMin. */
function stunnelConfig(plan: PairPlan, side: 'near' | 'far'): string {
  const names = pairNames(plan.name);
  const near = side === 'near';
  const [accept, connect] = near ? [plan.near, plan.far] : [plan.far, plan.server];
  const lines = [
    'foreground = yes',
    'socket = l:TCP_NODELAY=1',
    'socket = r:TCP_NODELAY=1',
    '',
    `[${plan.name}]`,
    `client = ${near ? 'yes' : 'no'}`,
    // stunnel takes IPv6 addresses without brackets.
    `accept = ${accept.host}:${accept.port}`,
    `connect = ${connect.host}:${connect.port}`,
    'cert = cert.pem',
    'key = key.pem',
    'CAfile = ca.pem',
    'verifyChain = yes',
    'requireCert = yes',
    `checkHost = ${near ? names.far : names.near}`,
    'sslVersionMin = TLSv1.3',
    ...(near ? [`sni = ${names.far}`] : []),
  ];
  const limit = near
    ? `; stunnel knows no list of addresses: let a firewall keep all but ${plan.devices.join(', ')} away.\n`
    : '';
  return `${limit}${lines.join('\n')}\n`;
}

function haproxyConfig(plan: PairPlan, side: 'near' | 'far'): string {
  const names = pairNames(plan.name);
  const near = side === 'near';
  const [listen, to] = near ? [plan.near, plan.far] : [plan.far, plan.server];
  const tls = 'crt cert-and-key.pem ca-file ca.pem verify required ssl-min-ver TLSv1.3';
  const bind = `bind ${bracketed(listen.host)}:${listen.port}`;
  const guard = near
    ? [`  acl devices src ${plan.devices.join(' ')}`, '  tcp-request connection reject unless devices']
    : [
        `  acl partner ssl_c_s_dn(cn) -m str ${names.near}`,
        '  tcp-request inspect-delay 10s',
        '  tcp-request content reject unless partner',
        '  tcp-request content accept',
      ];
  const server = near
    ? `  server far ${bracketed(to.host)}:${to.port} ssl ${tls} verifyhost ${names.far} sni str(${names.far})`
    : `  server clear ${bracketed(to.host)}:${to.port}`;
  return `${[
    'global',
    '  maxconn 512',
    'defaults',
    '  mode tcp',
    '  timeout connect 10s',
    '  timeout client 24h',
    '  timeout server 24h',
    `frontend ${plan.name}_in`,
    near ? `  ${bind}` : `  ${bind} ssl ${tls}`,
    ...guard,
    `  default_backend ${plan.name}_out`,
    `backend ${plan.name}_out`,
    server,
  ].join('\n')}\n`;
}

const TEST_OF: Readonly<Record<RelayKind, string>> = {
  dicom: 'Send a C-ECHO from the device (its "verify" button), then one test image, and look at it on the archive.',
  mllp: 'Send one test message for a test patient, and see that the acknowledgement (MSA|AA) comes back.',
  http: 'Open the application from the device once and see that it works.',
  tcp: 'Let the device talk once, and see at the server that it arrived.',
};

function steps(plan: PairPlan): string {
  const at = (end: RelayEnd) => `${end.host} port ${end.port}`;
  return `# Switch-over: ${plan.name}

Today ${plan.devices.join(', ')} speak ${plan.kind} in clear to ${at(plan.server)}. Afterwards clear text stays inside the device's own
segment and inside the server's, and TLS 1.3 with certificates on both sides carries it between them.

1. Copy \`far/\` to the machine beside the server and \`near/\` to the machine in the device's segment, by a way that nobody
   else reads: each holds a private key. Keep \`authority-key.pem\` off both; it renews the certificates.
2. Beside the server: \`asepsis relay run far/relay.yaml\` (or stunnel.conf, or haproxy.cfg in the same folder). Allow TCP
   ${plan.far.port} from the near relay in the firewall.
3. In the device's segment: \`asepsis relay check near/relay.yaml\` must say that the far relay answers. Then
   \`asepsis relay run near/relay.yaml\`.
4. Agree on a moment with the people who use the device. Nothing has changed for them until here.
5. In the device, set the server to ${at(plan.near)} and leave everything else (AE titles, facility names) as it is.
   ${TEST_OF[plan.kind]}
6. It does not work? Set the device back to ${at(plan.server)}: that is the whole way back. Then read /healthz of both relays.
7. When it has worked for a shift, let the firewall refuse ${at(plan.server)} from everywhere but the far relay. The next
   capture between the sites then shows TLS only, and the finding becomes fixed by that evidence.

The certificates are good for 397 days; /healthz warns a month before. \`asepsis relay pair\` with the same folder renews them.
`;
}

/** Everything but keys and certificates: path below the pair's folder → text. */
export function pairFiles(plan: PairPlan): Readonly<Record<string, string>> {
  const files: Record<string, string> = { 'STEPS.md': steps(plan) };
  for (const side of ['near', 'far'] as const) {
    files[`${side}/relay.yaml`] = ownConfig(plan, side);
    files[`${side}/stunnel.conf`] = stunnelConfig(plan, side);
    files[`${side}/haproxy.cfg`] = haproxyConfig(plan, side);
  }
  return files;
}
