/** How peers' registrations are read, in a store that is being filled. */
import { Registration } from '../../src/records/registration.ts';
import { printRecord } from '../../src/records/record.ts';
import { Peers } from '../../src/agent/peers.ts';
import type { History } from '../../src/agent/history.ts';
import type { Environment } from '../../src/environment/environment.ts';
import { VirtualTime } from '../../src/sim/clock.ts';
import { SimEnsemble } from '../../src/sim/ensemble.ts';
import { SimProcess } from '../../src/sim/process.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { SimStore } from '../../src/sim/store.ts';

async function inStore() {
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
  ensemble.create('', '/nodes', '', 'persistent');
  return { time, ensemble, store, peers, read, told };
}

it('a node that has made its place and not registered yet is no unreadable record; garbage is one', async () => {
  const { ensemble, read, told } = await inStore();
  for (const path of ['/nodes/node1', '/nodes/node2']) ensemble.create('', path, '', 'persistent');
  await read();
  expect(told).toEqual([]);
  ensemble.vandalise('/nodes/node2', 'garbage');
  await read();
  expect(told).toEqual([expect.stringContaining('record-unreadable: /nodes/node2 cannot be read: it is not JSON')]);
});

const registration = (name: string, incarnation: string, role: 'coordinator' | 'worker') =>
  printRecord(
    Registration.parse({
      ...{
        schema: 1,
        name,
        role,
        priority: 100,
        incarnation,
        bootId: 'boot',
        machineId: 'machine',
        hostname: name,
        pid: 1,
      },
      ...{ version: '0.1.0', intervalMs: 1000, action: 'reboot', apiAddress: null, leaseMs: 3000, stopBoundMs: 5000 },
      ...{ systemGuid: null, levels: [['ipmi']], devices: [], devicesSealed: null, watchdogBoundMs: null },
    }),
  );

describe('a registration that changes is read again by who hears no keepalive of that node', () => {
  const set = async () => {
    const { peers, read, ensemble, time, store } = await inStore();
    ensemble.create('', '/nodes/node1', registration('node1', 'life 1', 'worker'), 'persistent');
    await read();
    expect(peers.get('node1')).toMatchObject({ incarnation: 'life 1', role: 'worker' });
    return { peers, read, ensemble, time, store };
  };

  it('at the next look', async () => {
    const { peers, read, ensemble } = await set();
    ensemble.vandalise('/nodes/node1', registration('node1', 'life 2', 'coordinator'));
    await read();
    expect(peers.get('node1')).toMatchObject({ incarnation: 'life 2', role: 'coordinator' });
    ensemble.vandalise('/nodes/node1', registration('node1', 'life 3', 'worker'));
    await read();
    expect(peers.get('node1')).toMatchObject({ incarnation: 'life 3', role: 'worker' });
  });

  it('in a new session, which hears nothing of what changed before it', async () => {
    const { peers, read, ensemble, time, store } = await set();
    void store.abandon();
    await time.runUntil(time.nowMs + 1000);
    await read();
    ensemble.vandalise('/nodes/node1', registration('node1', 'life 2', 'coordinator'));
    await read();
    expect(peers.get('node1')?.incarnation).toBe('life 2');
  });

  it('before it is fenced by it, when its keepalive is of another life; not when the store does not answer', async () => {
    const { peers, ensemble, time } = await set();
    const asOf = async (incarnation: string) => {
      let answer: boolean | null = null;
      void peers.asOf('node1', incarnation).then((known) => {
        answer = known;
      });
      await time.runUntil(time.nowMs + 5000);
      return { answer, known: peers.get('node1')?.incarnation };
    };
    expect(await asOf('life 1')).toEqual({ answer: true, known: 'life 1' });
    ensemble.vandalise('/nodes/node1', registration('node1', 'life 2', 'coordinator'));
    expect(await asOf('life 2')).toEqual({ answer: true, known: 'life 2' });
    ensemble.setAvailable(false);
    expect(await asOf('life 3')).toEqual({ answer: false, known: 'life 2' });
  });
});
