/**
 * The keepalive (S8): one write on a fixed beat, whatever hangs. It awaits nothing but the clock and that write; all
 * values come from the board, with their age. First to start, last to stop.
 *
 * K1 state, sequence and incarnation travel in one write; K2 a beat that was missed is skipped, not sent late in a
 * bunch; K3 the write carries the version of our own last one, so a second noded of this name cannot go unnoticed.
 * K4 a node that holds the primary role writes in between too, to prove its lease; nobody counts those as beats. So does a node
 * whose last write failed, as soon as the store is back: its silence ends then, and not at its next beat.
 */
import type { Keepalive, SubsystemReport } from '../records/keepalive.ts';
import { Keepalive as keepaliveSchema } from '../records/keepalive.ts';
import { parseRecord, printRecord } from '../records/record.ts';
import { tree } from '../records/tree.ts';
import { holdsSomething } from '../core/primary.ts';
import { Bell } from './bell.ts';
import type { Beat, Context } from './context.ts';
import { tellsOfRestore } from './recent-restore.ts';

/** Peers about which there is something to say; more would make the record large in a large cluster. */
const peersMax = 100;

/** The record as it stood. */
export interface Replaced {
  readonly version: number;
  readonly text: string;
}

export class KeepaliveLoop {
  private readonly context: Context;
  private readonly onBeat: (beat: Beat, isBeat: boolean) => void;
  private readonly onLost: (kind: 'name-taken' | 'forgotten', because: string) => void;
  private sequence = 0;
  /** Version of the record as we last wrote or read it; null: must be read again. */
  private version: number | null = null;
  /** The newest version that this incarnation has written; -1: none yet. */
  private newest = -1;
  /** What the former life of this name published last: what our first write has replaced. */
  private former: { readonly incarnation: string; readonly sequence: number } | null = null;
  /** What stood in the store before this incarnation's first write; called once, when that was acknowledged. */
  private readonly onFirst: (replaced: Replaced) => void;
  private read: Replaced = { version: 0, text: '' };
  private hasPublished = false;
  /** Nothing was acknowledged yet in this store: what stands there is of a former life. */
  private isFirst = true;
  private trouble: string | null = null;
  private readonly bell: Bell;
  private publishing: Promise<boolean> | null = null;

  /** `onBeat` is called for each acknowledged write; `isBeat` false: it came between two beats (K4). */
  constructor(
    context: Context,
    onBeat: (beat: Beat, isBeat: boolean) => void,
    onLost: (kind: 'name-taken' | 'forgotten', because: string) => void,
    onFirst: (replaced: Replaced) => void,
  ) {
    this.onFirst = onFirst;
    this.context = context;
    this.bell = new Bell(context.env.clock);
    this.onBeat = onBeat;
    this.onLost = onLost;
    context.board.suspendedMs = context.env.clock.suspendedMs();
  }

  /** The store was restored from an old copy: what stands under our name is of an earlier time, whoever wrote it. */
  forgetStore(): void {
    this.version = null;
    this.former = null;
    this.isFirst = true;
  }

  /** Publishes between two beats: a change that the others shall see at once. */
  poke(): void {
    this.bell.ring();
  }

  /** Publishes once, now. True when it was acknowledged. */
  async publish(isBeat = true): Promise<boolean> {
    this.publishing = (this.publishing ?? Promise.resolve(true)).then(() => this.writeOnce(isBeat));
    return this.publishing;
  }

  /** A foreign write is looked at at once, not a beat later: whoever is refused has no beats to lose (STORE10). */
  private async writeOnce(isBeat: boolean): Promise<boolean> {
    const written = await this.tryWrite(isBeat);
    return written === 'overtaken' ? (await this.tryWrite(isBeat)) === true : written;
  }

  private async tryWrite(isBeat: boolean): Promise<boolean | 'overtaken'> {
    const { env, board, self } = this.context;
    const path = tree.keepalive(self.name);
    if (this.version === null && !(await this.findVersion(path))) return false;
    this.sequence += 1;
    const sentMs = env.clock.monotonicMs();
    const suspendedMs = env.clock.suspendedMs();
    const { generation } = env.store.session();
    const record = this.record();
    const asked = record.failsafeAsks ?? [];
    board.saidToAsk = new Set([...board.saidToAsk, ...asked]); // it may be written though nobody answers
    const written = await env.store.write(path, printRecord(record), this.version ?? 0);
    if (written.ok) {
      board.saidToAsk = new Set(asked);
      this.version = written.version;
      this.newest = written.version;
      const beat = { sequence: this.sequence, sentMs, ackedMs: env.clock.monotonicMs(), generation };
      this.isFirst = false;
      if (!this.hasPublished) this.onFirst(this.read);
      this.hasPublished = true;
      board.lastBeat = beat;
      board.suspendedMs = suspendedMs;
      if (isBeat) env.metrics.took('nodekeeper_keepalive_duration_seconds', beat.ackedMs - sentMs, {});
      env.log.debug('beat', { sequence: beat.sequence, lateMs: board.lateMs, tookMs: beat.ackedMs - beat.sentMs });
      this.note(null);
      this.onBeat(beat, isBeat);
      return true;
    }
    this.version = null;
    this.note(`${written.code}: ${written.because}`);
    return written.code === 'bad-version' ? 'overtaken' : false;
  }

  /** Beats until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { env, board, config } = this.context;
    const intervalMs = config.keepalive.interval;
    signal.addEventListener('abort', () => this.poke());
    const stopListening = env.store.onSession(({ state }) => {
      if (state === 'connected' && this.trouble !== null) this.poke();
    });
    let dueMs = env.clock.monotonicMs();
    let suspendedMs = env.clock.suspendedMs();
    while (!signal.aborted) {
      const nowMs = env.clock.monotonicMs();
      board.keepaliveTurnMs = nowMs;
      const sleptMs = env.clock.suspendedMs() - suspendedMs;
      suspendedMs += sleptMs;
      board.lateMs = nowMs - dueMs + sleptMs;
      env.metrics.took('nodekeeper_keepalive_late_seconds', Math.max(0, board.lateMs), {});
      if (board.lateMs > intervalMs) {
        board.pausedAtMs = nowMs;
        env.log.warn('this process was paused', { lateMs: Math.round(board.lateMs) });
      }
      await this.publish();
      env.supervisor.alive(`keepalive ${this.sequence}, ${board.daemonState}`);
      dueMs += intervalMs;
      const afterMs = env.clock.monotonicMs();
      while (dueMs <= afterMs) dueMs += intervalMs; // K2
      await this.untilDue(dueMs, signal);
    }
    stopListening();
  }

  /** Waits for the next beat; meanwhile renews the lease, and publishes when it is poked (K4). */
  private async untilDue(dueMs: number, signal: AbortSignal): Promise<void> {
    const { env, board, config } = this.context;
    const over = () => signal.aborted;
    while (!over()) {
      const leftMs = dueMs - env.clock.monotonicMs();
      if (leftMs <= 0) return;
      const holds = board.coordinatorState !== null && holdsSomething(board.coordinatorState);
      await this.bell.wait(holds ? Math.min(leftMs, config.timing.renewalMs) : leftMs);
      const early = dueMs - env.clock.monotonicMs() > 0;
      if (over() || !early) return;
      this.bell.listen();
      await this.publish(false);
    }
  }

  private record(): Keepalive {
    const { env, board, self, config } = this.context;
    return {
      schema: 1,
      incarnation: self.incarnation,
      sequence: this.sequence,
      state: board.daemonState,
      coordinatorState: board.coordinatorState,
      ineligible: board.ineligible,
      roleBlocked: board.roleBlocked,
      epochSeen: board.epochSeen.epoch,
      epochHolder: board.epochSeen.holder,
      restores: board.restores,
      tellsOfRestore: tellsOfRestore(this.context),
      intervalMs: config.keepalive.interval,
      shutdownMs: board.daemonState === 'shutdown' ? board.shutdownMs : 0,
      wallMs: env.clock.wallMs(),
      subsystems: this.subsystems(),
      peers: Object.fromEntries([...board.peers].filter(([, view]) => view.verdict !== 'alive').slice(0, peersMax)),
      keys: [...env.secrets.keyNames()],
      failsafeAsks: self.role === 'coordinator' && config.primary.failsafe ? [...board.otherCoordinators] : null,
      guestList: board.guestList,
      steppedDown: board.steppedDown,
    };
  }

  private subsystems(): Record<string, SubsystemReport> {
    const nowMs = this.context.env.clock.monotonicMs();
    return Object.fromEntries(
      [...this.context.board.subsystems].map(([name, reading]) => [
        name,
        {
          health: reading.health,
          summary: reading.summary.slice(0, 300),
          ageMs: reading.takenAtMs === null ? null : Math.round(nowMs - reading.takenAtMs),
          late: reading.late?.slice(0, 300) ?? null,
          facts: { ...reading.facts },
        },
      ]),
    );
  }

  /** After a start, a lost answer or a foreign write: reads what stands there. False: the store is away. */
  private async findVersion(path: string): Promise<boolean> {
    const { env, self, history } = this.context;
    const read = await env.store.read(path);
    if (!read.ok && read.code === 'no-node') {
      const made = await env.store.create(path, '', 'persistent');
      this.version = made.ok ? 0 : null;
      if (!made.ok) this.note(`${made.code}: ${made.because}`);
      // Not even our registration is there: what this life rests on is gone.
      if (!made.ok && made.code === 'no-node')
        this.onLost(
          'forgotten',
          `the store knows nothing of ${self.name}: ZooKeeper was rebuilt, or the node was removed; a new life registers it`,
        );
      return made.ok;
    }
    if (!read.ok) {
      this.note(`${read.code}: ${read.because}`);
      return false;
    }
    this.version = read.version;
    this.read = { version: read.version, text: read.text };
    const parsed = parseRecord(keepaliveSchema, read.text);
    if (!parsed.ok && read.text !== '') {
      history.happened('record-unreadable', `${path} could not be read and is written anew: ${parsed.because}`, {
        node: self.name,
      });
    }
    if (!parsed.ok) return true;
    const { incarnation, sequence } = parsed.record;
    if (incarnation === self.incarnation) this.sequence = Math.max(this.sequence, sequence);
    else if (this.isFirst) this.former = { incarnation, sequence };
    else if (incarnation !== this.former?.incarnation || sequence > this.former.sequence) {
      // Versions only grow: one that went back is an old copy. A new incarnation registers, as after an empty store.
      if (read.version < this.newest)
        this.onLost(
          'forgotten',
          `ZooKeeper was restored from an old copy: ${path} is back at version ${read.version} of incarnation ${incarnation}, and this incarnation wrote version ${this.newest}; a new one registers`,
        );
      else this.onLost('name-taken', `another life of ${self.name} (${incarnation}) publishes under this name`);
      return false;
    }
    // The former life's last word, once more: nobody publishes, a server of the store lacks what came after it.
    return true;
  }

  /** Says trouble once when it begins and once when it is over, not every beat. */
  private note(trouble: string | null): void {
    const { log } = this.context.env;
    const code = trouble?.split(':')[0] ?? null;
    const before = this.trouble?.split(':')[0] ?? null;
    if (code !== before && trouble !== null) log.warn('keepalive not published', { because: trouble });
    if (trouble === null && before !== null) log.info('keepalive published again', {});
    this.trouble = trouble;
  }
}
