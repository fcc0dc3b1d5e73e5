/**
 * What one incarnation knows of a ZooKeeper that was restored from an old copy (decision 0012): it saw that itself, the others tell it, or
 * the previous incarnation on this machine has left it on the disk. That one also leaves its last acknowledged keepalive and what it saw
 * last: all nodes may have been stopped for the restore, and then nobody else knows of it.
 */
import { RestoreJournal, restoreCharsMax, restoreFile } from '../records/journal.ts';
import { livesMax } from '../records/api.ts';
import type { Life } from '../records/api.ts';
import type { Keepalive } from '../records/keepalive.ts';
import type { Registration } from '../records/registration.ts';
import { parseRecord, printRecord } from '../records/record.ts';
import { tree } from '../records/tree.ts';
import type { Board, Context } from './context.ts';
import { keepaliveAgeMs } from './context.ts';
import type { Replaced } from './keepalive.ts';
import { NodesBefore } from './nodes-before.ts';
import { askWitnesses } from './other-witnesses.ts';
import type { SeenEpoch } from './other-witnesses.ts';
import type { Peers } from './peers.ts';
import { recentMs, restartMs, tellsOfRestore, waitsAfterRestore } from './recent-restore.ts';
import { whyOlder } from './witnessed-store.ts';
import type { WitnessedStore } from './witnessed-store.ts';

/** Sessions that a restored store brings back last for one timeout; a tick of the server comes on top. */
const oldSessions = 2;
/** Between two tries to read a disk that hangs. */
const againMs = 1000;
/** While something is waited for the others are asked again: one of them may not have answered. */
const askAgainMs = 5000;
/** What was seen last is written so often. What is older makes the next incarnation notice less, and believe nothing wrong. */
const keepMs = 10_000;

export interface RestoreListener {
  readonly onEpoch: (seen: SeenEpoch) => void;
  /** The others have been asked. */
  readonly onAsked: () => void;
}

/** Who was dead longer ago may have come back since, and have stopped cleanly. */
const beatsFresh = 2;

export class StoreRestore {
  /** What each loop forgets when the store was restored. */
  readonly forgetting: (() => void)[] = [];
  private readonly context: Context;
  private readonly peers: Peers;
  private readonly store: WitnessedStore;
  /** Until when (own monotonic clock) the name may be held by an older session of a restored store. */
  private oldSessionsUntilMs = -Infinity;
  private listener: RestoreListener = { onEpoch: () => undefined, onAsked: () => undefined };
  /** How often the others were asked. */
  private asked = 0;
  /** The witnesses of others that were found newer than the store. */
  private readonly settled = new Set<string>();
  private askedAtMs = -Infinity;
  private loaded: Promise<void> = Promise.resolve();
  private isLoaded = false;
  /** The nodes that this machine has kept on its disk. */
  private recalled: Promise<readonly Registration[]> = Promise.resolve([]);
  /** What the previous incarnation has left; null: nothing, or nothing that still counts. */
  private previous: RestoreJournal | null = null;
  /** What stood in the store before the first keepalive of this incarnation; null: none was acknowledged. */
  private replaced: Replaced | null = null;
  private because = '';
  /** It could not be written to the disk, and that was told. */
  private isUnwritten = false;
  private kept: { readonly isOver: boolean; readonly atMs: number; readonly stops: string } = {
    isOver: true,
    atMs: -Infinity,
    stops: '',
  };

  private readonly bornMs: number;

  constructor(context: Context, peers: Peers, store: WitnessedStore) {
    this.context = context;
    this.bornMs = context.env.clock.monotonicMs();
    this.peers = peers;
    this.store = store;
  }

  /** Whether an older session of this very node may stand in the store. */
  oldSessionsStand(): boolean {
    return this.context.env.clock.monotonicMs() < this.oldSessionsUntilMs;
  }

  /** Asks on each new connection, until the answer is called. `recalled`: the nodes that this machine has kept on its disk. */
  run(recalled: Promise<readonly Registration[]>, listener: RestoreListener): () => void {
    this.listener = listener;
    this.recalled = recalled;
    this.loaded = this.load();
    const ask = () => void this.ask();
    ask();
    return this.context.env.store.onSession(ask);
  }

  /** Found here, in the own keepalive or in the records. */
  note(because: string): void {
    const { board } = this.context;
    // Whoever has got no keepalive acknowledged since the last one that is known sees that one once more.
    const isTheSame = board.setBackAtMs !== null && (board.lastBeat?.sentMs ?? -Infinity) <= board.setBackAtMs;
    this.begin(because, because, isTheSame ? board.restores : board.restores + 1);
  }

  /**
   * What the loops remember is of another store, and what the store says is of the past: counting begins at zero. `restores`: how many
   * are known with this one.
   */
  private begin(because: string, cause: string, restores: number): void {
    const { env, board, history, self, config } = this.context;
    board.restores = restores;
    this.oldSessionsUntilMs = env.clock.monotonicMs() + oldSessions * config.timing.sessionTimeoutMs;
    board.setBackAtMs = env.clock.monotonicMs();
    const isFresh = board.setBackAtMs - board.lookedAtMs <= beatsFresh * config.keepalive.interval;
    board.livesBefore.setBack(livesSeenLast(board), isFresh ? deadNow(board) : []);
    board.nodesBefore.seeAll(board, this.peers.all());
    // A life that has just started knows what the previous one saw, and nothing else.
    if (board.lastBeat === null) this.believePrevious(self.name);
    for (const forget of this.forgetting) forget();
    history.happened('store-set-back', because, { node: self.name });
    this.because = cause;
    void this.keep();
  }

  /** This incarnation's first keepalive was acknowledged, in the place of this one. */
  judgePrevious(replaced: Replaced): void {
    this.replaced = replaced;
    this.judge();
  }

  /**
   * This life ends by what the store shows: perhaps it was restored, and what was seen here is needed by the next one. False: the disk did
   * not take it.
   */
  async lifeEnds(because: string): Promise<boolean> {
    const { board, env } = this.context;
    if (board.setBackAtMs === null) this.because = because;
    board.setBackAtMs ??= env.clock.monotonicMs();
    board.livesBefore.add(livesSeenLast(board));
    board.nodesBefore.seeAll(board, this.peers.all());
    return this.keep();
  }

  /** The last keepalive was acknowledged; nothing is seen any more. */
  async keepAtStop(): Promise<void> {
    await this.keep();
  }

  /** Called with each keepalive. */
  look(): void {
    const { env, board } = this.context;
    const nowMs = env.clock.monotonicMs();
    // Such a node may be removed at any time, and the next life of this one must not wait for it.
    for (const [name, incarnation] of board.confirmedOff)
      if (board.livesBefore.isNewest(name, incarnation)) board.nodesBefore.end(name, true);
    const { isOver, atMs, stops } = this.kept;
    // A stop is written at once: the store may be restored, and this machine lose its power, at any time after it.
    const isNew = isOver === tellsOfRestore(this.context) || stops !== stopsIn(board);
    if (isNew || nowMs - atMs >= keepMs) void this.keep();
    if (waitsAfterRestore(this.context) && nowMs - this.askedAtMs >= askAgainMs) void this.askAgain();
  }

  /**
   * A life learns from the others on each new connection whether the store was restored, and which lives they saw before: it may have just
   * started, and have seen nobody; or it was cut off, and the copy was made after its own last keepalive.
   */
  private async ask(): Promise<void> {
    const { board, env } = this.context;
    if (env.store.session().state !== 'connected') return;
    this.asked += 1;
    const { asked } = this;
    board.witnessesAsked = false;
    await Promise.all([this.askAll(asked, restartMs), this.loaded]);
    if (asked !== this.asked) return; // another connection
    board.witnessesAsked = true;
    this.listener.onAsked();
  }

  private async askAgain(): Promise<void> {
    await this.askAll(this.asked, 0);
    this.listener.onAsked();
  }

  private async askAll(asked: number, patienceMs: number): Promise<void> {
    const { context, peers, recalled, settled } = this;
    const { onEpoch } = this.listener;
    this.askedAtMs = context.env.clock.monotonicMs();
    const awayMs = this.store.witnessed() === null ? null : keepaliveAgeMs(context);
    const news: string[] = [];
    const onRestored = (because: string, restores: number) => {
      news.push(because);
      if (asked === this.asked) this.believe(because, restores); // else of another connection
    };
    await askWitnesses(context, peers, { recalled, patienceMs, awayMs, settled, onEpoch, onRestored });
    if (news.length === 0) return;
    context.board.nodesBefore.seeAll(context.board, await recalled);
    await this.keep(); // with the lives that the others told
  }

  /**
   * A node that asks says that it has seen a restore. This one may not know that node, so it could not ask it. Where the asker does not say
   * how many it knows of, a life that has been through a restore, or has been there for longer, knows of this one.
   */
  told(from: string, restores: number): void {
    const { board, env } = this.context;
    const isYoung = board.setBackAtMs === null && env.clock.monotonicMs() - this.bornMs < recentMs;
    if (isYoung || restores > board.restores) this.believe(restoredInWords(from), restores);
  }

  /** What a living node says in a keepalive of now: the only way where no API answers. */
  heard(from: string, { restores, tellsOfRestore: isTold }: Pick<Keepalive, 'restores' | 'tellsOfRestore'>): void {
    const { board } = this.context;
    if (restores > board.restores && isTold) this.believe(restoredInWords(from), restores);
    board.restores = Math.max(board.restores, restores);
  }

  /** Another node knows that the store was restored. */
  private believe(because: string, restores: number): void {
    const { board } = this.context;
    // A second one that was missed is another copy: what was heard since the first is of the past as well.
    if (restores > board.restores || !tellsOfRestore(this.context))
      this.begin(because, because, Math.max(board.restores, restores));
  }

  /** A disk that hangs may know of a restore, so it is waited for. */
  private async load(): Promise<void> {
    const { env, board, duties, self } = this.context;
    let text = await env.journal.read(restoreFile);
    while (text === null && board.diskTrouble !== null && !duties.aborted) {
      await env.clock.sleep(againMs, duties);
      text = await env.journal.read(restoreFile);
    }
    this.isLoaded = text !== null || board.diskTrouble === null;
    if (this.isLoaded) board.recalling.delete('restore');
    const parsed = text === null ? null : parseRecord(RestoreJournal, text, restoreCharsMax);
    if (parsed?.ok === false) env.log.warn('the memory of a restore cannot be read', { because: parsed.because });
    // The first connection may have shown another cluster id already.
    if (board.setBackAtMs !== null) board.nodesBefore.seeAll(board, await this.recalled);
    if (parsed?.ok !== true) return;
    this.previous = parsed.record;
    board.restores = Math.max(board.restores, parsed.record.restores);
    board.livesBefore.addStops(parsed.record.lives);
    const { isOver, because, witness } = parsed.record;
    if (isOver && board.setBackAtMs !== null && board.lastBeat === null) this.believePrevious(self.name);
    if (isOver) {
      // It is compared with what the first keepalive of this incarnation replaces.
      if (witness !== null && this.replaced === null) board.recalling.add('restore');
      this.judge();
      return;
    }
    this.believePrevious(self.name);
    if (board.setBackAtMs === null) this.begin(`the previous incarnation saw it: ${because}`, because, board.restores);
  }

  /** Whether the store is older than what the previous incarnation got acknowledged. */
  private judge(): void {
    const { previous, replaced } = this;
    const { board, self } = this.context;
    if (this.isLoaded && replaced !== null) board.recalling.delete('restore');
    if (previous?.witness == null || replaced === null || replaced.text === '') return;
    const because = whyOlder(replaced, previous.witness, tree.keepalive(self.name), `the previous incarnation`);
    if (because === null) this.previous = null;
    else {
      // The others may have counted this one already: it was while this node was away.
      const restores = Math.max(board.restores, previous.restores + 1);
      this.believePrevious(self.name);
      if (board.setBackAtMs === null) this.begin(because, because, restores);
    }
  }

  private believePrevious(self: string): void {
    const { board } = this.context;
    const { livesBefore, nodesBefore } = board;
    // Who joined last may not stand in the text of the previous incarnation yet.
    void this.recalled.then((all) => nodesBefore.seeAll(board, all));
    if (this.previous === null) return;
    livesBefore.add(this.previous.lives.filter(({ name }) => name !== self));
    nodesBefore.add(this.previous.nodes);
    this.previous = null;
  }

  private async keep(): Promise<boolean> {
    const { env, board } = this.context;
    if (!this.isLoaded) return false; // what the previous incarnation has left is not lost for a newer text
    const isOver = !tellsOfRestore(this.context);
    this.kept = { isOver, atMs: env.clock.monotonicMs(), stops: stopsIn(board) };
    if (isOver) board.nodesBefore.clear();
    const nodes = isOver ? new NodesBefore().seeAll(board, this.peers.all()) : board.nodesBefore;
    const record: RestoreJournal = {
      schema: 1,
      isOver,
      because: this.because.slice(0, 1000),
      restores: board.restores,
      lives: (isOver ? livesSeenLast(board) : board.livesBefore.all()).slice(0, livesMax),
      nodes: nodes.names(),
      witness: this.store.witnessed(),
    };
    const failed = await env.journal.write(restoreFile, printRecord(record));
    if (failed !== null && !this.isUnwritten)
      env.log.warn('the memory of a restore could not be written', { because: failed });
    this.isUnwritten = failed !== null;
    return failed === null;
  }
}

function restoredInWords(from: string): string {
  return `${from} has seen that ZooKeeper was restored from an old copy`;
}

/** The lives that this node has seen last: of those that it observes now, and of those that were removed. */
export function livesSeenLast({ lastSeen, removed, peers }: Board): Life[] {
  return [...[...lastSeen].filter(([name]) => peers.has(name)), ...removed].map(
    ([name, { incarnation, sequence, isStopped }]) => ({ name, incarnation, stoppedAt: isStopped ? sequence : null }),
  );
}

/** The nodes that were seen to stop, with their last keepalive. */
function stopsIn({ lastSeen }: Board): string {
  const stopped = [...lastSeen].filter(([, { isStopped }]) => isStopped);
  return stopped.map(([name, { incarnation, sequence }]) => `${name} ${incarnation} ${sequence}`).join('\n');
}

/** The lives that this node holds for dead. */
function deadNow({ peers }: Board): [string, string][] {
  return [...peers].flatMap(([name, { verdict, incarnation }]) =>
    verdict === 'dead' && incarnation !== null ? [[name, incarnation] as [string, string]] : [],
  );
}
