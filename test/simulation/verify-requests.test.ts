/** nodectl fence-check, answered by nodes that have just joined: they look whom there is before they say whom they can fence. */
import { tree } from '../../src/records/tree.ts';
import { VerificationHead } from '../../src/records/verification.ts';
import { simCluster } from '../../src/sim/cluster.ts';
import { World } from '../../src/sim/world.ts';

it('a request that stands there when a node joins is answered about every node', async () => {
  for (let seed = 1; seed <= 30; seed += 1) {
    const world = new World({
      seed,
      nodes: simCluster({ nodes: 4, set: { 'keepalive.interval': '1s' } }),
      bootMs: 3000,
    });
    const names = [...world.machines.keys()];
    for (const name of names.slice(0, 3)) world.machine(name).powerOn();
    await world.run(15_000);
    world.machine('node4').powerOn();
    await world.run(3000);
    const request = JSON.stringify({ schema: 1, kind: 'verify', node: null, by: 'operator' });
    const made = world.ensemble.create(world.operatorSession, '/requests/r-', request, 'ephemeral-sequential');
    const id = made.ok ? made.value.slice('/requests/'.length) : '';
    const row = () => {
      const read = world.ensemble.read(tree.verification('node4'));
      return read.ok && read.value.text !== '' ? VerificationHead.parse(JSON.parse(read.value.text)) : null;
    };
    const about = () => names.filter((name) => world.ensemble.read(tree.verified('node4', name)).ok);
    for (let waitedMs = 0; row()?.answers !== id && waitedMs < 30_000; waitedMs += 10) await world.run(10);
    expect({ seed, about: row()?.answers === id ? about() : [] }).toEqual({ seed, about: names });
  }
});
