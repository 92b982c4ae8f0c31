/** Line protocols with log-ins: FTP, SMTP, POP3, IMAP; who they are shows in the greeting and the first words. */

import { latin1 } from './network-bytes.ts';
import type { Flow, Parser } from './network-flow.ts';
import { createLabelScan } from './network-labels.ts';
import { ntlmLogin } from './network-ntlm.ts';
import type { Report } from './network-report.ts';

const LINE_BYTES_MAX = 4096;
/** After so many lines without a command that is known the flow is something else. */
const STRANGE_MAX = 40;

type App = 'ftp' | 'smtp' | 'pop3' | 'imap';

const COMMANDS = new Set(
  'USER PASS ACCT EHLO HELO AUTH MAIL RCPT DATA STARTTLS STLS CAPA APOP STAT LIST RETR SYST FEAT PWD CWD TYPE PASV EPSV PORT EPRT STOR NOOP QUIT OPTS RSET DELE TOP UIDL MKD RMD SIZE MDTM CDUP HELP REST ABOR'.split(
    ' ',
  ),
);

export function isLines(b: Uint8Array, at: number, end: number): boolean {
  if (end - at < 5) return false;
  const head = latin1(b, at, Math.min(end, at + 48));
  return (
    /^220[ -][^\r\n]/.test(head) ||
    head.startsWith('+OK') ||
    head.startsWith('* OK') ||
    /^(?:USER|PASS|EHLO|HELO|AUTH|CAPA|STLS|APOP) ?[^\r\n]{0,40}\r?\n?/.test(head) ||
    /^[A-Za-z0-9.]{1,12} (?:LOGIN|AUTHENTICATE|CAPABILITY|STARTTLS)\b/i.test(head)
  );
}

/** Readable ones, and those that prove a password by MD5 over a challenge (RFC 2195, RFC 6331). */
const MECHANISMS = new Set(['PLAIN', 'LOGIN', 'XOAUTH2', 'OAUTHBEARER', 'CRAM-MD5', 'DIGEST-MD5', 'NTLM']);

type Tls = 'not offered' | 'offered, not used' | 'refused' | 'taken out';

export function createLines(report: Report): Parser {
  let app: App | null = null;
  /** What the next line of the client is: a secret of this mechanism. */
  let expecting = '';
  let steps = 0;
  let tls: Tls = 'not offered';
  let asked = false;
  let strange = 0;
  let inData = false;
  let mail = createLabelScan();

  const credential = (flow: Flow, what: string, secret: string): void => {
    const name = app ?? 'ftp';
    if (name !== 'ftp')
      report.starttls(flow, tls === 'not offered' ? 'none' : tls === 'taken out' ? 'overwritten' : 'offered');
    report.credential(flow, name, what, secret, `${what}, STARTTLS ${tls}`);
    flow.app = name;
  };

  const fromServer = (flow: Flow, line: string): void => {
    const upper = line.toUpperCase();
    if (app === null) {
      if (upper.startsWith('+OK')) app = 'pop3';
      else if (upper.startsWith('* OK')) app = 'imap';
      else if (upper.startsWith('220') && upper.includes('SMTP')) app = 'smtp';
    }
    if (/^(?:250[ -]|\+OK|\* |211[ -]| )/.test(upper) || app === 'pop3') {
      if (/\b(?:STARTTLS|STLS|AUTH TLS)\b/.test(upper)) tls = 'offered, not used';
      // Some firewalls overwrite the word so that the client does not see it.
      else if (/^250[ -]X{6,}/.test(upper)) tls = 'taken out';
    }
    if (!asked) return;
    asked = false;
    if (/^(?:220|234|\+OK)|^\S+ OK/.test(upper)) {
      if (app !== 'ftp') report.starttls(flow, 'offered');
      flow.parser = null;
      flow.tries = 0;
      return;
    }
    if (/^[45]\d\d|^-ERR|^\S+ (?:NO|BAD)/.test(upper)) tls = 'refused';
  };

  const secretLine = (flow: Flow, line: string): void => {
    if (line === '*') {
      expecting = '';
      return;
    }
    // LOGIN sends the name first and the password after it; PLAIN both at once.
    if (expecting === 'LOGIN literal' && steps++ === 0) {
      // Behind the name stands the size of the password, or the password itself.
      const rest = /^\S{1,256} (?!\{\d)(\S.*)$/.exec(line);
      if (!rest) return;
      credential(flow, 'LOGIN', rest[1] ?? '');
      expecting = '';
      return;
    }
    if ((expecting === 'AUTH LOGIN' || expecting === 'AUTH NTLM') && steps++ === 0) return;
    if (expecting === 'AUTH NTLM') {
      const bytes = Buffer.from(line, 'base64');
      const found = ntlmLogin(bytes, 0, bytes.length);
      // Nothing signs what follows: the answer can be passed on.
      if (found)
        report.weakLogin(
          flow,
          app ?? 'smtp',
          found.version === 'NTLMv1' ? 'NTLMv1' : 'NTLM relayable',
          found.user,
          'AUTH NTLM',
        );
    } else credential(flow, expecting === 'LOGIN literal' ? 'LOGIN' : expecting, line);
    expecting = '';
  };

  const mechanism = (flow: Flow, words: readonly string[], from: number): void => {
    const name = (words[from] ?? '').toUpperCase();
    const first = words[from + 1];
    if (!MECHANISMS.has(name)) return;
    if (first !== undefined && first !== '=' && name !== 'LOGIN') {
      credential(flow, `AUTH ${name}`, first);
      return;
    }
    expecting = `AUTH ${name}`;
    steps = first === undefined ? 0 : 1;
  };

  const fromClient = (flow: Flow, line: string): void => {
    if (inData) {
      if (line === '.') {
        inData = false;
        const patient = mail.result();
        if (patient) report.patient(flow, 'smtp', 'message', patient);
      } else mail.line(line);
      return;
    }
    if (expecting !== '') {
      secretLine(flow, line);
      return;
    }
    const words = line.split(' ', 8);
    const word = (words[0] ?? '').toUpperCase();
    const second = (words[1] ?? '').toUpperCase();
    if (word === 'EHLO' || word === 'HELO' || word === 'MAIL') app = 'smtp';
    else if (app === null && (word === 'CAPA' || word === 'STLS' || word === 'APOP')) app = 'pop3';
    else if (app === null && word === 'USER') app = 'ftp';
    if (word === 'PASS' && line.length > 5) {
      // Everybody knows the password of an anonymous visitor; that the server takes it is worth knowing.
      const anonymous = flow.app === 'anonymous';
      credential(flow, anonymous ? 'anonymous log-in' : 'PASS', anonymous ? '' : line.slice(5));
    } else if (word === 'USER' && /^(?:anonymous|ftp)$/i.test(words[1] ?? '')) flow.app = 'anonymous';
    else if (word === 'USER') flow.app = '';
    else if (word === 'AUTH' && (second === 'TLS' || second === 'SSL')) asked = true;
    else if (word === 'AUTH') mechanism(flow, words, 1);
    else if (word === 'STARTTLS' || word === 'STLS' || second === 'STARTTLS') asked = true;
    else if (word === 'APOP' && words.length >= 3) credential(flow, 'APOP', words[2] ?? '');
    else if (word === 'DATA') {
      inData = app === 'smtp';
      mail = createLabelScan();
    } else if (second === 'LOGIN' && words.length >= 4 && !/\{\d{1,4}\+?\}$/.test(line)) {
      app = 'imap';
      credential(flow, 'LOGIN', words.slice(3).join(' '));
    } else if (second === 'LOGIN' && /\{\d{1,4}\+?\}$/.test(line)) {
      // The name comes as a literal, the password as another one (RFC 9051 section 4.3).
      app = 'imap';
      expecting = 'LOGIN literal';
      steps = words.length >= 4 ? 1 : 0;
    } else if (second === 'AUTHENTICATE') {
      app = 'imap';
      mechanism(flow, words, 2);
    } else if (!COMMANDS.has(word) && app !== 'imap' && ++strange > STRANGE_MAX) flow.sealed = true;
  };

  return {
    name: 'lines',
    read(flow, dir, b, from, end) {
      let start = from;
      for (let i = start; i < end; i++) {
        if (b[i] !== 0x0a) continue;
        if (flow.client < 0 && /^(?:220|\+OK|\* OK)/.test(latin1(b, start, Math.min(i, start + 4))))
          flow.client = dir ^ 1;
        const stop = i > start && b[i - 1] === 0x0d ? i - 1 : i;
        const line = latin1(b, start, Math.min(stop, start + LINE_BYTES_MAX));
        start = i + 1;
        if (flow.client < 0) flow.client = COMMANDS.has(line.split(' ', 1)[0]!.toUpperCase()) ? dir : dir ^ 1;
        if (dir === flow.client) fromClient(flow, line);
        else fromServer(flow, line);
        if (flow.parser === null || flow.sealed) return start;
      }
      return end - start > LINE_BYTES_MAX ? end : start;
    },
    lost() {
      expecting = '';
      return true;
    },
  };
}
