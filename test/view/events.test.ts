/** The history as it is followed: what is new, also after ZooKeeper was rebuilt, and nothing twice from a server that lags. */
import type { Store } from '../../src/environment/store.ts';
import { VirtualTime } from '../../src/sim/clock.ts';
import { SimEnsemble } from '../../src/sim/ensemble.ts';
import { SimProcess } from '../../src/sim/process.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { SimStore } from '../../src/sim/store.ts';
import type { NamedEvent } from '../../src/view/events.ts';
import { viewEvents } from '../../src/view/events.ts';
import { settleIn } from '../support/virtual.ts';

const time = new VirtualTime();
const settle = settleIn(time);
let ensemble: SimEnsemble;
let store: Store;

beforeEach(async () => {
  ensemble = new SimEnsemble(time, 200);
  const timing = { sessionTimeoutMs: 2000, connectTimeoutMs: 200, reaches: () => true };
  store = new SimStore({ time, process: new SimProcess(time), ensemble, random: new SeededRandom(1), ...timing });
  await time.runUntil(time.nowMs + 50);
  ensemble.create('', '/history', '', 'persistent');
});

function happened(because: string, wallMs: number): void {
  const event = {
    schema: 1,
    kind: 'maintenance',
    by: 'node1',
    node: null,
    because,
    wallMs,
    fenceId: null,
    evidence: {},
  };
  ensemble.create('', '/history/e', JSON.stringify(event), 'persistent-sequential');
}
async function after(last: NamedEvent | null, most = 0): Promise<readonly NamedEvent[]> {
  const read = await settle(viewEvents(store, last, most));
  if (!read.ok) throw new Error(read.because);
  return read.events;
}
const words = (events: readonly NamedEvent[]) => events.map(({ event }) => event.because);

it('all of it, the newest of it, and what came after one of them', async () => {
  for (const [at, word] of ['one', 'two', 'three'].entries()) happened(word, at);
  const all = await after(null);
  expect(words(all)).toEqual(['one', 'two', 'three']);
  expect(words(await after(null, 2))).toEqual(['two', 'three']);
  expect(words(await after(all[0] ?? null))).toEqual(['two', 'three']);
  expect(words(await after(all[2] ?? null))).toEqual([]);
});

it('ZooKeeper was rebuilt: its names begin anew, and what happened since is shown', async () => {
  for (const [at, word] of ['one', 'two', 'three'].entries()) happened(word, at);
  const last = (await after(null)).at(-1) ?? null;
  ensemble.wipe();
  ensemble.create('', '/history', '', 'persistent');
  await time.runUntil(time.nowMs + 5000); // a session of the new tree
  expect(words(await after(last))).toEqual([]);
  happened('after the fire', 10);
  const news = await after(last);
  expect(words(news)).toEqual(['after the fire']);
  expect(words(await after(news.at(-1) ?? null))).toEqual([]);
});

it('a server that lacks the newest ones shows nothing twice', async () => {
  for (const [at, word] of ['one', 'two', 'three'].entries()) happened(word, at);
  const last = (await after(null)).at(-1);
  if (last === undefined) throw new Error('there is a last one');
  const ahead = { ...last, name: `${last.name}9`, event: { ...last.event, wallMs: 20 } }; // seen at a server that knows more
  expect(words(await after(ahead))).toEqual([]);
});

it('what cannot be read, or was trimmed in between, is left out', async () => {
  happened('one', 1);
  ensemble.create('', '/history/e', 'not JSON', 'persistent-sequential');
  expect(words(await after(null))).toEqual(['one']);
});
