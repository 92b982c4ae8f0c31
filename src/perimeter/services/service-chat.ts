/** XMPP: is TLS offered, and required before anybody signs in (RFC 6120). Nobody is spoken to. */

import { exposed, type Probe, type ProbeContext, talk } from '../perimeter-probe.ts';
import { at, fix, oneLine, type Weakness } from '../perimeter-weakness.ts';

const FEATURES_BYTES_MAX = 16_384;

/** The features of a stream that was opened, as text; null when it is no XMPP. */
async function features(context: ProbeContext, kind: 'client' | 'server'): Promise<string | null> {
  const link = await talk(context, 'xmpp', { timeMs: 4000, bytesMax: 64 * 1024 });
  if (!link) return null;
  const name = /^[a-z0-9.:-]+$/i.test(context.host) ? context.host : 'localhost';
  try {
    link.write(
      `<?xml version='1.0'?><stream:stream xmlns='jabber:${kind}' xmlns:stream='http://etherx.jabber.org/streams' to='${name}' version='1.0'>`,
    );
    let text = '';
    while (
      text.length < FEATURES_BYTES_MAX &&
      !/<\/stream:features>|<stream:features\/>|<\/stream:stream>/.test(text)
    ) {
      const more = await link.some(3000);
      if (!more) break;
      text += more.toString('latin1');
    }
    return /<stream:stream|etherx\.jabber\.org/.test(text) ? text : null;
  } finally {
    link.close();
  }
}

export const xmpp: Probe = {
  service: 'xmpp',
  ports: [5222, 5269, 5223],
  anywhere: true,
  look: async (context) => {
    const kind = context.port === 5269 ? 'server' : 'client';
    const text = await features(context, kind);
    if (text === null) return null;
    const offered = /urn:ietf:params:xml:ns:xmpp-tls/.test(text);
    const mechanisms = [...text.matchAll(/<mechanism>([\w-]{1,32})<\/mechanism>/g)].map((match) => match[1] as string);
    const where = at(context.host, context.port);
    const weaknesses: Weakness[] = [
      ...(kind === 'server'
        ? []
        : exposed(context, 'xmpp', 'Chat (XMPP)', 'low', 'Names and passwords of staff are guessed there.')),
    ];
    // Where TLS is required, no way of signing in is named before it.
    if (!context.tls && (mechanisms.length > 0 || (!offered && /<stream:features/.test(text))))
      weaknesses.push({
        kind: 'clear-text-login',
        key: 'xmpp',
        severity: context.outside ? 'high' : 'medium',
        title: `XMPP on ${where} lets people sign in without TLS`,
        why: 'Passwords and messages are readable in the path.',
        seen: offered ? `Before TLS it offers ${mechanisms.join(', ')}` : 'TLS is not offered',
        command: `openssl s_client -connect ${where} -starttls xmpp${kind === 'server' ? '-server' : ''}`,
        fix: fix(
          `Require TLS for XMPP on ${where}`,
          'Prosody: c2s_require_encryption = true, s2s_require_encryption = true; ejabberd: starttls_required: true.',
          'minutes',
          true,
        ),
      });
    return {
      service: 'xmpp',
      tls: context.tls,
      banner: null,
      software: [],
      facts: { starttls: offered, mechanisms: oneLine(mechanisms.join(' ')) },
      weaknesses,
    };
  },
};
