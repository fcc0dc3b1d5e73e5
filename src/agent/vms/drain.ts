/**
 * Emptying this node and filling it again (`node flush`, `node ready`): one VM at a time, each to the node that is best right
 * then. A node that holds the primary role gives that away first. What cannot go stays, and is named; it is tried again.
 */
import type { Context } from '../context.ts';
import { printRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import { Drain } from '../../records/vm.ts';
import type { DrainFile } from './capacity.ts';
import { readDrain } from './capacity.ts';
import type { VmCatalog } from './catalog.ts';
import type { VmFile } from './vm-file.ts';
import { moveVm, readVm } from './vm-file.ts';

const lookMs = 500;
/** What could not go is tried again after this. */
const retryMs = 60_000;
/** Who empties a node by stopping its noded: the next noded fills it again. */
export const shutdownRequester = 'noded, which is stopping';

interface UnderWay {
  readonly uuid: string;
  readonly moveId: string;
}

export class DrainLoop {
  private readonly context: Context;
  private readonly catalog: VmCatalog;
  private underWay: UnderWay | null = null;
  private stuckSinceMs = 0;
  private mark = '';

  constructor(context: Context, catalog: VmCatalog) {
    this.context = context;
    this.catalog = catalog;
  }

  async run(): Promise<void> {
    const { env, duties, board, self } = this.context;
    while (!duties.aborted) {
      const drain = await readDrain(this.context, self.name);
      if (drain !== null) {
        const isLeaving = drain.state === 'flush' || drain.state === 'flushed';
        board.draining = isLeaving ? `it is being emptied (by ${drain.by})` : null;
        if (drain.state === 'flush' || drain.state === 'unflush') await this.step(drain);
        else this.underWay = null;
        const isLeftover = drain.by === shutdownRequester && isLeaving && board.daemonState === 'run';
        if (isLeftover)
          await this.write(drain, { state: 'unflush', by: 'noded, which is back', total: 0, done: 0, stuck: {} });
      }
      await env.clock.sleep(lookMs, duties);
    }
  }

  /** For a stop in good order: empties the node. True: nothing of a VM runs here any more. */
  async empty(withinMs: number, hurry: AbortSignal): Promise<boolean> {
    const { env, self } = this.context;
    const endMs = env.clock.monotonicMs() + withinMs;
    let asked = false;
    while (env.clock.monotonicMs() < endMs && !hurry.aborted) {
      if (!this.context.board.guestsHeld) return true;
      const drain = asked ? null : await readDrain(this.context, self.name);
      if (drain !== null)
        asked = await this.write(drain, { state: 'flush', by: shutdownRequester, total: 0, done: 0, stuck: {} });
      await env.clock.sleep(200, hurry);
    }
    return !this.context.board.guestsHeld;
  }

  private async step(drain: DrainFile): Promise<void> {
    const { board, env } = this.context;
    const mark = `${drain.state} ${drain.by}`;
    if (this.mark !== mark) {
      this.mark = mark;
      this.underWay = null;
      this.stuckSinceMs = env.clock.monotonicMs();
    }
    if (drain.state === 'flush' && board.coordinatorState !== null && board.coordinatorState !== 'secondary') {
      await this.say(drain, 'it waits until another node is primary');
      return;
    }
    const concluded = await this.conclude(drain);
    if (concluded === null) return;
    const left = this.left(concluded);
    const next = left.find((file) => !(file.record.uuid in concluded.stuck));
    if (next !== undefined) return this.begin(concluded, next, left.length);
    if (left.length === 0) return this.finish(concluded);
    const nowMs = env.clock.monotonicMs();
    if (nowMs - this.stuckSinceMs > retryMs) {
      this.stuckSinceMs = nowMs;
      await this.write(concluded, { stuck: {}, doing: 'what could not move is tried again' });
      return;
    }
    await this.say(concluded, `${left.length} cannot move: ${Object.values(concluded.stuck).join('; ')}`);
  }

  /** The VMs that still have to go (flush), or to come (unflush), by name. */
  private left(drain: Drain): VmFile[] {
    const { self } = this.context;
    return this.catalog
      .all()
      .filter(({ record: { state, node, cameFrom } }) =>
        drain.state === 'flush'
          ? node === self.name && (state === 'start' || state === 'restart')
          : cameFrom === self.name && node !== self.name && state === 'start',
      )
      .sort((a, b) => (a.record.name < b.record.name ? -1 : 1));
  }

  /** Null: the move under way is not over. */
  private async conclude(drain: DrainFile): Promise<DrainFile | null> {
    if (this.underWay === null) return this.anyMoving(drain) ? null : drain;
    const { uuid, moveId } = this.underWay;
    const file = await readVm(this.context, uuid);
    if (file === null) return null;
    if (file !== 'none' && file.record.move?.id === moveId) {
      await this.say(drain, `${file.record.name} moves to ${file.record.move.target ?? 'the best node'}`);
      return null;
    }
    this.underWay = null;
    const last = file === 'none' ? null : file.record.lastMove;
    const name = file === 'none' ? uuid : file.record.name;
    const failed = last?.id === moveId && !last.ok ? { [uuid]: `${name}: ${last.because}`.slice(0, 500) } : {};
    const isDone = Object.keys(failed).length === 0;
    const stuck = { ...drain.stuck, ...failed };
    if (!isDone) this.stuckSinceMs = this.context.env.clock.monotonicMs();
    const written = await this.write(drain, { done: drain.done + (isDone ? 1 : 0), stuck });
    return written
      ? { ...drain, done: drain.done + (isDone ? 1 : 0), stuck, version: (drain.version ?? -1) + 1 }
      : null;
  }

  /** Somebody else moves one of them: one at a time. */
  private anyMoving(drain: Drain): boolean {
    const { self } = this.context;
    return this.catalog
      .all()
      .some(({ record: { move, node } }) =>
        drain.state === 'flush' ? node === self.name && move !== null : move?.target === self.name,
      );
  }

  private async begin(drain: DrainFile, file: VmFile, left: number): Promise<void> {
    const { env, self } = this.context;
    const now = await readVm(this.context, file.record.uuid);
    if (now === null || now === 'none' || now.version !== file.version) return;
    if (now.record.state === 'restart') return;
    const isFlush = drain.state === 'flush';
    const move = {
      id: env.random.id(),
      target: isFlush ? null : self.name,
      phase: 'asked',
      remembers: isFlush,
      address: null,
      targetIncarnation: null,
      targetFence: null,
      calledOff: null,
    } as const;
    const because = isFlush ? `${self.name} is being emptied by ${drain.by}` : `${self.name} is there again`;
    const moved = await moveVm(this.context, now, isFlush ? 'migrate' : 'unmigrate', because, { move });
    if (moved === null) return;
    this.underWay = { uuid: now.record.uuid, moveId: move.id };
    await this.write(drain, { total: drain.done + left, doing: `${now.record.name} moves` });
  }

  private async finish(drain: DrainFile): Promise<void> {
    const { history, self } = this.context;
    const isFlush = drain.state === 'flush';
    const doing = isFlush ? `empty: ${drain.done} VMs have moved away` : `${drain.done} VMs have come back`;
    const written = await this.write(drain, { state: isFlush ? 'flushed' : 'ready', doing });
    if (written) history.happened('drain', `${self.name}: ${doing}`, { node: self.name });
  }

  private async say(drain: DrainFile, doing: string): Promise<void> {
    if (drain.doing !== doing.slice(0, 1000)) await this.write(drain, { doing });
  }

  private async write(drain: DrainFile, changes: Partial<Drain>): Promise<boolean> {
    const { env, self } = this.context;
    const { version, ...before } = drain;
    const next = { ...before, ...changes };
    const text = printRecord(Drain.parse({ ...next, doing: next.doing.slice(0, 1000) }));
    const path = tree.drain(self.name);
    const written =
      version === null ? await env.store.create(path, text, 'persistent') : await env.store.write(path, text, version);
    return written.ok;
  }
}
