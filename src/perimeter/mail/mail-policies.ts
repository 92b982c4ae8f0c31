/** What SPF, DMARC, MTA-STS and TLS-RPT records say, and what is wrong with them; pure. */

export interface Judged {
  readonly faults: readonly string[];
  /** Nobody who forges is turned away. */
  readonly toothless: boolean;
}

const LOOKUPS_MAX = 10;

/** SPF (RFC 7208): exactly one record, an ending that refuses, and no more look-ups than receivers make. */
export function judgeSpf(records: readonly string[]): Judged & { lookups: number } {
  const spf = records.filter((text) => /^v=spf1(\s|$)/i.test(text));
  if (spf.length === 0) return { faults: ['there is no SPF record'], toothless: true, lookups: 0 };
  if (spf.length > 1)
    return { faults: ['there is more than one SPF record: receivers ignore them all'], toothless: true, lookups: 0 };
  const terms = (spf[0] ?? '')
    .trim()
    .split(/\s+/)
    .slice(1, 200)
    .map((term) => term.toLowerCase());
  const faults: string[] = [];
  const lookups = terms.filter((term) =>
    /^[+?~-]?(include:|a([:/]|$)|mx([:/]|$)|ptr([:/]|$)|exists:)|^redirect=/.test(term),
  ).length;
  if (lookups > LOOKUPS_MAX) faults.push(`it takes ${lookups} look-ups, and receivers make ${LOOKUPS_MAX}`);
  const all = terms.find((term) => /^[+?~-]?all$/.test(term));
  const redirect = terms.some((term) => term.startsWith('redirect='));
  let toothless = false;
  if (all === '+all' || all === 'all') {
    faults.push('it ends in +all: anybody may send');
    toothless = true;
  } else if (all === '?all') {
    faults.push('it ends in ?all: nobody is refused');
    toothless = true;
  } else if (all === undefined && !redirect) {
    faults.push('it has no "all" at its end: nobody is refused');
    toothless = true;
  }
  if (terms.some((term) => /^[+?~-]?ptr/.test(term))) faults.push('it uses ptr, which receivers ignore');
  const wide = terms.find((term) => /^\+?ip4:[\d.]+\/([0-9]|1[0-5])$/.test(term));
  if (wide) faults.push(`${wide} allows a whole region of the internet`);
  return { faults, toothless, lookups };
}

/** Tags of a record such as `v=DMARC1; p=reject; rua=…`. */
export function tags(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const part of text.slice(0, 4096).split(';')) {
    const at = part.indexOf('=');
    if (at > 0) found.set(part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim());
  }
  return found;
}

/** DMARC (RFC 7489). */
export function judgeDmarc(records: readonly string[]): Judged & { policy: string } {
  const dmarc = records.filter((text) => /^v=DMARC1\s*(;|$)/.test(text));
  if (dmarc.length === 0) return { faults: ['there is no DMARC record'], toothless: true, policy: 'none' };
  if (dmarc.length > 1)
    return {
      faults: ['there is more than one DMARC record: receivers ignore them all'],
      toothless: true,
      policy: 'none',
    };
  const values = tags(dmarc[0] as string);
  const policy = values.get('p')?.toLowerCase() ?? '';
  const faults: string[] = [];
  if (!['none', 'quarantine', 'reject'].includes(policy)) faults.push('its policy (p) is missing or unknown');
  if (policy === 'none') faults.push('its policy is none: forged letters are delivered');
  const percent = Number(values.get('pct') ?? '100');
  if (policy !== 'none' && percent < 100) faults.push(`it holds for ${percent} % of letters only`);
  if (values.get('sp')?.toLowerCase() === 'none' && policy !== 'none')
    faults.push('names below it are not protected (sp=none)');
  if (!/mailto:/i.test(values.get('rua') ?? '')) faults.push('nobody gets its reports (rua)');
  return { faults, toothless: policy !== 'quarantine' && policy !== 'reject', policy };
}

/** A DKIM key record (RFC 6376 section 3.6.1). */
export function judgeDkim(text: string): { revoked: boolean; faults: readonly string[]; bits: number | null } {
  const values = tags(text);
  const key = values.get('p')?.replace(/\s+/g, '') ?? '';
  if (key === '') return { revoked: true, faults: [], bits: null };
  const faults: string[] = [];
  const bytes = Buffer.from(key, 'base64');
  // The modulus is nearly all of a SubjectPublicKeyInfo of RSA.
  const bits =
    (values.get('k') ?? 'rsa') === 'rsa'
      ? ([512, 768, 1024, 1536, 2048, 3072, 4096].find((size) => bytes.length <= size / 8 + 50) ?? null)
      : null;
  if (bits !== null && bits < 1024) faults.push(`its key has only ${bits} bits`);
  else if (bits === 1024) faults.push('its key has 1024 bits; 2048 are usual');
  if (values.get('t')?.split(':').includes('y')) faults.push('it is marked as a test (t=y)');
  if (values.get('h') === 'sha1') faults.push('it allows SHA-1 only');
  return { revoked: false, faults, bits };
}

/** The policy file of MTA-STS (RFC 8461 section 3.2). */
export function judgeMtaSts(text: string, exchanges: readonly string[]): readonly string[] {
  const lines = text.slice(0, 65_536).split(/\r?\n/);
  const values = (name: string) =>
    lines
      .filter((line) => line.toLowerCase().startsWith(`${name}:`))
      .map((line) =>
        line
          .slice(name.length + 1)
          .trim()
          .toLowerCase(),
      );
  const faults: string[] = [];
  if (values('version')[0] !== 'stsv1') faults.push('the policy has no version: STSv1');
  const mode = values('mode')[0];
  if (mode !== 'enforce') faults.push(`its mode is ${mode ?? 'missing'}, not enforce`);
  const age = Number(values('max_age')[0]);
  if (!(age >= 86_400)) faults.push('its max_age is missing or under a day');
  const allowed = values('mx');
  const matches = (host: string) =>
    allowed.some((pattern) =>
      pattern.startsWith('*.')
        ? host.endsWith(pattern.slice(1)) && !host.slice(0, -pattern.length + 1).includes('.')
        : host === pattern,
    );
  const left = exchanges.filter((host) => !matches(host.toLowerCase()));
  if (left.length > 0) faults.push(`it does not name ${left.slice(0, 4).join(', ')}`);
  return faults;
}
