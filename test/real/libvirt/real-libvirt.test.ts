/** VirshHypervisor on a real libvirtd and a real QEMU: connections cut in the middle of an answer, guests that panicked. */
import { writeFileSync } from 'node:fs';
import { loadConfig } from '../../../src/config/load.ts';
import { VirshHypervisor } from '../../../src/real/libvirt/hypervisor.ts';
import type { PrivateLibvirtd } from '../../support/libvirtd.ts';
import { CuttingProxy, requests, startLibvirtd } from '../../support/libvirtd.ts';
import { pause } from '../../support/zookeeper.ts';

const uuid = '22222222-2222-4222-8222-222222222222';
const xml = `<domain type='qemu'><name>panics</name><uuid>${uuid}</uuid><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><on_crash>preserve</on_crash><features><acpi/></features>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><panic model='isa'/></devices></domain>`;

let libvirtd: PrivateLibvirtd;
let proxy: CuttingProxy;
let hypervisor: VirshHypervisor;
let throughProxy: VirshHypervisor;

function hypervisorAt(uri: string): VirshHypervisor {
  const text = `cluster: {name: c}\nzookeeper: {servers: ['a:2181']}\nvms: {enabled: true, uri: '${uri}', commandTimeout: 20s, startTimeout: 60s, migrationUri: '${uri.replace(/[a-z]+-sock$/, '{address}-sock')}'}\n`;
  const loaded = loadConfig(text);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.errors));
  return new VirshHypervisor(loaded.config.vms);
}

beforeAll(async () => {
  libvirtd = await startLibvirtd();
  proxy = new CuttingProxy(libvirtd);
  hypervisor = hypervisorAt(libvirtd.uri);
  throughProxy = hypervisorAt(proxy.uri);
}, 90_000);
afterAll(() => {
  proxy.close();
  libvirtd.end();
});
beforeEach(async () => {
  proxy.cutAt(requests.listAllDomains, 0);
  expect(await hypervisor.switchOff(uuid)).toEqual({ ok: true, value: null });
  expect(await hypervisor.start(uuid, xml)).toEqual({ ok: true, value: null });
});

describe('HV2, S2: a connection that is cut', () => {
  it.each(['listAllDomains', 'getAllDomainStats'] as const)('at %s: no list, and never an empty one', async (at) => {
    proxy.cutAt(requests[at], Infinity);
    expect((await throughProxy.list()).ok).toBe(false);
    expect(proxy.cuts).toBeGreaterThan(0);
    proxy.cutAt(requests[at], 0);
    const listed = await throughProxy.list();
    expect(listed.ok && [...listed.value]).toEqual([[uuid, { power: 'running', reason: 'booted' }]]);
  });

  it.each(['lookupByUuid', 'lookupByName', 'listAllDomains'] as const)(
    'at %s: a guest that runs is neither gone nor removed',
    async (at) => {
      for (const times of [1, Infinity]) {
        for (const where of ['proxy', null]) {
          proxy.cutAt(requests[at], times);
          const there = await throughProxy.guestAt(where, uuid);
          expect(there.ok ? there.value?.power : 'not known').toMatch(/running|not known/);
        }
        proxy.cutAt(requests[at], times);
        expect((await throughProxy.remove(uuid)).ok).toBe(false);
      }
      expect(libvirtd.virsh('domstate', uuid)).toBe('running');
    },
  );

  it('a guest that libvirt does not know is gone only when a whole list says so', async () => {
    const other = uuid.replaceAll('2', '3');
    expect(await throughProxy.guestAt('proxy', other)).toEqual({ ok: true, value: null });
    proxy.cutAt(requests.listAllDomains, Infinity);
    expect((await throughProxy.guestAt('proxy', other)).ok).toBe(false);
    expect((await throughProxy.remove(other)).ok).toBe(false);
    proxy.cutAt(requests.listAllDomains, 0);
  });
});

describe('S2: a guest that panicked and is kept by <on_crash>preserve</on_crash>', () => {
  beforeEach(async () => {
    libvirtd.virsh('qemu-monitor-command', uuid, '--hmp', 'o /b 0x505 1');
    for (let looks = 0; looks < 50 && libvirtd.virsh('domstate', uuid) !== 'crashed'; looks += 1) await pause(100);
    expect(libvirtd.virsh('domstate', '--reason', uuid)).toBe('crashed (panicked)');
  });

  it('is not off: its QEMU lives', async () => {
    const crashed = { power: 'crashed', reason: 'panicked' };
    const listed = await hypervisor.list();
    expect(listed.ok && listed.value.get(uuid)).toEqual(crashed);
    expect(await hypervisor.guestAt(null, uuid)).toEqual({ ok: true, value: crashed });
  });

  it('is neither started nor removed; a switch-off ends it', async () => {
    expect(await hypervisor.start(uuid, xml)).toMatchObject({ ok: false });
    expect(await hypervisor.remove(uuid)).toMatchObject({ ok: false });
    expect(libvirtd.virsh('dominfo', uuid)).toMatch(/Persistent: +yes/);
    expect(await hypervisor.switchOff(uuid)).toEqual({ ok: true, value: null });
    expect(await hypervisor.remove(uuid)).toEqual({ ok: true, value: null });
    expect(libvirtd.virsh('list', '--all')).toBe('');
  });
});

it('a guest that is paused was not started', async () => {
  libvirtd.virsh('suspend', uuid);
  expect(await hypervisor.start(uuid, xml)).toMatchObject({ ok: false });
  expect(await hypervisor.remove(uuid)).toMatchObject({ ok: false });
});

it('a guest with a checkpoint, as a backup leaves it, is removed', async () => {
  libvirtd.virsh('destroy', uuid);
  const disk = `${libvirtd.dir}/disk.qcow2`;
  const withDisk = xml.replace(
    '<panic',
    `<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${disk}'/><target dev='vda' bus='virtio'/></disk><panic`,
  );
  writeFileSync(disk, emptyQcow2());
  expect(await hypervisor.start(uuid, withDisk)).toEqual({ ok: true, value: null });
  libvirtd.virsh('checkpoint-create-as', uuid, 'backup.0');
  expect(libvirtd.virsh('checkpoint-list', uuid, '--name')).toBe('backup.0');
  expect(await hypervisor.switchOff(uuid)).toEqual({ ok: true, value: null });
  expect(libvirtd.virsh('undefine', uuid, '--snapshots-metadata')).toMatch(
    /cannot delete inactive domain with 1 checkpoints/,
  );
  expect(await hypervisor.remove(uuid)).toEqual({ ok: true, value: null });
  expect(libvirtd.virsh('list', '--all')).toBe('');
});

/** 8 MiB, nothing in it: header, refcount table and block, L1 table (qemu/docs/interop/qcow2.txt); qemu-img may not be there. */
function emptyQcow2(): Buffer {
  const cluster = 65_536;
  const disk = Buffer.alloc(4 * cluster);
  disk.write('QFI\xfb', 0, 'latin1');
  disk.writeUInt32BE(3, 4); // version
  disk.writeUInt32BE(16, 20); // bits of a cluster
  disk.writeBigUInt64BE(8n * 2n ** 20n, 24);
  disk.writeUInt32BE(1, 36); // entries of the L1 table
  disk.writeBigUInt64BE(BigInt(3 * cluster), 40);
  disk.writeBigUInt64BE(BigInt(cluster), 48);
  disk.writeUInt32BE(1, 56); // clusters of the refcount table
  disk.writeUInt32BE(4, 96); // a refcount has 2^4 bits
  disk.writeUInt32BE(104, 100); // bytes of the header
  disk.writeBigUInt64BE(BigInt(2 * cluster), cluster);
  for (let index = 0; index < 4; index += 1) disk.writeUInt16BE(1, 2 * cluster + 2 * index);
  return disk;
}
