/**
 * S12: the gate of this node's store. On each new connection, before anything else is done over it, the server's shape and cluster
 * id are looked at (core/ensemble-shape.ts, core/one-store.ts); a server that belongs elsewhere is not used, named and told.
 */
import { judgeShape } from '../core/ensemble-shape.ts';
import { judgeStore } from '../core/one-store.ts';
import type { KnownStore, ShownId } from '../core/one-store.ts';
import type { Gate, NewConnection, StoreResult, StoredValue } from '../environment/store.ts';
import { KnownStoreFile, knownStoreFile, shownId } from '../records/cluster-id.ts';
import type { ClusterId } from '../records/cluster-id.ts';
import { parseRecord, printRecord } from '../records/record.ts';
import { tree } from '../records/tree.ts';
import type { Context } from './context.ts';

/** A disk that hangs must not keep a node from its store: most of the servers have to agree then, as for a new node. */
const diskMs = 5000;
/** Other servers may take so long to answer before it is an event. */
const patienceMs = 30_000;
/** An id that is made at the same moment elsewhere is found by the second look. */
const looks = 4;

const untold = { mode: null, members: null };

type Refusal = (Awaited<ReturnType<Gate>> & { readonly isAway?: boolean }) | null;

/**
 * The gate, with what this machine remembers; begins to read it from the disk. `onReplaced` is told, before the store is used, that another
 * one has taken the place of the one that this machine knew: recreated, or a backup.
 */
export function storeGate(context: Context, onReplaced: (because: string) => void): Gate {
  const memory = new StoreMemory(context);
  const over = new AbortController();
  const loaded = Promise.race([memory.load(), context.env.clock.sleep(diskMs, over.signal)]).then(() => over.abort());
  const told = new Map<string, Told>();
  return async (connection) => {
    await loaded;
    const refusal = await judge(context, memory, connection, onReplaced);
    if (refusal?.isAway !== true) tell(context, told, connection.server, refusal);
    return refusal;
  };
}

async function judge(
  context: Context,
  memory: StoreMemory,
  connection: NewConnection,
  onReplaced: (because: string) => void,
): Promise<Refusal> {
  const { server, servers } = connection;
  const [shape, first] = await Promise.all([
    servers.length < 2 ? untold : connection.shape(), // one server has nothing to contradict
    connection.read(tree.clusterId),
  ]);
  if (isAway(first)) return { because: `${server} went away`, isLasting: false, isAway: true };
  const { refused } = judgeShape(server, servers, shape);
  if (refused !== null) return { because: refused, isLasting: true };
  let read = first;
  let polled: { server: string; shown: ShownId }[] | null = null;
  for (let look = 0; look < looks; look += 1) {
    const judged = judgeStore({ server, servers, known: memory.known, shown: shownId(read), polled });
    if (judged.act === 'refuse') return judged;
    if (judged.act === 'use') {
      memory.keep({ id: memory.known?.id ?? '', before: memory.known?.before ?? [], servers });
      return null;
    }
    if (judged.act === 'adopt') {
      memory.keep(judged.known);
      if (judged.because !== null) onReplaced(judged.because);
      return null;
    }
    if (judged.act === 'make') {
      await make(context, connection, read, judged.before);
      read = await connection.read(tree.clusterId);
    }
    const answers = await connection.readFromAll(tree.clusterId);
    polled = answers.map((answer) => ({ server: answer.server, shown: shownId(answer.read) }));
  }
  return { because: `the cluster id of ${server} changes all the time`, isLasting: false };
}

/** Another node may be making one at the same moment: the one that stands then counts. */
async function make(
  { env, self }: Context,
  connection: NewConnection,
  read: StoreResult<StoredValue>,
  before: readonly string[],
): Promise<void> {
  const id = env.random.id();
  const record: ClusterId = { schema: 1, id, before: [...before], by: self.name, madeWallMs: env.clock.wallMs() };
  const text = printRecord(record);
  if (read.ok) await connection.write(tree.clusterId, text, read.version);
  else await connection.create(tree.clusterId, text);
}

interface Told {
  /** The sentence that stands in the history; '': none yet. */
  readonly because: string;
  /** Monotonic: since when the server is refused. */
  readonly sinceMs: number;
}

/** Each sentence about a server once; what only waits for other servers to answer is told when it lasts. */
function tell(context: Context, told: Map<string, Told>, server: string, refusal: Refusal): void {
  const { board, env, history, self } = context;
  if (refusal === null) {
    board.refusedServers.delete(server);
    told.delete(server);
    return;
  }
  const { because, isLasting } = refusal;
  board.refusedServers.set(server, refusal);
  const nowMs = env.clock.monotonicMs();
  const { because: before = '', sinceMs = nowMs } = told.get(server) ?? {};
  const isNews = isLasting ? before !== because : before === '' && nowMs - sinceMs >= patienceMs;
  told.set(server, { because: isNews ? because : before, sinceMs });
  if (isNews) history.happened('store-refused', `${because}. ${self.name} does not use it`, { node: self.name });
}

/** Why there is no session with the store, as far as it is known. */
export function refusedInWords({ board }: Context): string {
  const refused = [...board.refusedServers.values()].map(({ because }) => because);
  return refused.length === 0 ? 'ZooKeeper is not reachable' : `no ZooKeeper server may be used: ${refused.join('; ')}`;
}

const isAway = (read: StoreResult<unknown>): boolean =>
  !read.ok && (read.code === 'not-connected' || read.code === 'unclear');

class StoreMemory {
  known: KnownStore | null = null;
  private readonly context: Context;
  private saving: Promise<void> = Promise.resolve();

  constructor(context: Context) {
    this.context = context;
  }

  async load(): Promise<void> {
    const text = await this.context.env.journal.read(knownStoreFile);
    const parsed = text === null ? null : parseRecord(KnownStoreFile, text);
    if (parsed?.ok === true) this.known ??= parsed.record;
    else if (parsed !== null)
      this.context.env.log.warn('the remembered cluster id cannot be read', { because: parsed.because });
  }

  /** In the background: nobody waits for the disk here. */
  keep(known: KnownStore): void {
    const print = ({ id, before, servers }: KnownStore) => printRecord({ schema: 1, id, before, servers });
    if (this.known !== null && print(this.known) === print(known)) return;
    this.known = known;
    const { journal, log } = this.context.env;
    this.saving = this.saving.then(async () => {
      const failed = await journal.write(knownStoreFile, print(known));
      if (failed !== null) log.warn('the cluster id could not be written to the disk', { because: failed });
    });
  }
}
