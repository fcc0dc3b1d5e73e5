import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configFile, keyFileComplaints, readClusterKeys, readDevices, readConfig } from '../../src/real/config-file.ts';
import type { Config } from '../../src/config/load.ts';
import { newKeyText } from '../../src/real/secrets.ts';
import { keyRing } from '../support/keys.ts';

const dir = mkdtempSync(join(tmpdir(), 'nk-files-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const file = (name: string, text: string, mode = 0o600): string => {
  const path = join(dir, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
};
const text = (more = '') =>
  `cluster: { name: c, keyFile: ${join(dir, 'key')} }\nzookeeper: { servers: [a:1] }\n${more}`;
const config = (more = ''): Config => {
  const read = readConfig(file('ok.yaml', text(more)));
  if (!read.ok) throw new Error(read.message);
  return read.value;
};

it('S10: a configuration or key that others can read or change is refused, with the mend', () => {
  expect(readConfig(file('open.yaml', text(), 0o644))).toMatchObject({
    ok: false,
    message: expect.stringMatching(/can be read by others \(mode 0644\).*chmod 600/) as string,
  });
  expect(readConfig(file('writable.yaml', text(), 0o660))).toMatchObject({
    ok: false,
    message: expect.stringMatching(/can be changed by others/) as string,
  });
  expect(readConfig(file('group.yaml', text(), 0o640)).ok).toBe(true);
  file('key', newKeyText(), 0o640);
  expect(readClusterKeys(config())).toMatchObject({
    ok: false,
    message: expect.stringMatching(/the cluster key can be read by others/) as string,
  });
  file('key', newKeyText(), 0o600);
  expect(readClusterKeys(config()).ok).toBe(true);
  file('key', 'not a key\n', 0o600);
  expect(readClusterKeys(config())).toMatchObject({
    ok: false,
    message: expect.stringMatching(/no cluster key.*nodectl keygen/) as string,
  });
  const [one, two] = [newKeyText(), newKeyText()];
  file('key', `# the new one first\n${one}\n${two}`, 0o600);
  expect(readClusterKeys(config())).toMatchObject({ ok: true, value: { all: [{}, {}] } });
  for (const [wrong, because] of [
    [`${one}${one}`, /the same key twice/],
    [`${one}not a key\n`, /line 2 of its keys/],
    [`${one}${two}${newKeyText()}${newKeyText()}${newKeyText()}`, /holds 5 keys/],
    ['# nothing\n', /no cluster key/],
  ] as const) {
    file('key', wrong, 0o600);
    expect(readClusterKeys(config())).toMatchObject({ ok: false, message: expect.stringMatching(because) as string });
  }
});

it('S10: private keys of the listener and for ZooKeeper: what is missing or open to others is told, nothing else', () => {
  const [certificate, key] = [file('cert.pem', ''), file('tls.key', '')];
  const web = `web: { enabled: true, certificateFile: ${certificate}, keyFile: ${key} }\n`;
  expect(keyFileComplaints(config(web))).toEqual([]);
  file('tls.key', '', 0o640);
  expect(keyFileComplaints(config(web))).toEqual([
    expect.stringMatching(/the web listener's private key can be read by others \(mode 0640\)/),
  ]);
  expect(keyFileComplaints(config(web.replace('true', 'false')))).toEqual([]);
  const tls = readConfig(
    file(
      'tls.yaml',
      text(web).replace('[a:1] }', `[a:1], tls: { caFile: /a, certificateFile: /b, keyFile: /nowhere/tls.key } }`),
    ),
  );
  if (!tls.ok) throw new Error(tls.message);
  expect(keyFileComplaints(tls.value)[1]).toMatch(
    /nowhere\/tls\.key: the private key for ZooKeeper cannot be read: it does not exist/,
  );
});

it('what is missing is named', () => {
  expect(readConfig('/nowhere/config.yaml')).toEqual({
    ok: false,
    message: '/nowhere/config.yaml: the configuration cannot be read: it does not exist',
  });
});

it('a BMC password: one line, at most 20 bytes, for root only', () => {
  const bmc = (path: string) => config(`bmc: { address: b, username: u, passwordFile: ${path} }\n`);
  expect(readDevices(bmc(file('pw', 'sesame\n')))).toMatchObject({
    ok: true,
    value: [{ kind: 'ipmi', name: 'ipmi', password: 'sesame', port: 623, cipherSuites: [17, 3] }],
  });
  expect(readDevices(bmc(file('pw', 'sesame\n', 0o644))).ok).toBe(false);
  for (const bad of ['', '\n', 'x'.repeat(21), 'two\nlines', 'ü'.repeat(11)])
    expect(readDevices(bmc(file('pw', bad)))).toMatchObject({
      ok: false,
      message: expect.stringMatching(/1 to 20 bytes/) as string,
    });
  expect(JSON.stringify(readDevices(bmc(file('pw', 'a-secret-that-is-too-long'))))).not.toContain('a-secret');
  expect(readDevices(config())).toEqual({ ok: true, value: [] });
});

it('S10: the secrets of a fence agent come from files for root only, one line each', () => {
  const device = (path: string) =>
    config(
      `fencing: { devices: [{ name: pdu, agent: fence_apc_snmp, options: { ip: pdu1, plug: 3, lanplus: true }, secretFiles: { password: ${path} } }] }\n`,
    );
  expect(readDevices(device(file('pdu', 'sesame\n')))).toMatchObject({
    ok: true,
    value: [
      {
        kind: 'agent',
        name: 'pdu',
        options: { ip: 'pdu1', plug: '3', lanplus: 'true' },
        secrets: { password: 'sesame' },
      },
    ],
  });
  expect(readDevices(device(file('pdu', 'sesame\n', 0o640)))).toMatchObject({
    ok: false,
    message: expect.stringMatching(/the secret "password" of the device "pdu" can be read by others/) as string,
  });
  for (const bad of ['', 'two\nlines'])
    expect(readDevices(device(file('pdu', bad)))).toMatchObject({
      ok: false,
      message: expect.stringMatching(/expected one line/) as string,
    });
});

it('--config goes before NODEKEEPER_CONFIG goes before the default', () => {
  const before = process.env['NODEKEEPER_CONFIG'];
  delete process.env['NODEKEEPER_CONFIG'];
  expect(configFile(undefined)).toBe('/etc/nodekeeper/config.yaml');
  process.env['NODEKEEPER_CONFIG'] = '/a';
  expect(configFile(undefined)).toBe('/a');
  expect(configFile('/b')).toBe('/b');
  if (before === undefined) delete process.env['NODEKEEPER_CONFIG'];
  else process.env['NODEKEEPER_CONFIG'] = before;
});

it('SEAL1, SEAL2: only the same key, cluster and context open what was sealed', () => {
  const keyText = newKeyText();
  const key = keyRing(keyText);
  const sealed = key.seal('a password', 'bmc node1');
  expect(sealed).not.toContain('password');
  expect(key.open(sealed, 'bmc node1')).toBe('a password');
  expect(key.open(sealed, 'bmc node2')).toBeNull();
  expect(keyRing(keyText, 'other').open(sealed, 'bmc node1')).toBeNull();
  expect(keyRing().open(sealed, 'bmc node1')).toBeNull();
  expect(key.open(`${sealed.slice(0, -6)}AAAAAA`, 'bmc node1')).toBeNull();
  for (const garbage of ['', 'v1.', 'v1.AAAA', 'x']) expect(key.open(garbage, 'bmc node1')).toBeNull();
  expect(key.seal('a', 'x')).not.toBe(key.seal('a', 'x'));
  expect(key.first.digest).toMatch(/^nodekeeper:[0-9a-f]{64}$/);
  expect(key.first.digest).toBe(keyRing(keyText).first.digest);
});
