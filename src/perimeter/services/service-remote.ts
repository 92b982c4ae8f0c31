/** Remote desktops and file shares: RDP (network level authentication or not) and SMB (versions, signing). */

import { exposed, type Probe, question } from '../perimeter-probe.ts';
import { at, fix, type Weakness } from '../perimeter-weakness.ts';

/** A desktop makes a process or a session first. */
const ANSWER_MS = 3000;
const PROTOCOL = { rdp: 0, tls: 1, hybrid: 2, hybridEx: 8 } as const;
const FAILURE = { hybridRequired: 5 } as const;

/** X.224 connection request with RDP_NEG_REQ ([MS-RDPBCGR] 2.2.1.1). */
function rdpRequest(protocols: number): Buffer {
  const bytes = Buffer.from('030000130ee000000000000100080000000000', 'hex');
  bytes.writeUInt32LE(protocols, 15);
  return bytes;
}

interface RdpAnswer {
  readonly selected: number | null;
  readonly failure: number | null;
}

export function parseRdp(answer: Buffer | null): RdpAnswer | null {
  // TPKT version 3, then an X.224 connection confirm (0xd0).
  if (!answer || answer.length < 11 || answer[0] !== 3 || answer[5] !== 0xd0) return null;
  if (answer.length < 19) return { selected: PROTOCOL.rdp, failure: null };
  const value = answer.readUInt32LE(15);
  return answer[11] === 2
    ? { selected: value, failure: null }
    : { selected: null, failure: answer[11] === 3 ? value : 0 };
}

export const rdp: Probe = {
  service: 'rdp',
  ports: [3389, 3390],
  anywhere: true,
  look: async (context) => {
    if (context.tls) return null;
    const any = parseRdp(
      await question(context, 'rdp', rdpRequest(PROTOCOL.tls | PROTOCOL.hybrid | PROTOCOL.hybridEx), ANSWER_MS),
    );
    if (!any) return null;
    const tls = parseRdp(await question(context, 'rdp without NLA', rdpRequest(PROTOCOL.tls), ANSWER_MS));
    const bare = parseRdp(await question(context, 'rdp without TLS', rdpRequest(PROTOCOL.rdp), ANSWER_MS));
    const withoutNla = tls?.selected === PROTOCOL.tls || bare?.selected === PROTOCOL.rdp;
    const where = at(context.host, context.port);
    const weaknesses: Weakness[] = [
      ...exposed(
        context,
        'rdp',
        'Remote desktop',
        context.outside ? 'critical' : 'high',
        'It is the most guessed log-in of all, and the usual way in for ransomware.',
      ),
    ];
    const command = `nmap -Pn -p ${context.port} --script rdp-enum-encryption ${context.host}`;
    if (withoutNla)
      weaknesses.push({
        kind: 'rdp-without-nla',
        severity: context.outside ? 'high' : 'medium',
        title: `Remote desktop on ${where} needs no network level authentication`,
        why: 'Whoever connects reaches the log-in screen, and its faults (BlueKeep), before proving who they are.',
        seen: 'A connection without CredSSP was accepted',
        command,
        fix: fix(
          `Require NLA on ${where}`,
          `Group policy: "Require user authentication for remote connections by using Network Level Authentication" = Enabled; or in PowerShell: Set-ItemProperty 'HKLM:\\SYSTEM\\CurrentControlSet\\Control\\Terminal Server\\WinStations\\RDP-Tcp' UserAuthentication 1`,
          'minutes',
          true,
        ),
      });
    if (bare?.selected === PROTOCOL.rdp)
      weaknesses.push({
        kind: 'rdp-weak-encryption',
        severity: 'medium',
        title: `Remote desktop on ${where} accepts its old encryption`,
        why: 'Somebody in the path can read the session.',
        seen: 'Standard RDP security was accepted',
        command,
        fix: fix(
          `Require TLS for remote desktop on ${where}`,
          'Group policy: "Require use of specific security layer for remote (RDP) connections" = SSL.',
          'minutes',
          true,
        ),
      });
    return {
      service: 'rdp',
      tls: false,
      banner: null,
      software: [],
      facts: { nla_required: !withoutNla, nla_code: tls?.failure === FAILURE.hybridRequired },
      weaknesses,
    };
  },
};

const SMB2_DIALECTS = [0x0202, 0x0210, 0x0300, 0x0302, 0x0311] as const;

/** NetBIOS framing of direct TCP ([MS-SMB2] 2.1). */
const framed = (body: Buffer) =>
  Buffer.concat([Buffer.from([0, body.length >> 16, (body.length >> 8) & 255, body.length & 255]), body]);

function smb2Negotiate(dialects: readonly number[]): Buffer {
  const header = Buffer.alloc(64);
  header.writeUInt32BE(0xfe534d42);
  header.writeUInt16LE(64, 4);
  header.writeUInt16LE(1, 14);
  const body = Buffer.alloc(36 + dialects.length * 2);
  body.writeUInt16LE(36, 0);
  body.writeUInt16LE(dialects.length, 2);
  body.writeUInt16LE(1, 4);
  body.fill(7, 12, 28);
  for (const [i, dialect] of dialects.entries()) body.writeUInt16LE(dialect, 36 + i * 2);
  if (!dialects.includes(0x0311)) return framed(Buffer.concat([header, body]));
  // 3.1.1 wants contexts: pre-authentication integrity (SHA-512) and encryption ([MS-SMB2] 2.2.3.1).
  const pad = Buffer.alloc((8 - ((64 + body.length) % 8)) % 8);
  body.writeUInt32LE(64 + body.length + pad.length, 28);
  body.writeUInt16LE(2, 32);
  const integrity = Buffer.alloc(8 + 38);
  integrity.writeUInt16LE(1, 0);
  integrity.writeUInt16LE(38, 2);
  integrity.writeUInt16LE(1, 8);
  integrity.writeUInt16LE(32, 10);
  integrity.writeUInt16LE(1, 12);
  integrity.fill(3, 14);
  const encryption = Buffer.alloc(8 + 10);
  encryption.writeUInt16LE(2, 0);
  encryption.writeUInt16LE(10, 2);
  encryption.writeUInt16LE(4, 8);
  for (const [i, cipher] of [4, 3, 2, 1].entries()) encryption.writeUInt16LE(cipher, 10 + i * 2);
  return framed(
    Buffer.concat([header, body, pad, integrity, Buffer.alloc((8 - (integrity.length % 8)) % 8), encryption]),
  );
}

function smb1Negotiate(): Buffer {
  const header = Buffer.alloc(32);
  header.writeUInt32BE(0xff534d42);
  header.writeUInt8(0x72, 4);
  header.writeUInt8(0x18, 9);
  header.writeUInt16LE(0xc801, 10);
  const dialect = Buffer.from('\x02NT LM 0.12\0', 'latin1');
  const body = Buffer.concat([Buffer.from([0, dialect.length, 0]), dialect]);
  return framed(Buffer.concat([header, body]));
}

export function parseSmb2(answer: Buffer | null): { dialect: number; signingRequired: boolean } | null {
  if (!answer || answer.length < 4 + 64 + 8 || answer.readUInt32BE(4) !== 0xfe534d42) return null;
  if (answer.readUInt32LE(4 + 8) !== 0) return null;
  const body = answer.subarray(68);
  return { dialect: body.readUInt16LE(4), signingRequired: (body.readUInt16LE(2) & 2) !== 0 };
}

const smb1Accepted = (answer: Buffer | null) =>
  answer !== null &&
  answer.length >= 4 + 35 &&
  answer.readUInt32BE(4) === 0xff534d42 &&
  answer.readUInt32LE(4 + 5) === 0 &&
  answer.readUInt8(36) >= 13 &&
  answer.readUInt16LE(37) !== 0xffff;

export const smb: Probe = {
  service: 'smb',
  ports: [445, 139],
  anywhere: true,
  look: async (context) => {
    if (context.tls) return null;
    const [new2, old1] = await Promise.all([
      question(context, 'smb', smb2Negotiate(SMB2_DIALECTS)),
      question(context, 'smb 1', smb1Negotiate()),
    ]);
    const best = parseSmb2(new2);
    const old = smb1Accepted(old1);
    if (!best && !old) return null;
    const where = at(context.host, context.port);
    const weaknesses: Weakness[] = [
      ...exposed(context, 'smb', 'SMB', 'critical', 'Ransomware spreads over file shares.'),
    ];
    const nmap = (script: string) => `nmap -Pn -p ${context.port} --script ${script} ${context.host}`;
    if (old)
      weaknesses.push({
        kind: 'smb1',
        severity: 'high',
        title: `SMB 1 is accepted on ${where}`,
        why: 'WannaCry and NotPetya spread over it.',
        seen: 'The dialect "NT LM 0.12" was accepted',
        command: nmap('smb-protocols'),
        fix: fix(
          `Switch off SMB 1 on ${where}`,
          'Windows: Set-SmbServerConfiguration -EnableSMB1Protocol $false. Samba: server min protocol = SMB2_10. Look first which old devices still use it: Set-SmbServerConfiguration -AuditSmb1Access $true.',
          'minutes',
          true,
        ),
      });
    if (best && !best.signingRequired)
      weaknesses.push({
        kind: 'smb-signing',
        severity: context.outside ? 'high' : 'medium',
        title: `SMB on ${where} does not require signing`,
        why: 'Log-ins can be relayed to it by somebody in the network.',
        seen: 'The negotiate answer does not require signatures',
        command: nmap('smb2-security-mode'),
        fix: fix(
          `Require SMB signing on ${where}`,
          'Windows: Set-SmbServerConfiguration -RequireSecuritySignature $true. Samba: server signing = mandatory.',
          'minutes',
          true,
        ),
      });
    return {
      service: 'smb',
      tls: false,
      banner: null,
      software: [],
      facts: {
        dialect: best ? `0x${best.dialect.toString(16).padStart(4, '0')}` : 'SMB 1',
        signing_required: best?.signingRequired ?? false,
        smb1: old,
      },
      weaknesses,
    };
  },
};
