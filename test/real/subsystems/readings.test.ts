/** What collected texts mean. Recorded from /proc, ceph 16 (`ceph health`, `ceph osd dump`), libvirt 9 (`virsh -q list --all`). */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test as property, fc } from '@fast-check/jest';
import { loadConfig } from '../../../src/config/load.ts';
import { Ipmitool } from '../../../src/real/power/ipmitool.ts';
import { cephReading, commandReading, libvirtReading, systemReading } from '../../../src/real/subsystems/readings.ts';
import { realSubsystems } from '../../../src/real/subsystems/subsystems.ts';

it('the machine: load and memory; little memory is a warning', () => {
  const memory = (free: number) => `MemTotal:       24000000 kB\nMemFree: 1 kB\nMemAvailable:   ${free} kB\n`;
  expect(systemReading('0.52 0.58 0.59 1/467 12345', memory(12_000_000), 2)).toMatchObject({
    ok: true,
    health: 'ok',
    facts: { load1: 0.52, cpus: 2 },
  });
  expect(systemReading('9 9 9 1/1 1', memory(100_000), 2)).toMatchObject({ ok: true, health: 'warning' });
  const left = (freeBytes: number) =>
    systemReading('0 0 0 1/1 1', memory(12_000_000), 2, { dir: '/var/lib/x', freeBytes });
  expect(left(900_000)).toMatchObject({
    health: 'error',
    summary: expect.stringMatching(/disk of \/var\/lib\/x is full/) as string,
  });
  expect(left(2_000_000)).toMatchObject({ health: 'ok' });
  expect(systemReading('nonsense', '', 2)).toMatchObject({ ok: false });
});

it('Ceph: health and OSDs', () => {
  const osds = '{"epoch":7,"osds":[{"osd":0,"up":1,"in":1},{"osd":1,"up":0,"in":1}]}';
  expect(cephReading('{"status":"HEALTH_OK","checks":{}}', osds)).toMatchObject({
    health: 'ok',
    summary: 'HEALTH_OK, 1 of 2 OSDs up, 2 in',
  });
  expect(cephReading('{"status":"HEALTH_WARN"}', osds)).toMatchObject({ health: 'warning' });
  expect(cephReading('{"status":"HEALTH_ERR"}', osds)).toMatchObject({ health: 'error' });
  expect(cephReading('Error EACCES', osds)).toMatchObject({ ok: false });
});

it('libvirt: how many domains run', () => {
  expect(libvirtReading(' 1   web1   running\n 3   web2   paused\n -   old    shut off\n')).toMatchObject({
    facts: { domains: 3, running: 1 },
  });
  expect(libvirtReading('')).toMatchObject({ facts: { domains: 0, running: 0 } });
});

it("an operator's command: 0 ok, 1 warning, anything else an error, its first line shown", () => {
  expect(commandReading(0, 'all good\nmore', '')).toMatchObject({ health: 'ok', summary: 'all good' });
  expect(commandReading(1, '', 'degraded')).toMatchObject({ health: 'warning', summary: 'degraded' });
  expect(commandReading(7, '', '')).toMatchObject({ health: 'error', summary: 'exit code 7' });
});

property.prop([fc.string(), fc.string()])('garbage never crashes a reading', (a, b) => {
  for (const reading of [systemReading(a, b, 2), cephReading(a, b), libvirtReading(a), commandReading(0, a, b)])
    expect(typeof reading.ok).toBe('boolean');
});

describe('the collectors themselves', () => {
  const dir = mkdtempSync(join(tmpdir(), 'nk-sub-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  const script = (name: string, body: string): string => {
    writeFileSync(join(dir, name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(dir, name), 0o755);
    return join(dir, name);
  };
  const collect = async (name: string, yaml: string) => {
    const loaded = loadConfig(`cluster: { name: c }\nzookeeper: { servers: [a:1] }\nsubsystems:\n${yaml}`);
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.errors));
    const subsystem = realSubsystems(loaded.config, new Ipmitool(), null).find((candidate) => candidate.name === name);
    if (subsystem === undefined) throw new Error(`no subsystem ${name}`);
    const startMs = performance.now();
    return { reading: await subsystem.collect(), tookMs: performance.now() - startMs };
  };

  it('the machine is collected from /proc', async () => {
    expect((await collect('system', '  system: { enabled: true }\n')).reading).toMatchObject({ ok: true });
  });

  it('S7, S8: a command that hangs and ignores SIGTERM is killed with its group, in its time', async () => {
    const hang = script('hang', 'trap "" TERM; sleep 62.5 & wait; sleep 62.5');
    const { reading, tookMs } = await collect(
      'disk',
      `  commands: [{ name: disk, command: [${hang}], timeout: 400ms }]\n`,
    );
    expect(reading).toMatchObject({
      ok: false,
      because: expect.stringMatching(/no answer within \d+ ms; killed/) as string,
    });
    expect(tookMs).toBeLessThan(1500);
  });

  it('a missing program is named', async () => {
    const { reading } = await collect('disk', '  commands: [{ name: disk, command: [/no/such/check] }]\n');
    expect(reading).toMatchObject({ ok: false, because: '/no/such/check: /no/such/check is not installed' });
  });
});
