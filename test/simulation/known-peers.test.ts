/** A noded of 300 nodes that is started while ZooKeeper is away knows its peers from its disk: power is restored by that. */
import { knownFile, parseKnown } from '../../src/records/known.ts';
import { recordBytesMax } from '../../src/records/record.ts';
import { Registration } from '../../src/records/registration.ts';
import { tree } from '../../src/records/tree.ts';
import { simCluster } from '../../src/sim/cluster.ts';
import { World } from '../../src/sim/world.ts';

const nodes = 300;

it('300 nodes: what is known of them is on the disk of each, can be read, and is known after a start without a store', async () => {
  const world = new World({ seed: 1, nodes: simCluster({ nodes: 2 }) });
  world.powerAll();
  await world.run(20_000);
  const own = world.ensemble.read(tree.node('node1'));
  const template = Registration.parse(JSON.parse(own.ok ? own.value.text : ''));
  for (let at = 3; at <= nodes; at += 1) {
    const name = `node${at}`;
    const worker = {
      ...template,
      name,
      role: 'worker',
      hostname: name,
      apiAddress: null,
      devicesSealed: 'x'.repeat(1500),
    };
    world.ensemble.create('s0', tree.node(name), JSON.stringify(worker), 'persistent');
  }
  await world.run(90_000);
  const { disk } = world.machine('node1');
  const text = disk.get(knownFile) ?? '';
  expect(text.length).toBeGreaterThan(recordBytesMax);
  expect(parseKnown(text)).toMatchObject({ ok: true });
  world.ensemble.setAvailable(false);
  world.machine('node1').powerOff();
  await world.run(1000);
  world.machine('node1').powerOn();
  await world.run(30_000);
  const asked = await world.endpoints.get('node1')?.answer({ kind: 'quorum-view' });
  expect(asked).toMatchObject({ kind: 'quorum-view' });
  expect(asked?.kind === 'quorum-view' && asked.view.known.length).toBe(nodes);
});
