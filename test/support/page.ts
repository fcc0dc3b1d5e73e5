/** A simulated cluster behind the real web listener: what the page, and programs, see of it. */
import { apiKeys } from './keys.ts';
import { createServer } from 'node:net';
import { HttpPeerApi } from '../../src/real/http/peer-api.ts';
import { simCluster } from '../../src/sim/cluster.ts';
import { World } from '../../src/sim/world.ts';
import { settleIn } from './virtual.ts';

export const readToken = 'read-read-read';

export interface WatchedCluster {
  readonly world: World;
  readonly url: string;
  close(): Promise<void>;
}

/** Three nodes (or more) that have been up for a minute, as node1 shows them. */
export async function watchedCluster(nodes = 3): Promise<WatchedCluster> {
  const set = { 'keepalive.interval': '2s', 'primary.resources': 'vip' };
  const world = new World({ seed: 11, nodes: simCluster({ nodes, set }) });
  const settle = settleIn(world.time);
  world.powerAll();
  await world.run(60_000);
  const port = await freePort();
  const api = new HttpPeerApi({
    keys: apiKeys(0),
    port: null,
    socket: null,
    web: {
      address: '127.0.0.1',
      port,
      tls: null,
      tokens: () => [{ readToken, operateToken: 'operate-operate' }],
      openMetrics: false,
      requestsPerSecond: 1000,
    },
    onTrouble: (because) => {
      throw new Error(because);
    },
  });
  api.serve((question) => {
    const endpoint = world.endpoints.get('node1');
    if (endpoint === undefined) throw new Error('node1 is not there');
    return settle(endpoint.answer(question));
  });
  await until(port);
  return { world, url: `http://127.0.0.1:${port}/`, close: () => api.close() };
}

async function until(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    try {
      await fetch(`http://127.0.0.1:${port}/health`);
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  throw new Error('the listener did not come up');
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
