/** Looks at one name: its mail records, who may issue for it, what dangles, whether its zone can be copied, whether it is signed. */

import { isIP } from 'node:net';
import { dnsQuery, readMessage, signedQuery } from '../perimeter-dns.ts';
import type { Gate } from '../perimeter-gate.ts';
import { ask } from '../perimeter-http.ts';
import { createLink } from '../perimeter-link.ts';
import { decideName, type Scope } from '../perimeter-scope.ts';
import type { SeenNames } from '../perimeter-service.ts';
import { fix, oneLine, type Weakness } from '../perimeter-weakness.ts';
import { type Anchors, type AskDns, ROOT_ANCHORS, validate } from './mail-dnssec.ts';
import { judgeDkim, judgeDmarc, judgeMtaSts, judgeSpf } from './mail-policies.ts';
import { type Names, systemNames } from './mail-resolver.ts';

export interface NameOrder {
  readonly gate: Gate;
  readonly scope: Scope;
  readonly name: string;
  readonly nowMs: number;
  readonly outside: boolean;
  /** Names to look for whether somebody registered them. */
  readonly lookAlikes: readonly string[];
  readonly names?: Names;
  /** Port of name servers, where it is another than 53 (tests). */
  readonly dnsPort?: number;
  readonly selectors?: readonly string[];
  readonly askDns?: AskDns;
  readonly anchors?: Anchors;
}

const throughResolver =
  (gate: Gate): AskDns =>
  async (name, type) => {
    const answer = await gate.askResolver(signedQuery(name, type));
    const message = answer ? readMessage(answer) : null;
    // Truncated, or refused: not known.
    return message && (message.flags & 0x0200) === 0 && [0, 3].includes(message.flags & 15) ? message : null;
  };

/** Selectors that the large senders use; others cannot be listed from outside. */
const SELECTORS = [
  'default',
  'selector1',
  'selector2',
  'google',
  'k1',
  'k2',
  'k3',
  's1',
  's2',
  'mail',
  'dkim',
  'smtp',
  'mandrill',
  'mxvault',
  'protonmail',
  'zoho',
  'fm1',
  'fm2',
  'key1',
  'key2',
  'sig1',
] as const;
/** Hosts that hand a freed name to whoever asks next. */
const TAKEABLE =
  /\.(s3[.-][\w-]*amazonaws\.com|s3\.amazonaws\.com|cloudfront\.net|herokuapp\.com|herokudns\.com|azurewebsites\.net|cloudapp\.(net|azure\.com)|trafficmanager\.net|blob\.core\.windows\.net|azureedge\.net|github\.io|gitlab\.io|netlify\.app|pages\.dev|vercel\.app|fastly\.net|ghost\.io|readthedocs\.io|surge\.sh|unbouncepages\.com|zendesk\.com|myshopify\.com|wordpress\.com)$/i;
const TRANSFER_MS = 4000;

function weakness(
  name: string,
  kind: string,
  severity: Weakness['severity'],
  title: string,
  why: string,
  seen: string,
  command: string,
  how: string,
  key?: string,
): Weakness {
  return {
    kind,
    ...(key === undefined ? {} : { key }),
    severity,
    title: oneLine(title, 240),
    why,
    seen: oneLine(seen, 600),
    command,
    fix: fix(`Correct the DNS records of ${name}`, how, 'hours', true),
  };
}

export async function lookName(o: NameOrder): Promise<SeenNames & { notSeen: readonly string[] }> {
  const { name } = o;
  const names = o.names ?? systemNames();
  const found: Weakness[] = [];
  const notSeen: string[] = [];
  const [mx, ns, txt] = await Promise.all([names.mx(name), names.ns(name), names.txt(name)]);
  const mails = mx.some(({ exchange }) => exchange !== '' && exchange !== '.');
  const zone = ns.length > 0;
  if (zone || mails || txt.length > 0)
    found.push(
      ...(await mail(
        o,
        names,
        mails,
        mx.map(({ exchange }) => exchange),
        txt,
      )),
    );
  if (zone) {
    found.push(...(await authorities(o, names)));
    const servers = await nameServers(o, names, ns);
    found.push(...servers.found);
    notSeen.push(...servers.notSeen);
    const signed = await validate(o.askDns ?? throughResolver(o.gate), name, o.nowMs, o.anchors ?? ROOT_ANCHORS);
    if (signed.state === 'bogus')
      found.push(
        weakness(
          name,
          'dnssec-bogus',
          'high',
          `The signatures of ${name} do not hold`,
          'Resolvers that check refuse the whole zone.',
          signed.why,
          `delv @1.1.1.1 ${name} SOA +rtrace`,
          'Sign the zone again, and see that DS and DNSKEY belong together (BIND: dnssec-policy default).',
        ),
      );
    else if (signed.state === 'unsigned')
      found.push(
        weakness(
          name,
          'dnssec-missing',
          'low',
          `${name} is not signed (DNSSEC)`,
          'Answers can be forged on the way.',
          signed.why,
          `dig ${name} DNSKEY +dnssec`,
          'BIND: dnssec-policy default; then hand the DS record to the registrar.',
        ),
      );
    else if (signed.state === 'unknown') notSeen.push(`DNSSEC of ${name}: ${signed.why}`);
  }
  found.push(...(await dangling(o, names)));
  for (const look of o.lookAlikes.slice(0, 2000)) {
    const addresses = await names.addresses(look);
    const mailing = (await names.mx(look)).length > 0;
    if (addresses.length === 0 && !mailing) continue;
    found.push(
      weakness(
        name,
        'look-alike-name',
        mailing ? 'high' : 'medium',
        `${oneLine(look, 100)} looks like ${name} and is in use`,
        'Such names are used to fish for passwords.',
        `${addresses.length} addresses${mailing ? ', and it takes mail' : ''}`,
        `dig ${look} ANY`,
        'Block it at the mail gateway and the proxy, warn the staff, and ask its registrar to take it down.',
        look,
      ),
    );
  }
  return { name, weaknesses: found, notSeen };
}

async function mail(
  o: NameOrder,
  names: Names,
  mails: boolean,
  exchanges: readonly string[],
  txt: readonly string[],
): Promise<Weakness[]> {
  const { name } = o;
  const found: Weakness[] = [];
  const spf = judgeSpf(txt);
  if (spf.faults.length > 0)
    found.push(
      weakness(
        name,
        'mail-spf',
        spf.toothless && mails ? 'medium' : 'low',
        `SPF of ${name}: ${spf.faults[0]}`,
        'Anybody can send letters in this name.',
        spf.faults.join('; '),
        `dig ${name} TXT +short`,
        mails
          ? 'List your senders and end in -all: "v=spf1 mx -all" as a start; first ~all, and look at DMARC reports.'
          : 'A name that sends no mail: "v=spf1 -all".',
      ),
    );
  const dmarc = judgeDmarc(await names.txt(`_dmarc.${name}`));
  if (dmarc.faults.length > 0)
    found.push(
      weakness(
        name,
        'mail-dmarc',
        dmarc.toothless ? 'medium' : 'low',
        `DMARC of ${name}: ${dmarc.faults[0]}`,
        'Letters that forge this name reach people.',
        dmarc.faults.join('; '),
        `dig _dmarc.${name} TXT +short`,
        `"v=DMARC1; p=none; rua=mailto:dmarc@${name}" first; read the reports; then p=quarantine, then p=reject.`,
      ),
    );
  if (!mails) return found;
  for (const selector of o.selectors ?? SELECTORS)
    for (const text of await names.txt(`${selector}._domainkey.${name}`)) {
      if (!/(^|;)\s*p=/i.test(text)) continue;
      const key = judgeDkim(text);
      if (key.faults.length > 0)
        found.push(
          weakness(
            name,
            'mail-dkim',
            (key.bits ?? 2048) < 1024 ? 'medium' : 'low',
            `DKIM key ${selector} of ${name}: ${key.faults[0]}`,
            'Weak keys let others sign in this name.',
            key.faults.join('; '),
            `dig ${selector}._domainkey.${name} TXT +short`,
            'Make a new key of 2048 bits under a new selector, then remove the old one.',
            selector,
          ),
        );
    }
  const sts = (await names.txt(`_mta-sts.${name}`)).filter((text) => /^v=STSv1\s*;/.test(text));
  const policyHost = `mta-sts.${name}`;
  if (sts.length === 0)
    found.push(
      weakness(
        name,
        'mail-mta-sts',
        'low',
        `Mail to ${name} may be stripped of TLS (no MTA-STS)`,
        'Somebody in the path can make senders use clear text.',
        'There is no _mta-sts record',
        `dig _mta-sts.${name} TXT +short`,
        `_mta-sts.${name} TXT "v=STSv1; id=1" and https://${policyHost}/.well-known/mta-sts.txt: version: STSv1, mode: testing (then enforce), mx: each mail server, max_age: 604800`,
      ),
    );
  else if (decideName(o.scope, policyHost).allowed) {
    const { allowed } = await o.gate.addresses(policyHost);
    const [address] = allowed;
    const answer =
      address === undefined
        ? null
        : await ask({ gate: o.gate, host: policyHost, address, port: 443, tls: true }, '/.well-known/mta-sts.txt', {
            bodyMax: 65_536,
          });
    const faults = answer?.status === 200 ? judgeMtaSts(answer.body, exchanges) : ['its policy cannot be fetched'];
    if (faults.length > 0)
      found.push(
        weakness(
          name,
          'mail-mta-sts',
          'low',
          `MTA-STS of ${name}: ${faults[0]}`,
          'Senders do not hold to it.',
          faults.join('; '),
          `curl https://${policyHost}/.well-known/mta-sts.txt`,
          'Correct the policy, and change the id in the record.',
        ),
      );
  }
  if (!(await names.txt(`_smtp._tls.${name}`)).some((text) => /^v=TLSRPTv1\s*;/.test(text)))
    found.push(
      weakness(
        name,
        'mail-tls-rpt',
        'information',
        `Nobody hears when mail to ${name} fails over TLS (no TLS-RPT)`,
        'Attacks and mistakes stay unseen.',
        'There is no _smtp._tls record',
        `dig _smtp._tls.${name} TXT +short`,
        `_smtp._tls.${name} TXT "v=TLSRPTv1; rua=mailto:tls-reports@${name}"`,
      ),
    );
  return found;
}

async function authorities(o: NameOrder, names: Names): Promise<Weakness[]> {
  if ((await names.caa(o.name)).length > 0) return [];
  return [
    weakness(
      o.name,
      'dns-caa',
      'low',
      `Any authority may issue certificates for ${o.name}`,
      'A mistake of one of hundreds is enough.',
      'There is no CAA record',
      `dig ${o.name} CAA +short`,
      `${o.name}. CAA 0 issue "letsencrypt.org" (your authority), and CAA 0 iodef "mailto:security@${o.name}"`,
    ),
  ];
}

/** A CNAME or MX to a name that is gone, or that a hoster hands to whoever asks next. */
async function dangling(o: NameOrder, names: Names): Promise<Weakness[]> {
  const found: Weakness[] = [];
  const one = async (kind: string, target: string, key: string) => {
    if (target === '' || target === '.' || isIP(target)) return;
    const gone = await names.missing(target);
    if (gone !== true) return;
    const takeable = TAKEABLE.test(target);
    found.push(
      weakness(
        o.name,
        'dns-dangling',
        takeable ? 'critical' : 'high',
        `${kind} of ${o.name} points to ${oneLine(target, 100)}, which does not exist`,
        takeable
          ? 'Whoever orders that name there serves pages, and gets certificates, in yours.'
          : 'Whoever registers that name takes over yours.',
        `${target} answers NXDOMAIN`,
        `dig ${target}`,
        'Remove the record, or order the name again.',
        key,
      ),
    );
  };
  for (const target of await names.cname(o.name)) await one('The CNAME', target, `cname/${target}`);
  for (const { exchange } of await names.mx(o.name)) await one('An MX', exchange, `mx/${exchange}`);
  for (const target of await names.ns(o.name)) await one('An NS', target, `ns/${target}`);
  return found;
}

/** Name servers that the scope covers are asked whether they hand out the whole zone; others are left alone. */
async function nameServers(
  o: NameOrder,
  names: Names,
  ns: readonly string[],
): Promise<{ found: Weakness[]; notSeen: string[] }> {
  const found: Weakness[] = [];
  const notSeen: string[] = [];
  const port = o.dnsPort ?? 53;
  for (const server of ns.slice(0, 8)) {
    for (const address of (await names.addresses(server)).slice(0, 2)) {
      const [first] = await o.gate.preview(address, port);
      if (!first?.decision.allowed) {
        notSeen.push(`The name server ${server} is not in the scope: zone transfer was not asked`);
        continue;
      }
      const records = await transfer(o.gate, address, port, o.name);
      if (records > 0)
        found.push(
          weakness(
            o.name,
            'dns-zone-transfer',
            'medium',
            `${server} hands out the whole zone ${o.name}`,
            'It lists every machine to whoever asks.',
            `AXFR was answered with ${records} records or more (none is kept)`,
            `dig @${server} ${o.name} AXFR`,
            'BIND: allow-transfer { the secondaries, or key names; }; Windows DNS: zone transfers only to listed servers.',
            server,
          ),
        );
    }
  }
  return { found, notSeen: [...new Set(notSeen)] };
}

/** How many records the first message of a transfer carries; the rest is not read (RFC 5936). */
async function transfer(gate: Gate, address: string, port: number, zone: string): Promise<number> {
  const opened = await gate.open({ host: address, port }, `dns transfer ${zone}`);
  if (opened.kind !== 'open') return 0;
  const link = createLink(opened.socket, { timeMs: TRANSFER_MS, bytesMax: 70_000 });
  try {
    const query = dnsQuery(zone, 252, 1, false);
    const framed = Buffer.alloc(2);
    framed.writeUInt16BE(query.length);
    link.write(Buffer.concat([framed, query]));
    const head = await link.read(2);
    const message = head ? await link.read(head.readUInt16BE(0)) : null;
    if (!message || message.length < 12 || (message.readUInt16BE(2) & 15) !== 0) return 0;
    return message.readUInt16BE(6);
  } finally {
    link.close();
  }
}
