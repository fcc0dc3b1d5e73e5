/** The history over the simulated store: an event whose answer was lost stands there once. */
import { createHistory } from '../../src/agent/history.ts';
import { VirtualTime } from '../../src/sim/clock.ts';
import { SimEnsemble } from '../../src/sim/ensemble.ts';
import { SimMetrics } from '../../src/sim/metrics.ts';
import { SimProcess } from '../../src/sim/process.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { SimStore } from '../../src/sim/store.ts';

import { simLog } from '../../src/sim/log.ts';
import { Trace } from '../../src/sim/trace.ts';

async function historyOver(losesAnswer: () => boolean, reaches = () => true) {
  const time = new VirtualTime();
  const ensemble = new SimEnsemble(time, 200);
  const process = new SimProcess(time);
  const timeouts = { sessionTimeoutMs: 2000, connectTimeoutMs: 200 };
  const store = new SimStore({
    time,
    process,
    ensemble,
    random: new SeededRandom(3),
    ...timeouts,
    reaches,
    losesAnswer,
  });
  await time.runUntil(50);
  ensemble.create('', '/history', '', 'persistent');
  const means = {
    store,
    clock: process,
    log: simLog('node1', process, new Trace(time), 'info'),
    metrics: new SimMetrics(),
  };
  const history = createHistory({ name: 'node1', incarnation: 'boot:1' }, means, 100);
  const texts = () => {
    const listed = ensemble.list('/history');
    return (listed.ok ? listed.value : []).map((name) => {
      const read = ensemble.read(`/history/${name}`);
      return read.ok ? (JSON.parse(read.value.text) as { because: string }).because : '?';
    });
  };
  return { time, history, texts };
}

it('an event whose answer was lost is not written a second time', async () => {
  let lost = 1;
  const { time, history, texts } = await historyOver(() => lost-- === 1);
  history.happened('role-free', 'first');
  history.happened('role-free', 'second');
  await time.runUntil(1000);
  expect(texts()).toEqual(['first']);
  void history.flush();
  await time.runUntil(2000);
  expect(texts()).toEqual(['first', 'second']);
});

it('two events with the same words are two events', async () => {
  let lost = 1;
  const { time, history, texts } = await historyOver(() => lost-- === 1);
  history.happened('role-free', 'again');
  history.happened('role-free', 'again');
  await time.runUntil(1000);
  void history.flush();
  await time.runUntil(2000);
  expect(texts()).toEqual(['again', 'again']);
});

it('an event that never arrived is written when the store is back', async () => {
  let isThere = true;
  const { time, history, texts } = await historyOver(
    () => false,
    () => isThere,
  );
  isThere = false;
  history.happened('role-free', 'late');
  await time.runUntil(1500);
  isThere = true;
  await time.runUntil(3000);
  void history.flush();
  await time.runUntil(4000);
  expect(texts()).toEqual(['late']);
});
