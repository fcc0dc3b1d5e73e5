/** S12, for an operator: what each configured ZooKeeper server says of itself and its store, and whether they are one. */
import type { Config } from '../config/load.ts';
import { judgeShape } from '../core/ensemble-shape.ts';
import type { ServerShape } from '../core/ensemble-shape.ts';
import { inWords } from '../core/one-store.ts';
import type { ShownId } from '../core/one-store.ts';
import type { KeyRing } from '../real/secrets.ts';
import { openZooKeeperStore } from '../real/zookeeper/store.ts';
import { shownId } from '../records/cluster-id.ts';
import { tree } from '../records/tree.ts';
import { commandSession } from './connect.ts';

export interface InspectedServer {
  readonly server: string;
  readonly shape: ServerShape;
  readonly shown: ShownId;
}

const withinMs = 5000;

export function inspectServers(config: Config, keys: KeyRing): Promise<InspectedServer[]> {
  return Promise.all(config.zookeeper.servers.map((server) => inspect(config, keys, server)));
}

async function inspect(config: Config, keys: KeyRing, server: string): Promise<InspectedServer> {
  const store = openZooKeeperStore({ ...commandSession(config, keys), servers: [server] });
  let tell: (found: InspectedServer) => void = () => undefined;
  const found = new Promise<InspectedServer>((resolve) => (tell = resolve));
  const none: InspectedServer = {
    server,
    shape: { mode: null, members: null },
    shown: { kind: 'no-answer', because: `no session within ${withinMs / 1000} s` },
  };
  const timer = setTimeout(() => tell(none), withinMs);
  // The gate may look, and lets nothing in.
  store.guard(async (connection) => {
    const [shape, read] = await Promise.all([connection.shape(), connection.read(tree.clusterId)]);
    tell({ server, shape, shown: shownId(read) });
    return { because: 'only looked at', isLasting: false };
  });
  try {
    return await found;
  } finally {
    clearTimeout(timer);
    await store.close(500);
  }
}

/** What is wrong (`faults`), and what could not be found out or compared (`doubts`). */
export function judgeServers(found: readonly InspectedServer[]): {
  readonly faults: string[];
  readonly doubts: string[];
} {
  const configured = found.map(({ server }) => server);
  const shapes = found.map(({ server, shape }) => judgeShape(server, configured, shape));
  const faults = shapes.flatMap(({ refused }) => refused ?? []);
  const doubts = shapes.flatMap(({ doubt }) => doubt ?? []);
  const ids = new Set(found.flatMap(({ shown }) => (shown.kind === 'id' ? [shown.id] : [])));
  const blank = found.filter(({ shown }) => shown.kind === 'none');
  if (ids.size > 1 || (ids.size === 1 && blank.length > 0))
    faults.push(
      `the servers belong to more than one store: ${found.map(({ server, shown }) => `${server} ${inWords(shown)}`).join('; ')}`,
    );
  for (const { server, shown } of found)
    if (shown.kind === 'unreadable' || shown.kind === 'no-answer') doubts.push(`${server}: ${shown.because}`);
  return { faults, doubts };
}
