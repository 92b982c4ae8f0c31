/** Services that speak in lines and greet first: FTP, SMTP, IMAP, POP3, Telnet, VNC. */

import type { Link } from '../perimeter-link.ts';
import { exposed, type Probe, type ProbeContext, talk } from '../perimeter-probe.ts';
import { at, fix, oneLine, type ServiceView, type Software, type Weakness } from '../perimeter-weakness.ts';

const LINES_MAX = 60;
const text = (banner: Buffer) => banner.toString('latin1');

async function reply(link: Link): Promise<{ code: number; text: string } | null> {
  let all = '';
  for (let i = 0; i < LINES_MAX; i++) {
    const line = await link.line();
    if (line === null) return null;
    all += `${line}\n`;
    if (/^\d{3}( |$)/.test(line)) return { code: Number(line.slice(0, 3)), text: all.slice(0, 4096) };
  }
  return null;
}

export function softwareIn(banner: string, known: readonly (readonly [RegExp, string])[]): Software[] {
  for (const [pattern, name] of known) {
    const version = pattern.exec(banner)?.[1];
    if (version !== undefined) return [{ name, version: version.slice(0, 64) }];
  }
  return [];
}

const MAIL_SOFTWARE = [
  [/Exim (\d[\w.]*)/, 'exim'],
  [/Sendmail (\d[\w./]*)/, 'sendmail'],
  [/Microsoft ESMTP MAIL Service, Version: ([\d.]+)/, 'exchange'],
  [/OpenSMTPD (\d[\w.]*)/, 'opensmtpd'],
] as const;
const FTP_SOFTWARE = [
  [/vsFTPd (\d[\w.]*)/, 'vsftpd'],
  [/ProFTPD (\d[\w.]*)/, 'proftpd'],
  [/FileZilla Server(?: version)? (\d[\w.]*)/, 'filezilla-server'],
] as const;

function clearLogin(context: ProbeContext, service: string, name: string, how: string): Weakness {
  const where = at(context.host, context.port);
  return {
    kind: 'clear-text-login',
    key: service,
    severity: context.outside ? 'high' : 'medium',
    title: `${name} on ${where} takes passwords in clear`,
    why: 'Anybody in the path reads them.',
    seen: 'No encryption is offered or required before the log-in',
    command: `nc ${context.host} ${context.port}`,
    fix: fix(`Encrypt or replace ${name} on ${where}`, how, 'hours', true),
  };
}

export const ftp: Probe = {
  service: 'ftp',
  ports: [21, 2121, 990],
  greets: (banner, port) =>
    /^220[ -]/.test(text(banner)) && (/ftp|filezilla/i.test(text(banner)) || port === 21 || port === 2121),
  look: async (context) => {
    const link = await talk(context, 'ftp');
    if (!link) return null;
    try {
      const hello = await reply(link);
      if (hello?.code !== 220) return null;
      // A mail server greets alike: FTP knows FEAT, and SMTP does not.
      link.write('FEAT\r\n');
      const feat = await reply(link);
      if (
        !feat ||
        (feat.code === 502 && /smtp|mail/i.test(hello.text)) ||
        (feat.code === 500 && !/ftp/i.test(hello.text))
      )
        return null;
      const tls = context.tls || /AUTH[ \w;-]*TLS/i.test(feat.text);
      // Guest access is what a server offers to everybody (RFC 1635): no account of anybody is touched, nothing is listed.
      link.write('USER anonymous\r\n');
      let user = await reply(link);
      const mustTls = user !== null && /tls|ssl|encrypt/i.test(user.text) && user.code >= 500;
      if (user?.code === 331) {
        link.write('PASS asepsis@invalid\r\n');
        user = await reply(link);
      }
      link.write('QUIT\r\n');
      const where = at(context.host, context.port);
      const weaknesses = [
        ...exposed(context, 'ftp', 'FTP', 'medium', 'Passwords and files cross the network readable.'),
      ];
      if (user?.code === 230)
        weaknesses.push({
          kind: 'anonymous-access',
          key: 'ftp',
          severity: 'high',
          title: `FTP on ${where} lets anybody in`,
          why: 'Anonymous log-in reads, and often writes, files.',
          seen: 'The guest account "anonymous" was accepted',
          command: `curl -v --user anonymous: ftp://${where}/`,
          fix: fix(
            `Switch off anonymous FTP on ${where}`,
            'vsftpd: anonymous_enable=NO; ProFTPD: remove <Anonymous>.',
            'minutes',
            true,
          ),
        });
      if (!tls)
        weaknesses.push(
          clearLogin(
            context,
            'ftp',
            'FTP',
            'Use SFTP instead; or in vsftpd: ssl_enable=YES, force_local_logins_ssl=YES, force_local_data_ssl=YES with a certificate.',
          ),
        );
      else if (!context.tls && !mustTls && user !== null && user.code !== 530 && user.code !== 230)
        weaknesses.push(
          clearLogin(context, 'ftp', 'FTP', 'vsftpd: force_local_logins_ssl=YES and force_local_data_ssl=YES.'),
        );
      return view('ftp', context, hello.text, softwareIn(hello.text, FTP_SOFTWARE), { auth_tls: tls }, weaknesses);
    } finally {
      link.close();
    }
  },
};

function view(
  service: string,
  context: ProbeContext,
  banner: string,
  software: Software[],
  facts: ServiceView['facts'],
  weaknesses: readonly Weakness[],
): ServiceView {
  return { service, tls: context.tls, banner: oneLine(banner), software, facts, weaknesses };
}

export const smtp: Probe = {
  service: 'smtp',
  ports: [25, 587, 465, 2525],
  greets: (banner, port) =>
    /^220[ -]/.test(text(banner)) &&
    (/smtp|mail|postfix|exim/i.test(text(banner)) || [25, 587, 465, 2525].includes(port)),
  look: async (context) => {
    const link = await talk(context, 'smtp', { timeMs: 15_000, bytesMax: 64 * 1024 });
    if (!link) return null;
    try {
      const hello = await reply(link);
      if (hello?.code !== 220) return null;
      link.write('EHLO asepsis.invalid\r\n');
      const ehlo = await reply(link);
      if (ehlo?.code !== 250) return null;
      const offers = (word: string) => new RegExp(`^250[ -]${word}`, 'im').test(ehlo.text);
      const startTls = offers('STARTTLS');
      const auth = offers('AUTH');
      link.write('VRFY asepsis-look\r\n');
      const vrfy = await reply(link);
      const relays = await relay(link);
      link.write('QUIT\r\n');
      const where = at(context.host, context.port);
      const nc = `nc ${context.host} ${context.port}`;
      const weaknesses: Weakness[] = [];
      if (!startTls && !context.tls)
        weaknesses.push({
          kind: 'mail-without-tls',
          key: 'smtp',
          severity: 'medium',
          title: `Mail to ${where} travels in clear`,
          why: 'STARTTLS is not offered: letters, also about patients, are readable in the path.',
          seen: 'EHLO does not list STARTTLS',
          command: nc,
          fix: fix(
            `Switch on STARTTLS on ${where}`,
            'Postfix: smtpd_tls_cert_file, smtpd_tls_key_file and smtpd_tls_security_level = may; then postfix reload.',
            'hours',
            true,
          ),
        });
      if (auth && !context.tls)
        weaknesses.push(clearLogin(context, 'smtp', 'SMTP', 'Postfix: smtpd_tls_auth_only = yes.'));
      if (
        vrfy &&
        (vrfy.code === 250 || vrfy.code === 252 || vrfy.code === 550) &&
        !/disabled|not (implemented|allowed)|administratively/i.test(vrfy.text)
      )
        weaknesses.push({
          kind: 'smtp-vrfy',
          key: 'smtp',
          severity: 'low',
          title: `Mail server ${where} confirms addresses`,
          why: 'VRFY helps to collect addresses for phishing.',
          seen: `VRFY answered ${vrfy.code}`,
          command: nc,
          fix: fix(`Switch off VRFY on ${where}`, 'Postfix: disable_vrfy_command = yes; then postfix reload.'),
        });
      if (relays)
        weaknesses.push({
          kind: 'open-relay',
          key: 'smtp',
          severity: context.outside ? 'critical' : 'high',
          title: `Mail server ${where} relays for anybody`,
          why: 'It will be used for spam and phishing in the hospital’s name, and then be blocked.',
          seen: 'MAIL FROM and RCPT TO of foreign domains were both accepted (no message was sent)',
          command: nc,
          fix: fix(
            `Close the relay on ${where}`,
            'Postfix: mynetworks = 127.0.0.0/8 [::1]/128 and smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination.',
            'minutes',
            true,
          ),
        });
      const product = /postfix/i.test(hello.text) ? [] : softwareIn(hello.text, MAIL_SOFTWARE);
      return view(
        'smtp',
        context,
        hello.text,
        product,
        { starttls: startTls, auth, vrfy: vrfy?.code ?? 0 },
        weaknesses,
      );
    } finally {
      link.close();
    }
  },
};

/** Asks whether a letter from nobody to nobody would be taken, and takes it back before any is written. */
async function relay(link: Link): Promise<boolean> {
  link.write('MAIL FROM:<look@asepsis.invalid>\r\n');
  const from = await reply(link);
  if (from?.code !== 250) return false;
  link.write('RCPT TO:<look@relay.asepsis.invalid>\r\n');
  const to = await reply(link);
  link.write('RSET\r\n');
  await reply(link);
  return to?.code === 250 || to?.code === 251;
}

function mailbox(
  service: 'imap' | 'pop3',
  name: string,
  ports: readonly number[],
  greeting: RegExp,
  ask: string,
  offers: RegExp,
  ends: RegExp,
): Probe {
  return {
    service,
    ports,
    greets: (banner) => greeting.test(text(banner)),
    look: async (context) => {
      const link = await talk(context, service);
      if (!link) return null;
      try {
        const hello = await link.line();
        if (hello === null || !greeting.test(hello)) return null;
        link.write(ask);
        let said = `${hello}\n`;
        for (let i = 0; i < LINES_MAX; i++) {
          const line = await link.line();
          if (line === null) break;
          said += `${line}\n`;
          if (ends.test(line)) break;
        }
        const startTls = offers.test(said);
        const refusesPlain = /LOGINDISABLED/i.test(said) || (service === 'pop3' && !/^USER\b/im.test(said));
        const weaknesses: Weakness[] = [];
        if (!context.tls && !refusesPlain)
          weaknesses.push(
            clearLogin(context, service, name, 'Dovecot: ssl = required and disable_plaintext_auth = yes.'),
          );
        return view(
          service,
          context,
          hello,
          softwareIn(hello, [
            [/Dovecot\D{0,64}(\d{1,4}\.\d[\w.]{0,32})/, 'dovecot'],
            [/Cyrus \w+ v?(\d[\w.]*)/, 'cyrus'],
          ]),
          { starttls: startTls },
          weaknesses,
        );
      } finally {
        link.close();
      }
    },
  };
}

export const imap = mailbox(
  'imap',
  'IMAP',
  [143, 993],
  /^\* (OK|PREAUTH|BYE)/,
  'a1 CAPABILITY\r\n',
  /STARTTLS/i,
  /^a1 /,
);
export const pop3 = mailbox('pop3', 'POP3', [110, 995], /^\+OK/, 'CAPA\r\n', /^STLS/im, /^(\.|-ERR.*)$/);

export const telnet: Probe = {
  service: 'telnet',
  ports: [23, 2323],
  // IAC and a negotiation (RFC 854), or a question for a name.
  greets: (banner, port) =>
    /^\xff[\xfb-\xfe]/.test(text(banner)) ||
    ((port === 23 || port === 2323) && /login:|username:|password:/i.test(text(banner))) ||
    /(^|\n)[\w .()-]{0,80}(login|username): ?$/i.test(text(banner)),
  look: async (context) => {
    if (!context.banner) return null;
    return view('telnet', context, text(context.banner), [], {}, [
      ...exposed(context, 'telnet', 'Telnet', 'high', 'Passwords cross the network readable.'),
      clearLogin(
        context,
        'telnet',
        'Telnet',
        'Use SSH; on network devices: transport input ssh. Devices that know nothing else belong behind a jump host.',
      ),
    ]);
  },
};

export const vnc: Probe = {
  service: 'vnc',
  ports: [5900, 5901, 5902, 5800],
  greets: (banner) => /^RFB \d{3}\.\d{3}\n/.test(text(banner)),
  look: async (context) => {
    const link = await talk(context, 'vnc');
    if (!link) return null;
    try {
      const version = await link.line();
      if (version === null || !/^RFB \d{3}\.\d{3}$/.test(version)) return null;
      const old = version < 'RFB 003.007';
      link.write(old ? 'RFB 003.003\n' : 'RFB 003.008\n');
      const types: number[] = [];
      if (old) types.push((await link.read(4))?.readUInt32BE(0) ?? 0);
      else {
        const count = (await link.read(1))?.readUInt8(0) ?? 0;
        types.push(...((count > 0 ? await link.read(count) : null) ?? []));
      }
      const where = at(context.host, context.port);
      const weaknesses = [
        ...exposed(
          context,
          'vnc',
          'VNC',
          'high',
          'Weak passwords, often without encryption, and then the whole screen.',
        ),
      ];
      if (types.includes(1))
        weaknesses.push({
          kind: 'no-authentication',
          key: 'vnc',
          severity: 'critical',
          title: `VNC on ${where} asks for no password`,
          why: 'Anybody who reaches it sees and drives the screen.',
          seen: 'Security type 1 (none) is offered',
          command: `nmap -Pn -p ${context.port} --script vnc-info ${context.host}`,
          fix: fix(
            `Protect VNC on ${where}`,
            'Set a password and bind it to 127.0.0.1 behind SSH or the VPN.',
            'minutes',
            true,
          ),
        });
      else if (types.includes(2) && !types.some((type) => [18, 19, 20, 21, 22].includes(type)))
        weaknesses.push(
          clearLogin(
            context,
            'vnc',
            'VNC',
            'Its password has at most 8 characters and the screen crosses in clear: bind it to 127.0.0.1 behind SSH or the VPN.',
          ),
        );
      return view('vnc', context, version, [], { security_types: types.join(' ') }, weaknesses);
    } finally {
      link.close();
    }
  },
};
