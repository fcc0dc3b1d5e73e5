/** How peers' registrations are read, in a store that is being filled. */
import { Peers } from '../../src/agent/peers.ts';
import type { History } from '../../src/agent/history.ts';
import type { Environment } from '../../src/environment/environment.ts';
import { VirtualTime } from '../../src/sim/clock.ts';
import { SimEnsemble } from '../../src/sim/ensemble.ts';
import { SimProcess } from '../../src/sim/process.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { SimStore } from '../../src/sim/store.ts';

it('a node that has made its place and not registered yet is no unreadable record; garbage is one', async () => {
  const time = new VirtualTime();
  const ensemble = new SimEnsemble(time, 200);
  const process = new SimProcess(time);
  const options = { time, ensemble, process, random: new SeededRandom(1), sessionTimeoutMs: 2000 };
  const store = new SimStore({ ...options, connectTimeoutMs: 200, reaches: () => true });
  await time.runUntil(100);
  const told: string[] = [];
  const history = { happened: (kind: string, because: string) => void told.push(`${kind}: ${because}`) };
  const secrets = { keyNames: () => [], onExchange: () => () => undefined };
  const peers = new Peers({ store, secrets, clock: process } as unknown as Environment, history as unknown as History);
  const read = async () => {
    const done = peers.refresh();
    await time.runUntil(time.nowMs + 100);
    await done;
  };
  for (const path of ['/nodes', '/nodes/node1', '/nodes/node2']) ensemble.create('', path, '', 'persistent');
  await read();
  expect(told).toEqual([]);
  ensemble.vandalise('/nodes/node2', 'garbage');
  await read();
  expect(told).toEqual([expect.stringContaining('record-unreadable: /nodes/node2 cannot be read: it is not JSON')]);
});
