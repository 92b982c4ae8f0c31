/** Forward-auth configuration for other proxies, generated from the policy: what they must strip, ask and hand on. */

import { IDENTITY_HEADERS } from './gateway-decide.ts';
import type { AppConfig, GatewayConfig } from './gateway-schema.ts';

export const PROXIES = ['nginx', 'caddy', 'traefik', 'haproxy', 'haproxy-lua', 'envoy'] as const;
export type ProxyName = (typeof PROXIES)[number];

export interface ProxyOptions {
  /** host:port of the gateway, as the proxy reaches it. */
  readonly gateway: string;
  /** The port that the proxy listens on; 443 unless a test says otherwise. */
  readonly port?: number;
}

const HEADERS = ['X-Asepsis-User', 'X-Asepsis-Name', 'X-Asepsis-Email', 'X-Asepsis-Groups', 'X-Asepsis-Jwt'];
/** Headers by which clients claim to be somebody or ask for another request; every proxy takes them away. */
const STRIPPED = [
  ...HEADERS,
  ...IDENTITY_HEADERS,
  'Forwarded',
  'X-Real-Ip',
  'X-Http-Method-Override',
  'X-Http-Method',
  'X-Method-Override',
  'X-Original-Url',
  'X-Rewrite-Url',
  'X-Override-Url',
  'X-Host',
  'X-Forwarded-Path',
  'X-Forwarded-Prefix',
  'X-Forwarded-Server',
];
/** Envoy hands these on as they came; the gateway and applications would take them for its word. */
const ONLY_THE_PROXY_SAYS = ['X-Forwarded-Host', 'X-Forwarded-Uri', 'X-Forwarded-Method'];
const identityOf = (app: AppConfig): string[] => [...new Set([...HEADERS, app.user_header])];
/** Each once, in the spelling in which the application gets it where it does. */
const strippedOf = (app: AppConfig): string[] => [
  ...new Map([...STRIPPED, ...identityOf(app)].map((name) => [name.toLowerCase(), name])).values(),
];
/** Headers of single applications, in lower case. */
const userHeaders = (apps: readonly AppConfig[]): string[] =>
  [...new Set(apps.map((app) => app.user_header.toLowerCase()))].filter((name) => name !== 'x-asepsis-user');
const address = (app: AppConfig): string =>
  app.upstream === undefined ? '127.0.0.1:8080' : new URL(app.upstream).host;
const tokenOf = (name: string): string => name.toLowerCase().replaceAll('-', '_');
const names = (app: AppConfig): string[] => app.hosts.map((host) => host.replace(/:\d+$/, ''));

export function proxyConfig(proxy: ProxyName, config: GatewayConfig, o: ProxyOptions): string {
  if (proxy === 'nginx') return nginx(config, o);
  if (proxy === 'caddy') return caddy(config, o);
  if (proxy === 'traefik') return traefik(config, o);
  if (proxy === 'haproxy') return haproxy(config, o);
  return proxy === 'haproxy-lua' ? HAPROXY_LUA : envoy(config, o);
}

const loginHost = (config: GatewayConfig): string => new URL(config.origin).hostname;

function nginx(config: GatewayConfig, o: ProxyOptions): string {
  const listen = o.port ?? 443;
  const told = `        proxy_set_header X-Forwarded-Method $request_method;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-Host $http_host;
        proxy_set_header X-Forwarded-Uri $request_uri;
        proxy_set_header X-Forwarded-For $remote_addr;`;
  const login = `server {
    listen ${listen};
    server_name ${loginHost(config)};
    if ($asepsis_host_fault) { return 400; }
    location / {
        proxy_pass http://asepsis_access;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
${told}
    }
}
`;
  const servers = config.apps.map((app) => {
    const identity = identityOf(app);
    return `server {
    listen ${listen};
    server_name ${names(app).join(' ')};
    # Paths reach the application as the gateway judged them.
    merge_slashes off;
    underscores_in_headers off;
    # The request line's host chooses the application, the Host header is what the gateway is asked about: alike or nothing.
    if ($asepsis_host_fault) { return 400; }

    location = /.asepsis/verify { return 404; }
    location ^~ /.asepsis/envoy { return 404; }
    location /.asepsis/ {
        proxy_pass http://asepsis_access;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
${told}
    }
    location = /_asepsis_verify {
        internal;
        proxy_pass http://asepsis_access/.asepsis/verify?mode=status;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $asepsis_upgrade;
        proxy_pass_request_body off;
        proxy_set_header Connection "";
        proxy_set_header Content-Length "";
        proxy_set_header Host $http_host;
${told}
    }
    location @asepsis_sign_in {
        rewrite ^ /.asepsis/start break;
        proxy_pass http://asepsis_access;
        proxy_method GET;
        proxy_pass_request_body off;
        proxy_set_header Content-Length "";
        proxy_set_header Host $http_host;
${told}
    }
    location / {
        auth_request /_asepsis_verify;
        error_page 401 = @asepsis_sign_in;
${identity.map((name) => `        auth_request_set $asepsis_${tokenOf(name)} $upstream_http_${tokenOf(name)};`).join('\n')}
        proxy_pass http://${address(app)};
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header Upgrade $asepsis_upgrade;
        proxy_set_header Connection $asepsis_connection;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Host $http_host;
        proxy_set_header X-Forwarded-Proto $scheme;
${strippedOf(app)
  .filter((name) => !identity.includes(name))
  .map((name) => `        proxy_set_header ${name} "";`)
  .join('\n')}
${identity.map((name) => `        proxy_set_header ${name} $asepsis_${tokenOf(name)};`).join('\n')}
    }
}
`;
  });
  return `# Made by "asepsis access proxy-config nginx"; belongs into the http block. trusted_proxies of the gateway names this machine.
map $http_upgrade $asepsis_upgrade { default ''; ~*^websocket$ websocket; }
map $asepsis_upgrade $asepsis_connection { default upgrade; '' ''; }
map "$host|$http_host" $asepsis_host_fault { default 1; "~*^([^|]+)\\|\\1(?::[0-9]+)?$" ''; }
upstream asepsis_access {
    server ${o.gateway};
    keepalive 64;
}
${[login, ...servers].join('\n')}`;
}

function caddy(config: GatewayConfig, o: ProxyOptions): string {
  const site = (host: string) => (o.port === undefined ? host : `http://${host}:${o.port}`);
  const login = `${site(loginHost(config))} {
	reverse_proxy ${o.gateway}
}
`;
  const sites = config.apps.map(
    (app) => `${names(app).map(site).join(', ')} {
	route /.asepsis/verify* {
		respond 404
	}
	route /.asepsis/envoy* {
		respond 404
	}
	route /.asepsis/* {
		reverse_proxy ${o.gateway}
	}
	route {
${strippedOf(app)
  .flatMap((name) => [name, name.replaceAll('-', '_')])
  .map((name) => `		request_header -${name}`)
  .join('\n')}
		request_header -X-Asepsis*
		request_header -X_Asepsis*
		forward_auth ${o.gateway} {
			uri /.asepsis/verify
			header_up X-Forwarded-For {remote_host}
			copy_headers ${identityOf(app).join(' ')}
		}
		reverse_proxy ${address(app)}
	}
}
`,
  );
  return `# Made by "asepsis access proxy-config caddy". trusted_proxies of the gateway names this machine.\n${[login, ...sites].join('\n')}`;
}

function traefik(config: GatewayConfig, o: ProxyOptions): string {
  const routers = config.apps.flatMap((app) => {
    const hosts = names(app)
      .map((host) => `Host(\`${host}\`)`)
      .join(' || ');
    return [
      `    ${app.name}-own:\n      rule: "(${hosts}) && PathPrefix(\`/.asepsis/\`) && !PathPrefix(\`/.asepsis/verify\`) && !PathPrefix(\`/.asepsis/envoy\`)"\n      priority: 1000\n      service: asepsis-access`,
      `    ${app.name}:\n      rule: "${hosts}"\n      middlewares: [${app.name}-strip, ${app.name}-verify]\n      service: ${app.name}`,
    ];
  });
  const middlewares = config.apps.flatMap((app) => [
    `    ${app.name}-strip:\n      headers:\n        customRequestHeaders:\n${strippedOf(app)
      .flatMap((name) => [name, name.replaceAll('-', '_')])
      .map((name) => `          ${name}: ""`)
      .filter((line, at, all) => all.indexOf(line) === at)
      .join('\n')}`,
    `    ${app.name}-verify:\n      forwardAuth:\n        address: "http://${o.gateway}/.asepsis/verify"\n        trustForwardHeader: false\n        authResponseHeaders: [${identityOf(app).join(', ')}]`,
  ]);
  const services = config.apps.map(
    (app) => `    ${app.name}:\n      loadBalancer:\n        servers:\n          - url: "http://${address(app)}"`,
  );
  return `# Made by "asepsis access proxy-config traefik": a file for the file provider. trusted_proxies of the gateway names this machine.
http:
  routers:
    asepsis-login:
      rule: "Host(\`${loginHost(config)}\`)"
      service: asepsis-access
${routers.join('\n')}
  middlewares:
${middlewares.join('\n')}
  services:
    asepsis-access:
      loadBalancer:
        servers:
          - url: "http://${o.gateway}"
${services.join('\n')}
`;
}

function haproxy(config: GatewayConfig, o: ProxyOptions): string {
  const cleanAll = `    http-request del-header (?i)^x[^a-z0-9]asepsis[^a-z0-9] -m reg
    http-request del-header (?i)^x[^a-z0-9]forwarded[^a-z0-9] -m reg
${STRIPPED.filter((name) => !/^x-(?:asepsis|forwarded)-/i.test(name))
  .concat(config.apps.map((app) => app.user_header))
  .filter((name, at, all) => all.indexOf(name) === at && !/^x-asepsis-/i.test(name))
  .map((name) => `    http-request del-header (?i)^${name.toLowerCase().replaceAll('-', '[^a-z0-9]')}$ -m reg`)
  .join('\n')}`;
  const guard = 'is_app !is_own';
  return `# Made by "asepsis access proxy-config haproxy"; the Lua file beside it comes from "proxy-config haproxy-lua".
# In the global section: lua-load /etc/haproxy/asepsis.lua   and   setenv ASEPSIS_GATEWAY ${o.gateway}
frontend asepsis
    mode http
    bind :${o.port ?? 443}
    # Names as they are, no header twice, nothing that reads in two ways.
    http-request deny deny_status 400 if { req.hdr_cnt(host) gt 1 }
${cleanAll}
    http-request set-var(txn.asepsis_host) req.hdr(host)
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
    acl is_own path_beg /.asepsis/
    acl is_login hdr(host),field(1,:) -i ${loginHost(config)}
    acl is_app hdr(host),field(1,:) -i ${config.apps.flatMap(names).join(' ')}
    http-request deny deny_status 404 if { path_beg /.asepsis/verify /.asepsis/envoy }
    http-request lua.asepsis_verify if ${guard}
    http-request return status 303 hdr location %[var(txn.asepsis_location)] hdr set-cookie %[var(txn.asepsis_cookie)] if ${guard} { var(txn.asepsis_status) -m int 303 }
    http-request deny deny_status 401 if ${guard} { var(txn.asepsis_status) -m int 401 }
    http-request deny deny_status 400 if ${guard} { var(txn.asepsis_status) -m int 400 }
    http-request deny deny_status 403 if ${guard} !{ var(txn.asepsis_status) -m int 200 }
${[...new Set(config.apps.flatMap(identityOf))]
  .map(
    (name) =>
      `    http-request set-header ${name} %[var(txn.${tokenOf(name)})] if ${guard} { var(txn.${tokenOf(name)}) -m len gt 0 }`,
  )
  .join('\n')}
    use_backend asepsis_access if is_login
    use_backend asepsis_access if is_app is_own
${config.apps.map((app) => `    use_backend app_${app.name} if { hdr(host),field(1,:) -i ${names(app).join(' ')} }`).join('\n')}
    default_backend nowhere

backend nowhere
    mode http
    http-request deny deny_status 421

backend asepsis_access
    mode http
    server gateway ${o.gateway}

${config.apps.map((app) => `backend app_${app.name}\n    mode http\n    server app ${address(app)}`).join('\n\n')}
`;
}

/** HAProxy has no forward-auth of its own; this asks with its own HTTP client. A gateway that does not answer denies. */
const HAPROXY_LUA = `-- Made by "asepsis access proxy-config haproxy-lua".
local gateway = os.getenv("ASEPSIS_GATEWAY") or "127.0.0.1:8430"
local copied = { "cookie", "user-agent", "accept", "sec-fetch-mode", "x-requested-with", "origin", "upgrade",
  "sec-websocket-key", "sec-websocket-version", "x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url" }

core.register_action("asepsis_verify", { "http-req" }, function(txn)
  txn:set_var("txn.asepsis_status", 403)
  local headers = txn.http:req_get_headers()
  local ask = {
    ["host"] = { gateway },
    ["x-forwarded-method"] = { txn.sf:method() },
    ["x-forwarded-host"] = { txn.sf:req_hdr("host") },
    ["x-forwarded-uri"] = { txn.sf:pathq() },
    ["x-forwarded-for"] = { txn.sf:src() },
    ["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" },
  }
  for _, name in ipairs(copied) do
    if headers[name] ~= nil then
      local values = {}
      local at = 0
      while headers[name][at] ~= nil do
        values[#values + 1] = headers[name][at]
        at = at + 1
      end
      ask[name] = { table.concat(values, name == "cookie" and "; " or ", ") }
    end
  end
  local client = core.httpclient()
  local answer = client:get({ url = "http://" .. gateway .. "/.asepsis/verify", headers = ask, timeout = 5000 })
  if answer == nil or answer.status == nil then return end
  txn:set_var("txn.asepsis_status", answer.status)
  local got = answer.headers or {}
  local function first(name) return got[name] and got[name][0] or "" end
  if answer.status == 303 then
    txn:set_var("txn.asepsis_location", first("location"))
    txn:set_var("txn.asepsis_cookie", first("set-cookie"))
  end
  for name, values in pairs(got) do
    txn:set_var("txn." .. string.gsub(name, "-", "_"), values[0])
  end
end, 0)
`;

function envoy(config: GatewayConfig, o: ProxyOptions): string {
  const [host, port] = o.gateway.split(':') as [string, string];
  const cluster = (name: string, at: string) => {
    const [to, on = '80'] = at.split(':') as [string, string?];
    return `    - name: ${name}
      type: STRICT_DNS
      load_assignment:
        cluster_name: ${name}
        endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: ${to}, port_value: ${on} } } } }] }]`;
  };
  const hosts = (list: readonly string[]) => `[${list.flatMap((one) => [`"${one}"`, `"${one}:*"`]).join(', ')}]`;
  const off =
    'typed_per_filter_config: { envoy.filters.http.ext_authz: { "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute, disabled: true } }';
  return `# Made by "asepsis access proxy-config envoy". trusted_proxies of the gateway names this machine.
static_resources:
  listeners:
    - address: { socket_address: { address: 0.0.0.0, port_value: ${o.port ?? 443} } }
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: asepsis
                use_remote_address: true
                xff_num_trusted_hops: 0
                normalize_path: false
                merge_slashes: false
                path_with_escaped_slashes_action: REJECT_REQUEST
                common_http_protocol_options: { headers_with_underscores_action: REJECT_REQUEST }
                upgrade_configs: [{ upgrade_type: websocket }]
                route_config:
                  request_headers_to_remove: [${[...STRIPPED, ...ONLY_THE_PROXY_SAYS]
                    .filter((name) => !HEADERS.includes(name))
                    .map((name) => name.toLowerCase())
                    .filter((name) => !userHeaders(config.apps).includes(name))
                    .join(', ')}]
                  virtual_hosts:
                    - name: login
                      domains: ${hosts([loginHost(config)])}
                      routes: [{ match: { prefix: "/" }, route: { cluster: asepsis_access }, ${off} }]
${config.apps
  .map(
    (app) => `                    - name: ${app.name}
                      domains: ${hosts(names(app))}
                      request_headers_to_remove: [${userHeaders(config.apps.filter((one) => one.user_header.toLowerCase() !== app.user_header.toLowerCase())).join(', ')}]
                      routes:
                        - { match: { prefix: "/.asepsis/verify" }, direct_response: { status: 404 }, ${off} }
                        - { match: { prefix: "/.asepsis/envoy" }, direct_response: { status: 404 }, ${off} }
                        - { match: { prefix: "/.asepsis/" }, route: { cluster: asepsis_access }, ${off} }
                        - { match: { prefix: "/" }, route: { cluster: app_${app.name} } }`,
  )
  .join('\n')}
                http_filters:
                  - name: envoy.filters.http.ext_authz
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
                      failure_mode_allow: false
                      http_service:
                        server_uri: { uri: "http://${o.gateway}", cluster: asepsis_access, timeout: 5s }
                        path_prefix: /.asepsis/envoy
                        authorization_request:
                          allowed_headers: { patterns: [${['cookie', 'user-agent', 'accept', 'sec-fetch-mode', 'x-requested-with', 'x-forwarded-for', 'origin', 'sec-websocket-key', 'sec-websocket-version', 'x-http-method-override', 'x-original-url', 'x-rewrite-url'].map((name) => `{ exact: ${name} }`).join(', ')}] }
                        authorization_response:
                          allowed_upstream_headers: { patterns: [{ prefix: x-asepsis- }${config.apps
                            .filter((app) => app.user_header !== 'X-Asepsis-User')
                            .map((app) => `, { exact: ${app.user_header.toLowerCase()} }`)
                            .join('')}] }
                          allowed_client_headers: { patterns: [{ exact: location }, { exact: set-cookie }] }
                  - name: envoy.filters.http.router
                    typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
${[cluster('asepsis_access', `${host}:${port}`), ...config.apps.map((app) => cluster(`app_${app.name}`, address(app)))].join('\n')}
`;
}
