/**
 * Restarts the ZooKeeper server of this machine when it hangs (core/server-restart.ts): look, judge, ask the other coordinators,
 * write down in the store that it is this server's turn, look once more, run the operator's command. One record for the whole
 * cluster, written by its version: two servers are never restarted at once.
 */
import { inWords } from '../core/decision.ts';
import { judgeOpinions, judgeOwnServer } from '../core/server-restart.ts';
import type { Opinion, SeenServer } from '../core/server-restart.ts';
import type { Environment } from '../environment/environment.ts';
import { parseRecord, printRecord } from '../records/record.ts';
import { ServerRestart } from '../records/server-restart.ts';
import { tree } from '../records/tree.ts';
import { askAboutServers } from './ask-by-name.ts';
import type { Board, Context } from './context.ts';
import { readMaintenance } from './maintenance.ts';
import type { Peers } from './peers.ts';

const lookMs = 5000;
/** How long a server may take to answer `srvr`, which it does in milliseconds. */
const answerMs = 3000;
/** A coordinator looks, and answers. */
const askMs = answerMs + 2000;
/** Looks further apart than this say nothing of the time between them: this process was paused. */
const gapMs = 3 * (lookMs + answerMs);

/** What of the servers can be used: one of another store (S12) serves nobody here. */
export async function lookAtServers({ servers }: Environment, { refusedServers }: Board): Promise<SeenServer[]> {
  const seen = await servers.look(answerMs);
  return seen.map((one) => (refusedServers.has(one.server) ? { ...one, health: 'away' } : one));
}

/** The record as it stands; null: there is none. */
interface Standing {
  readonly record: ServerRestart;
  readonly version: number;
}

export class ServerRestarter {
  private readonly context: Context;
  private readonly peers: Peers;
  private hangsSinceMs: number | null = null;
  private lookedAtMs = -Infinity;
  /** Whether the record may say of the own server that it does not serve yet. */
  private mayBeOpen = true;
  /** The reason that was logged last. */
  private told = '';

  constructor(context: Context, peers: Peers) {
    this.context = context;
    this.peers = peers;
  }

  async run(): Promise<void> {
    const { env, duties } = this.context;
    if (env.servers.restart === null) return;
    while (!duties.aborted) {
      await this.look();
      await env.clock.sleep(lookMs, duties);
    }
  }

  private async look(): Promise<void> {
    const { env, board } = this.context;
    const [own, seen] = await Promise.all([env.servers.own(), lookAtServers(env, board)]);
    if (own === null) {
      this.tell('which ZooKeeper server runs on this machine is not clear; set zookeeper.ownServer');
      return;
    }
    const health = seen.find(({ server }) => server === own)?.health;
    const nowMs = env.clock.monotonicMs();
    if (nowMs - this.lookedAtMs > gapMs) this.hangsSinceMs = null;
    this.lookedAtMs = nowMs;
    if (health !== 'hangs') {
      this.hangsSinceMs = null;
      this.told = '';
      if (health === 'serves' && this.mayBeOpen) await this.close(own);
      return;
    }
    this.hangsSinceMs ??= nowMs;
    await this.judge(own, seen, nowMs - this.hangsSinceMs);
  }

  private async judge(own: string, seen: readonly SeenServer[], hangsForMs: number): Promise<void> {
    const { env, config } = this.context;
    const afterMs = config.zookeeper.restartAfter;
    if (hangsForMs < afterMs) return;
    const standing = await this.read();
    const maintenance = await this.maintenance();
    if (standing === 'unknown' || maintenance === null) return;
    const { record = null } = standing ?? {};
    const ownLastMs = record?.restartedWallMs[own];
    const last = record === null ? null : { server: record.server, isOver: record.state === 'over' };
    const judged = judgeOwnServer({
      ...{ own, seen, hangsForMs, afterMs, last },
      maintenance: maintenance.reason,
      storeLive: env.store.session().state === 'connected',
      sinceOwnMs: ownLastMs === undefined ? null : env.clock.wallMs() - ownLastMs,
    });
    const opinions = judged.verdict === 'wait' ? judged.because : await this.ask();
    const agreed = typeof opinions === 'string' ? null : judgeOpinions(own, opinions);
    if (agreed?.verdict === 'restart') await this.restart(own, standing, `${judged.because}; ${agreed.because}`);
    else this.tell(typeof opinions === 'string' ? opinions : (agreed?.because ?? ''));
  }

  private async restart(own: string, before: Standing | null, because: string): Promise<void> {
    const { env, self, board, history, life } = this.context;
    const { restart } = env.servers;
    if (restart === null) return;
    const restartedWallMs = { ...before?.record.restartedWallMs, [own]: env.clock.wallMs() };
    const who = { server: own, node: self.name, incarnation: self.incarnation };
    const record: ServerRestart = { schema: 1, ...who, state: 'running', because, restartedWallMs };
    const version = await this.take(before, record);
    if (version === null) return; // another server's turn, or the store is away
    this.mayBeOpen = true;
    // S6: what was seen is seconds old, and this process may have been paused since.
    const again = (await lookAtServers(env, board)).find(({ server }) => server === own)?.health;
    const stands = await env.store.commit([{ kind: 'check', path: tree.serverRestart, version }]);
    const isLate = env.clock.monotonicMs() - this.lookedAtMs > gapMs;
    if (again !== 'hangs' || isLate || !stands.ok) {
      if (stands.ok)
        await this.write({ ...record, restartedWallMs: before?.record.restartedWallMs ?? {} }, version, 'over');
      return;
    }
    const event = (text: string) => history.happened('zookeeper-restart', text, { node: self.name });
    event(`${own} hangs: ${because}. ${self.name} runs zookeeper.restartCommand`);
    const startMs = env.clock.monotonicMs();
    const done = await restart(own, because, life);
    const took = inWords(env.clock.monotonicMs() - startMs);
    const outcome = `zookeeper.restartCommand for ${own} ${done.ok ? 'succeeded' : 'failed'} after ${took}: ${done.because}`;
    env.log[done.ok ? 'info' : 'error']('ZooKeeper server restarted', { server: own, ...done });
    event(outcome);
    await this.write({ ...record, because: outcome.slice(0, 1000) }, version, 'ran');
  }

  /** The own server serves: the next restart, of whichever server, need not wait for it. */
  private async close(own: string): Promise<void> {
    const standing = await this.read();
    if (standing === 'unknown') return;
    if (standing?.record.server !== own || standing.record.state === 'over') this.mayBeOpen = false;
    else if (await this.write(standing.record, standing.version, 'over')) {
      this.mayBeOpen = false;
      const { self, history } = this.context;
      history.happened('zookeeper-restart', `${own} serves again`, { node: self.name });
    }
  }

  /** What each other coordinator sees right now; a sentence: one that answers cannot say it. */
  private async ask(): Promise<Opinion[] | string> {
    const others = this.peers.others(this.context.self.name).filter(({ role }) => role === 'coordinator');
    const answers = await Promise.all(
      others.map(async (peer) => ({ node: peer.name, said: await askAboutServers(this.context, peer, askMs) })),
    );
    const wrong = answers.find(({ said }) => said?.ok === false)?.said;
    if (wrong?.ok === false) return wrong.because;
    return answers.map(({ node, said }) => ({ node, seen: said?.ok === true ? said.answer.seen : null }));
  }

  /** Of the cluster or of this node; garbage counts as one. Null: the store did not answer. */
  private async maintenance(): Promise<{ readonly reason: string | null } | null> {
    const [cluster, own] = await Promise.all([
      readMaintenance(this.context, tree.maintenance),
      readMaintenance(this.context, tree.nodeMaintenance(this.context.self.name)),
    ]);
    return cluster === null || own === null ? null : { reason: cluster.reason ?? own.reason };
  }

  /** A record that cannot be read is nobody's turn: an operator has to look. */
  private async read(): Promise<Standing | null | 'unknown'> {
    const { env, history } = this.context;
    const read = await env.store.read(tree.serverRestart);
    if (!read.ok) return read.code === 'no-node' ? null : 'unknown';
    const parsed = parseRecord(ServerRestart, read.text);
    if (parsed.ok) return { record: parsed.record, version: read.version };
    const because = `${tree.serverRestart} cannot be read: ${parsed.because}; no ZooKeeper server is restarted`;
    history.happened('record-unreadable', because);
    return 'unknown';
  }

  /** The version of the record that says that it is this server's turn; null: it is not. */
  private async take(before: Standing | null, record: ServerRestart): Promise<number | null> {
    const { store } = this.context.env;
    const text = printRecord(ServerRestart.parse(record));
    if (before === null) return (await store.create(tree.serverRestart, text, 'persistent')).ok ? 0 : null;
    const written = await store.write(tree.serverRestart, text, before.version);
    return written.ok ? written.version : null;
  }

  private async write(record: ServerRestart, version: number, state: ServerRestart['state']): Promise<boolean> {
    const text = printRecord(ServerRestart.parse({ ...record, state }));
    return (await this.context.env.store.write(tree.serverRestart, text, version)).ok;
  }

  private tell(because: string): void {
    if (because === this.told) return;
    this.told = because;
    this.context.env.log.warn('ZooKeeper server not restarted', { because });
  }
}
