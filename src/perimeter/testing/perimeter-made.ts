/**
 * Servers that no Debian package brings, answering what their specifications say they answer: Kubernetes, Docker,
 * Elasticsearch, FHIR, VPN portals over HTTP; MongoDB, SQL Server and a desktop that requires NLA over TCP.
 */

import { once } from 'node:events';
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

export interface Made {
  readonly port: number;
  /** Every request line and body that came: a test reads here that nothing else was asked. */
  readonly asked: string[];
  close(): Promise<void>;
}

async function opened(server: Server, asked: string[]): Promise<Made> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

type Answer = readonly [
  status: number,
  type: string,
  body: string | object,
  headers?: Readonly<Record<string, string>>,
];

/** Answers by path; what has none gets `missing`. */
function web(paths: Readonly<Record<string, Answer>>, missing: Answer): Promise<Made> {
  const asked: string[] = [];
  const server = createHttp((request: IncomingMessage, response: ServerResponse) => {
    asked.push(`${request.method} ${request.url}`);
    const [status, type, body, headers] = paths[(request.url ?? '').split('?')[0] as string] ?? missing;
    response.writeHead(status, { 'content-type': type, ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  return opened(server, asked);
}

const JSON_TYPE = 'application/json';
const GO_MISSING: Answer = [404, 'text/plain; charset=utf-8', '404 page not found\n'];
/** `Status` of the Kubernetes API conventions. */
const forbidden = (code: 401 | 403): Answer => [
  code,
  JSON_TYPE,
  {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    reason: code === 401 ? 'Unauthorized' : 'Forbidden',
    code,
  },
];

export const kubernetes = (anonymous: boolean): Promise<Made> =>
  web(
    anonymous
      ? {
          '/version': [200, JSON_TYPE, { major: '1', minor: '29', gitVersion: 'v1.29.3' }],
          '/api/v1/namespaces': [200, JSON_TYPE, { kind: 'NamespaceList', apiVersion: 'v1', items: [{}] }],
        }
      : { '/version': [200, JSON_TYPE, { major: '1', minor: '29', gitVersion: 'v1.29.3' }] },
    forbidden(anonymous ? 403 : 401),
  );
export const kubelet = (anonymous: boolean): Promise<Made> =>
  web(
    {
      '/healthz': [200, 'text/plain', 'ok'],
      '/pods': anonymous ? [200, JSON_TYPE, { kind: 'PodList', items: [] }] : [401, 'text/plain', 'Unauthorized'],
    },
    GO_MISSING,
  );
export const docker = (): Promise<Made> =>
  web({ '/version': [200, JSON_TYPE, { Version: '24.0.7', ApiVersion: '1.43', Os: 'linux' }] }, [
    404,
    JSON_TYPE,
    { message: 'page not found' },
  ]);
export const elasticsearch = (secured: boolean): Promise<Made> =>
  secured
    ? web({}, [
        401,
        JSON_TYPE,
        { error: { type: 'security_exception', reason: 'missing authentication credentials' }, status: 401 },
        { 'www-authenticate': 'Basic realm="security" charset="UTF-8", ApiKey' },
      ])
    : web(
        {
          '/': [
            200,
            JSON_TYPE,
            {
              name: 'node-1',
              cluster_name: 'lab',
              version: { number: '8.11.1', lucene_version: '9.8.0' },
              tagline: 'You Know, for Search',
            },
          ],
        },
        [404, JSON_TYPE, { error: 'no handler found' }],
      );

/** A capability statement (FHIR R4, http.html#capabilities); guarded, it names SMART (SMART App Launch 2.1). */
export function fhir(guarded: boolean): Promise<Made> {
  const security = {
    service: [
      { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/restful-security-service', code: 'SMART-on-FHIR' }] },
    ],
  };
  const statement = {
    resourceType: 'CapabilityStatement',
    status: 'active',
    kind: 'instance',
    fhirVersion: '4.0.1',
    format: ['json'],
    software: { name: 'HAPI FHIR Server', version: '6.10.1' },
    rest: [{ mode: 'server', ...(guarded ? { security } : {}), resource: [{ type: 'Patient' }] }],
  };
  const smart = {
    authorization_endpoint: 'https://auth.example/authorize',
    token_endpoint: 'https://auth.example/token',
    capabilities: ['launch-standalone'],
  };
  return web(
    {
      '/fhir/metadata': [200, 'application/fhir+json', statement],
      ...(guarded ? { '/fhir/.well-known/smart-configuration': [200, JSON_TYPE, smart] as const } : {}),
    },
    [
      404,
      'application/fhir+json',
      { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'not-found' }] },
    ],
  );
}
/** What the log-in pages of remote access products are known by. */
export const portal = (page: string): Promise<Made> =>
  web(
    {
      '/': [
        200,
        'text/html',
        `<!doctype html><html><body>${page}<form method="post"><input type="password" name="p"></form></body></html>`,
      ],
    },
    [404, 'text/html', '<html>no</html>'],
  );

function lines(answer: (bytes: Buffer, socket: Socket) => void): Promise<Made> {
  const asked: string[] = [];
  return opened(
    createServer((socket) =>
      socket.on('data', (bytes: Buffer) => {
        asked.push(bytes.toString('latin1'));
        answer(bytes, socket);
      }),
    ),
    asked,
  );
}

/** OP_MSG with one document of strings (MongoDB wire protocol, BSON 1.1). */
function mongoAnswer(fields: Readonly<Record<string, string>>): Buffer {
  const elements = Object.entries(fields).map(([name, text]) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length + 1);
    return Buffer.concat([Buffer.from(`\x02${name}\0`, 'latin1'), length, Buffer.from(`${text}\0`, 'latin1')]);
  });
  const document = Buffer.concat([Buffer.alloc(4), ...elements, Buffer.from([0])]);
  document.writeUInt32LE(document.length);
  const head = Buffer.alloc(21);
  head.writeUInt32LE(21 + document.length, 0);
  head.writeUInt32LE(2013, 12);
  return Buffer.concat([head, document]);
}
export const mongodb = (guarded: boolean): Promise<Made> =>
  lines((bytes, socket) => {
    if (bytes.length < 26 || bytes.readUInt32LE(12) !== 2013) return void socket.destroy();
    if (bytes.includes('buildInfo')) socket.write(mongoAnswer({ version: '6.0.12' }));
    else
      socket.write(
        mongoAnswer(
          guarded
            ? { errmsg: 'command hostInfo requires authentication', codeName: 'Unauthorized' }
            : { hostname: 'db', cpuArch: 'x86_64' },
        ),
      );
  });

/** PRELOGIN of [MS-TDS] 2.2.6.5: version 15.0.2000 and how it encrypts (2: not supported, 3: required). */
export const sqlServer = (encryption: 2 | 3): Promise<Made> =>
  lines((bytes, socket) => {
    if (bytes[0] !== 0x12) return void socket.destroy();
    const body = Buffer.from([0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 15, 0, 0x07, 0xd0, 0, 0, encryption]);
    socket.write(Buffer.concat([Buffer.from([4, 1, 0, 8 + body.length, 0, 0, 0, 0]), body]));
  });

/** A Windows desktop with NLA required: anything but CredSSP is refused with HYBRID_REQUIRED ([MS-RDPBCGR] 2.2.1.2.2). */
export const desktopWithNla = (): Promise<Made> =>
  lines((bytes, socket) => {
    if (bytes[0] !== 3 || bytes.length < 19) return void socket.destroy();
    const credssp = (bytes.readUInt32LE(15) & 2) !== 0;
    const answer = Buffer.from('030000130ed000001234000200080000000000', 'hex');
    answer.writeUInt8(credssp ? 2 : 3, 11);
    answer.writeUInt32LE(credssp ? 2 : 5, 15);
    socket.write(answer);
  });
