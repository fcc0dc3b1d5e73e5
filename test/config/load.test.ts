import { readFileSync } from 'node:fs';
import { test as property, fc } from '@fast-check/jest';
import { parseDuration, printDuration } from '../../src/config/duration.ts';
import { loadConfig, printErrors } from '../../src/config/load.ts';
import { worstCase } from '../../src/config/timing.ts';

const minimal = 'cluster: { name: c }\nzookeeper: { servers: [zk1:2181] }\n';
const errorsOf = (text: string): string[] => {
  const loaded = loadConfig(text);
  return loaded.ok ? [] : printErrors('config.yaml', loaded.errors).split('\n');
};
const config = (text: string) => {
  const loaded = loadConfig(text);
  if (!loaded.ok) throw new Error(printErrors('config', loaded.errors));
  return loaded.config;
};

it('a few lines are enough: everything else has a default', () => {
  const { keepalive, detection, timing, fencing } = config(minimal);
  expect(keepalive.interval).toBe(5000);
  expect(detection.savingThrows).toBe(6);
  expect(fencing.action).toBe('reboot');
  expect(timing).toMatchObject({ sessionTimeoutMs: 10_000, detectionMs: 30_000, quietPeriodMs: 20_000 });
});

it('the example is valid', () => {
  expect(errorsOf(readFileSync(new URL('../../config.example.yaml', import.meta.url), 'utf8'))).toEqual([]);
});

it('two numbers changed, five follow', () => {
  const { timing } = config(`${minimal}keepalive: { interval: 10s }\ndetection: { savingThrows: 9 }\n`);
  expect(timing).toMatchObject({
    sessionTimeoutMs: 30_000,
    connectTimeoutMs: 3000,
    detectionMs: 90_000,
    quietPeriodMs: 50_000,
  });
});

it('all errors at once, each with place, path, value and what is wanted', () => {
  const text = [
    'cluster: { name: c }',
    'zookeeper: { servers: [zk1:2181], tickTime: 5 }',
    'keepalive:',
    '  intervall: 5s',
    'detection:',
    '  savingThrows: 1',
    'node: { name: Bad_Name, role: master }',
    '',
  ].join('\n');
  expect(errorsOf(text)).toEqual([
    'config.yaml:7:15: node.name: expected a name of lower-case letters, digits, dots and hyphens (at most 63), as in host names, got "Bad_Name"',
    'config.yaml:7:31: node.role: expected one of coordinator, worker; got "master"',
    'config.yaml:2:45: zookeeper.tickTime: expected a duration such as 5s or 400ms, got 5',
    'config.yaml:4:14: keepalive.intervall: unknown key; did you mean "interval"?',
    'config.yaml:6:17: detection.savingThrows: expected a whole number from 2 to 100, got 1',
  ]);
});

it('aliases are refused with their place (found by the fuzzer below)', () => {
  expect(errorsOf('*!')).toEqual([expect.stringMatching(/^config\.yaml:\d+:\d+: /)]);
  expect(errorsOf(`${minimal}node: &n { name: a }\nkeepalive: *n\n`)).toEqual([
    'config.yaml:4:12: aliases (*n) are not allowed; write the value',
  ]);
});

it('a missing section, an empty file, a broken file', () => {
  expect(errorsOf('')).toEqual(expect.arrayContaining([expect.stringMatching(/^config\.yaml: cluster: /)]));
  expect(errorsOf('cluster: [')[0]).toMatch(/^config\.yaml:\d+:\d+: /);
  expect(errorsOf('just words')[0]).toMatch(/expected/i);
  expect(errorsOf(`${minimal}cluster: { name: d }\n`)[0]).toMatch(/unique/i);
});

it('names with odd characters are refused', () => {
  for (const name of ['a/b', '../x', 'a b', 'Ä', 'a\\nb', '', '-a', 'a;rm', 'x'.repeat(64)]) {
    expect(errorsOf(`${minimal}node: { name: "${name}" }\n`)).toHaveLength(1);
  }
});

it('a duration out of its range names the range', () => {
  expect(errorsOf(`${minimal}keepalive: { interval: 1h }\n`)).toEqual([
    'config.yaml:3:24: keepalive.interval: expected a duration from 200ms to 1m, got "1h"',
  ]);
});

it('cipher suite 0 (no authentication) is refused, and so are too long names', () => {
  const bmc = (more: string) => `${minimal}bmc: { address: b, username: u, passwordFile: /p, ${more} }\n`;
  expect(errorsOf(bmc('cipherSuites: [0]'))[0]).toMatch(/cipherSuites\.0: expected a whole number from 1 to 17, got 0/);
  expect(errorsOf(bmc('privilege: user'))[0]).toMatch(/expected one of operator, administrator/);
  expect(errorsOf(`${minimal}bmc: { address: b, username: ${'u'.repeat(17)}, passwordFile: /p }\n`)[0]).toMatch(
    /1 to 16 characters/,
  );
  expect(errorsOf(`${minimal}bmc: { address: b, username: ${'ü'.repeat(9)}, passwordFile: /p }\n`)[0]).toMatch(
    /16 bytes/,
  );
});

it('a restart of a ZooKeeper server leaves a majority, and the own server is one of them', () => {
  const of = (zookeeper: string) => errorsOf(`cluster: { name: c }\nzookeeper: { ${zookeeper} }\n`);
  expect(of('servers: [a:1, b:1, c:1], restartCommand: [systemctl, restart, zookeeper], ownServer: b:1')).toEqual([]);
  expect(of('servers: [a:1, b:1], restartCommand: [reboot]')[0]).toMatch(
    /restartCommand: needs at least 3 servers, 2 configured/,
  );
  expect(of('servers: [a:1, b:1, c:1], ownServer: d:1')[0]).toMatch(/ownServer: d:1 is not among servers/);
  expect(of('servers: [a:1, b:1, c:1], restartCommand: systemctl restart zookeeper')[0]).toMatch(/expected a list/);
});

it('a violated inequality prints its sum', () => {
  expect(errorsOf(`${minimal}keepalive: { interval: 1s }\ndetection: { savingThrows: 3 }\n`)).toEqual([
    'config.yaml:4:28: detection.savingThrows: a node must have the time to come back with a new session before it is held for dead: savingThrows 3 x interval 1 s = 3 s >= sessionTimeout 8 s + interval 1 s = 9 s does not hold',
  ]);
  expect(errorsOf('cluster: { name: c }\nzookeeper: { servers: [a:1], sessionTimeout: 4s }\n')[0]).toMatch(
    /4 s >= 4 x tickTime 2 s = 8 s does not hold/,
  );
});

it('the worst case is the sum of its steps and each step shows its own', () => {
  const steps = worstCase(config(minimal));
  expect(steps[0]).toMatchObject({ ms: 40_000 });
  for (const { sum } of steps) expect(sum).toMatch(/\d/);
});

property.prop([fc.nat(100_000_000)])('every duration is read back as it was written', (ms) => {
  expect(parseDuration(printDuration(ms))).toBe(ms);
});

it.each(['5', 's', '5 s', '-1s', '1d', '', '1e3s', 'NaNs', '5S'])('"%s" is no duration', (text) => {
  expect(parseDuration(text)).toBeNull();
});

property.prop([fc.string()])('no text crashes the loader', (text) => {
  const loaded = loadConfig(text);
  if (!loaded.ok) expect(loaded.errors.length).toBeGreaterThan(0);
});
