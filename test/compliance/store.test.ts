import { realClock } from '../../src/real/clock.ts';
import { openZooKeeperStore } from '../../src/real/zookeeper/store.ts';
import { VirtualTime } from '../../src/sim/clock.ts';
import { SimEnsemble } from '../../src/sim/ensemble.ts';
import { SimProcess } from '../../src/sim/process.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { SimStore } from '../../src/sim/store.ts';
import { storeKeys } from '../support/keys.ts';
import { Proxy } from '../support/proxy.ts';
import { settleIn } from '../support/virtual.ts';
import { ZooKeeperServers, pause, until } from '../support/zookeeper.ts';
import { storeCompliance } from './store.suite.ts';

const sessionTimeoutMs = 2000;

storeCompliance('in the simulator', () => {
  const time = new VirtualTime();
  const ensemble = new SimEnsemble(time, 500);
  let reaches: boolean = true;
  const pass = (ms: number) => time.runUntil(time.nowMs + ms);
  return Promise.resolve({
    sessionTimeoutMs,
    requestTimeoutMs: sessionTimeoutMs / 3,
    pass,
    reachable(now) {
      reaches = now;
      return Promise.resolve();
    },
    settle: settleIn(time),
    nowMs: () => time.nowMs,
    async open() {
      const store = new SimStore({
        time,
        ensemble,
        process: new SimProcess(time),
        random: new SeededRandom(7),
        sessionTimeoutMs,
        connectTimeoutMs: 200,
        reaches: () => reaches,
      });
      while (store.session().state !== 'connected') await pass(10);
      return store;
    },
  });
});

describe('on ZooKeeper', () => {
  let servers: ZooKeeperServers;
  let proxy: Proxy;
  let address: string;
  beforeAll(async () => {
    servers = await ZooKeeperServers.start();
    proxy = new Proxy(servers.addresses()[0] ?? '');
    address = await proxy.listen();
  });
  afterAll(async () => {
    await proxy.close();
    await servers.stop();
  });
  storeCompliance('ZooKeeper', () =>
    Promise.resolve({
      sessionTimeoutMs,
      requestTimeoutMs: 700,
      pass: pause,
      reachable(now) {
        proxy.mode = now ? 'pass' : 'blackhole';
        return Promise.resolve();
      },
      settle: (work) => work,
      nowMs: () => realClock().monotonicMs(),
      async open() {
        const store = openZooKeeperStore({
          servers: [address],
          root: '/nodekeeper/compliance',
          sessionTimeoutMs,
          connectTimeoutMs: 200,
          requestTimeoutMs: 700,
          keys: storeKeys('nodekeeper:compliance'),
        });
        await until('connected', 10_000, () => store.session().state === 'connected');
        return store;
      },
    }),
  );
});
