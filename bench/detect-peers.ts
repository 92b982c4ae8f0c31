/** CrowdSec and fail2ban, where they are installed, on the same sshd lines in the same run: lines for a second on the processor. */

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const HUB = '/usr/share/crowdsec/hub';

/** Seconds on the processor of a command, from the shell's own count of its children; null when it failed. */
function cpuSeconds(command: readonly string[], cwd: string): number | null {
  const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  const { stdout, status } = spawnSync('/bin/sh', ['-c', `${quoted} >/dev/null 2>&1; code=$?; times; exit $code`], {
    cwd,
    timeout: 300_000,
    encoding: 'utf8',
    env: { ...process.env, GOMAXPROCS: '1' },
  });
  const children = stdout.trim().split('\n')[1] ?? '';
  const seconds = [...children.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, m, s]) => sum + Number(m) * 60 + Number(s),
    0,
  );
  return status === 0 && seconds > 0 ? seconds : null;
}

/** What many lines cost beyond what few cost: starting a program is not its speed. */
function rate(few: number, many: number, run: (lines: number) => number | null): number | null {
  const start = run(few);
  const all = run(many);
  return start === null || all === null || all <= start ? null : Math.round((many - few) / (all - start));
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** A CrowdSec of its own in a folder: sshd's parser and scenario, a local API on the loopback. */
function setUpCrowdsec(dir: string, port: number): string {
  const config = join(dir, 'config');
  for (const part of [
    'parsers/s00-raw',
    'parsers/s01-parse',
    'parsers/s02-enrich',
    'scenarios',
    'postoverflows',
    'plugins',
  ])
    mkdirSync(join(config, part), { recursive: true });
  mkdirSync(join(dir, 'data'));
  for (const [from, to] of [
    ['parsers/s00-raw/crowdsecurity/syslog-logs.yaml', 'parsers/s00-raw/syslog-logs.yaml'],
    ['parsers/s01-parse/crowdsecurity/sshd-logs.yaml', 'parsers/s01-parse/sshd-logs.yaml'],
    ['parsers/s02-enrich/crowdsecurity/dateparse-enrich.yaml', 'parsers/s02-enrich/dateparse-enrich.yaml'],
    ['scenarios/crowdsecurity/ssh-bf.yaml', 'scenarios/ssh-bf.yaml'],
  ] as const)
    symlinkSync(join(HUB, from), join(config, to));
  cpSync('/etc/crowdsec/patterns', join(config, 'patterns'), { recursive: true });
  writeFileSync(join(dir, 'acquis.yaml'), 'filenames: []\n');
  writeFileSync(join(dir, 'cred.yaml'), `url: http://127.0.0.1:${port}\nlogin: none\npassword: none\n`);
  const file = join(dir, 'config.yaml');
  writeFileSync(
    file,
    `common: { daemonize: false, log_media: stdout, log_level: error, log_dir: ${dir}, working_dir: . }
config_paths: { config_dir: ${config}, data_dir: ${dir}/data, simulation_path: /etc/crowdsec/simulation.yaml, hub_dir: ${HUB}, index_path: ${HUB}/.index.json, notification_dir: ${config}/plugins, plugin_dir: ${config}/plugins }
crowdsec_service: { acquisition_path: ${dir}/acquis.yaml, parser_routines: 1 }
cscli: { output: human }
db_config: { log_level: error, type: sqlite, db_path: ${dir}/data/crowdsec.db }
api: { client: { credentials_path: ${dir}/cred.yaml }, server: { enable: true, log_level: error, listen_uri: 127.0.0.1:${port}, profiles_path: /etc/crowdsec/profiles.yaml } }
prometheus: { enabled: false }
plugin_config: { user: nobody, group: nogroup }
`,
  );
  spawnSync('cscli', [
    '-c',
    file,
    'machines',
    'add',
    'bench',
    '--password',
    'benchbench',
    '-f',
    join(dir, 'cred.yaml'),
    '--force',
  ]);
  return file;
}

/** @param lines sshd lines with a BSD header */
export async function measurePeers(lines: readonly string[]) {
  const few = Math.floor(lines.length / 5);
  const dir = mkdtempSync(join(tmpdir(), 'asepsis-peers-'));
  try {
    const log = (count: number): string => {
      const path = join(dir, `${count}.log`);
      writeFileSync(path, `${lines.slice(0, count).join('\n')}\n`);
      return path;
    };
    const fail2ban = existsSync('/usr/bin/fail2ban-regex')
      ? rate(few, lines.length, (count) => cpuSeconds(['fail2ban-regex', '--no-check-all', log(count), 'sshd'], dir))
      : null;
    let crowdsec: number | null = null;
    if (existsSync('/usr/bin/crowdsec') && existsSync(HUB)) {
      const config = setUpCrowdsec(dir, await freePort());
      crowdsec = rate(few, lines.length, (count) =>
        cpuSeconds(['crowdsec', '-c', config, '-dsn', `file://${log(count)}`, '-type', 'syslog'], dir),
      );
    }
    return { lines: lines.length, fail2ban_regex_sshd: fail2ban, crowdsec_sshd_bf: crowdsec };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
