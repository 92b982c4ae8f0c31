import { expect, test } from 'vitest';
import { defaultConfig, nearest, parseConfig } from './config-load.ts';

const fault = (text: string) => {
  try {
    parseConfig(text, 'asepsis.yaml');
  } catch (error) {
    return (error as Error).message;
  }
  return null;
};

test('an empty file is the defaults, and everything listens on loopback', () => {
  const config = parseConfig('', 'asepsis.yaml');
  expect(config).toEqual(defaultConfig());
  expect(config.http).toMatchObject({ host: '127.0.0.1', port: 8420 });
  expect(config.syslog.udp).toEqual({ enabled: true, host: '127.0.0.1', port: 5514 });
  expect(config.syslog.tls.host).toBe('127.0.0.1');
  expect(config.archive.retention_days).toBe(365);
});

test('what is set replaces only itself', () => {
  const config = parseConfig('syslog:\n  tcp:\n    port: 601\n', 'asepsis.yaml');
  expect(config.syslog.tcp).toEqual({ enabled: true, host: '127.0.0.1', port: 601 });
  expect(config.syslog.udp.port).toBe(5514);
});

test('an unknown key names its place and the nearest known one', () => {
  expect(fault('http:\n  prot: 80\n')).toBe(
    'asepsis.yaml:2:3: "http.prot" is not a setting. Did you mean "http.port"?',
  );
  expect(fault('quux: 1\n')).toMatch(/Known here: http, syslog/);
  expect(fault('files:\n  - path: /var/log/a\n    zoen: UTC\n')).toMatch(
    /asepsis.yaml:3:5: "files.zoen".*"files.zone"/,
  );
});

test('a wrong value names its place', () => {
  expect(fault('http:\n  port: 99999\n')).toMatch(/^asepsis.yaml:2:9: http.port /);
  expect(fault('archive:\n  retention_days: soon\n')).toMatch(/^asepsis.yaml:2:19: archive.retention_days /);
});

test('broken YAML and alias bombs are one error, not a crash', () => {
  expect(fault('http: [1, 2')).toMatch(/^asepsis.yaml:/);
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nhttp: *c\n`;
  expect(fault(bomb)).not.toBeNull();
});

test('nothing is suggested for a word that is near nothing', () => {
  expect(nearest('zzzzzzzz', ['http', 'syslog'])).toBeNull();
});
