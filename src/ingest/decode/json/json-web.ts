/** Requests in the access logs of web servers, proxies and gateways that write JSON (Caddy, Traefik, Envoy, and their like). */

import { type DecodedEvent, type Normalised, OCSF_CLASS } from '../../../core/index.ts';
import { type Fields, type Frame, makeEvent } from '../decode-frame.ts';
import { logSource } from '../decode-source.ts';
import { intOf, ipOf } from '../decode-text.ts';
import { addressOf } from '../programs/program-logon.ts';
import { columnVisitor } from './json-columns.ts';

const SOURCE = logSource(undefined, 'webserver');

/** Names that say so only together: a `path` alone may be a file's, a `status` anything. */
const visitRequest = columnVisitor([
  ['method', 'request.method'],
  ['method', 'RequestMethod'],
  ['method', 'http.http_method'],
  ['method', 'method'],
  ['method', 'http_method'],
  ['method', 'request_method'],
  ['method', ':method'],
  ['url', 'request.uri'],
  ['url', 'RequestPath'],
  ['url', 'http.url'],
  ['url', 'x-envoy-origin-path'],
  ['url', ':path'],
  ['url', 'request_uri'],
  ['url', 'uri'],
  ['url', 'url'],
  ['url', 'http_path'],
  ['url', 'request_path'],
  ['url', 'path'],
  ['status', 'DownstreamStatus'],
  ['status', 'http.status'],
  ['status', 'status'],
  ['status', 'response_code'],
  ['status', 'status_code'],
  ['status', 'statusCode'],
  ['status', 'http_status'],
  ['user_agent', 'request.headers.User-Agent'],
  ['user_agent', 'request_User-Agent'],
  ['user_agent', 'user-agent'],
  ['user_agent', 'user_agent'],
  ['user_agent', 'http_user_agent'],
  ['user_agent', 'userAgent'],
  ['src_ip', 'request.client_ip'],
  ['src_ip', 'request.remote_ip'],
  ['src_ip', 'ClientHost'],
  ['src_ip', 'downstream_remote_address'],
  ['src_ip', 'downstream_direct_remote_address'],
  ['src_ip', 'client'],
  ['domain', 'request.host'],
  ['domain', 'RequestHost'],
  ['domain', ':authority'],
  ['domain', 'authority'],
  ['domain', 'http_host'],
]);

const METHOD = /^[A-Z][A-Z_-]{2,15}$/;
/** `[2001:db8::1]:443`: an address of version 6 with a port. */
const IN_BRACKETS = /^\[([0-9a-f:.]{2,45})\](?::(\d{1,5}))?$/i;
const ORIGIN = /^[a-z][a-z+.-]{1,15}:\/\/[^/?#]{1,255}/i;

/** The event of a request when method, target and answer are there; null when one is not. */
export function decodeWebRequest(norm: Normalised, fields: Fields, frame: Frame): DecodedEvent | null {
  const found: { method?: string; url?: string; user_agent?: string; domain?: string; src_ip?: string } = {};
  let status = -1;
  visitRequest(fields, (column, text) => {
    if (column === 'status') status = status < 0 ? intOf(text, 0, text.length) : status;
    else found[column as keyof typeof found] ??= text;
  });
  const { method, url } = found;
  if (method === undefined || url === undefined || !METHOD.test(method) || status < 100 || status > 599) return null;
  const target = url.replace(ORIGIN, '') || '/';
  const stem = target.split('?', 1)[0] as string;
  norm.class_uid = OCSF_CLASS.http;
  norm.service = 'http';
  norm.event_code = 'http-request';
  norm.method = method;
  norm.url = target;
  norm.status = status;
  norm.message = `${method} ${target}`;
  if (found.user_agent !== undefined) norm.user_agent = found.user_agent;
  if (found.domain !== undefined) norm.domain ??= found.domain;
  if (norm.src_ip === undefined && found.src_ip !== undefined) {
    const bracketed = IN_BRACKETS.exec(found.src_ip);
    const peer = bracketed ? { ip: ipOf(bracketed[1] as string), port: Number(bracketed[2]) } : addressOf(found.src_ip);
    if (peer?.ip) norm.src_ip = peer.ip;
    if (peer && peer.port > 0 && peer.port < 65_536) norm.src_port = peer.port;
  }
  // The names that rules for web servers know, beside the sender's own.
  const known: Fields = {
    'cs-method': method,
    'cs-uri': target,
    'cs-uri-query': target,
    'cs-uri-stem': stem,
    'sc-status': status,
  };
  if (norm.user_agent !== undefined) known['cs-user-agent'] = norm.user_agent;
  if (norm.src_ip !== undefined) known['c-ip'] = norm.src_ip;
  return makeEvent(frame, 'json/web', SOURCE, norm, { ...fields, ...known });
}
