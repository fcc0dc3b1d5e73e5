/** Fills the store of a lab with records of VMs that are off: fill-vms.js COUNT, run in the lab's network. */
import { randomUUID } from 'node:crypto';
import { configFile, readClusterKeys, readConfig } from '../../real/config-file.ts';
import { openZooKeeperStore } from '../../real/zookeeper/store.ts';
import { printRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import { newVm } from '../../records/vm.ts';
import { pause } from '../lab.ts';

const count = Number(process.argv[2]);
const read = readConfig(configFile(undefined));
const key = read.ok ? readClusterKeys(read.value) : null;
if (!read.ok || key?.ok !== true || !(count >= 1)) throw new Error('fill-vms.js COUNT, with NODEKEEPER_CONFIG');
const { zookeeper, cluster, timing } = read.value;
const store = openZooKeeperStore({
  servers: zookeeper.servers,
  root: `${zookeeper.root}/${cluster.name}`,
  sessionTimeoutMs: timing.requesterTimeoutMs,
  connectTimeoutMs: 1000,
  requestTimeoutMs: 4000,
  keys: key.value,
});
while (store.session().state !== 'connected') await pause(10);
for (let at = 0; at < count; at += 1) {
  const record = newVm({
    uuid: randomUUID(),
    name: `filled-${String(at).padStart(5, '0')}`,
    node: 'node1',
    memoryMiB: 1024,
    vcpus: 2,
    selector: 'mem',
    limit: ['node1', 'node2'],
    antiAffinity: [],
    autostart: false,
    migrationMethod: 'live',
    by: 'bench',
    nowWallMs: Date.now(),
    writeId: randomUUID(),
  });
  const made = await store.create(tree.vm(record.uuid), printRecord({ ...record, state: 'stop' }), 'persistent');
  if (!made.ok) throw new Error(made.because);
}
await store.close(1000);
process.exit(0);
