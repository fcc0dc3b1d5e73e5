/**
 * The highest epoch that this machine has ever seen and who held it, also over its restarts. A ZooKeeper that was rebuilt, or
 * restored from an old copy, must not make the epoch go back (whoever fences by epoch would let the past in), and a record in
 * it that says "nobody" is no permission: the last holder may be frozen with everything running (S1).
 */
import { isConfirmedOff } from '../../core/fencing.ts';
import { FenceRecord } from '../../records/fence.ts';
import { Keepalive } from '../../records/keepalive.ts';
import { EpochJournal, epochFile } from '../../records/journal.ts';
import type { PrimaryRecord } from '../../records/primary.ts';
import { parseRecord, printRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import { holdsSomething } from '../../core/primary.ts';
import type { Context } from '../context.ts';
import { Heard } from '../heard.ts';
import { unlistedInWords } from '../nodes-before.ts';
import type { Peers } from '../peers.ts';
import { askingInWords, restartMs } from '../recent-restore.ts';

/** Between two tries to read a disk that hangs. */
const againMs = 1000;

const restoredInWords = 'ZooKeeper was restored from an old copy';
const restartInWords = `${restoredInWords}; a noded that is being started anew gets the time to say what it has seen`;

type Memory = Omit<EpochJournal, 'schema'>;

export class EpochMemory {
  private memory: Memory = { highest: 0, holder: null, incarnation: null };
  private readonly context: Context;
  private saving: Promise<void> = Promise.resolve();
  private told = '';
  /** The epoch of a hand-over to the former life: it may have been given, or not. */
  promised = 0;
  /** False: the disk did not answer, so what former incarnations saw is not known. */
  private isLoaded = false;
  /** The newest keepalive of the last holder, as it stood when it was first looked at. */
  private firstSeen: string | null = null;

  /** Of which restore every coordinator has said that it is a secondary. */
  private heardOfMs: number | null = null;
  private readonly heard: Heard;
  private readonly peers: Pick<Peers, 'all'>;

  constructor(context: Context, peers: Pick<Peers, 'all'>) {
    this.context = context;
    this.peers = peers;
    this.heard = new Heard(context);
  }

  get highest(): number {
    return this.memory.highest;
  }

  /** What the former lives on this machine have seen. A disk that hangs is asked again, for the others ask for it too. */
  async load(): Promise<void> {
    const { env, duties } = this.context;
    if (!(await this.tryLoad()))
      void env.clock.sleep(againMs, duties).then(() => (duties.aborted ? undefined : this.load()));
  }

  private async tryLoad(): Promise<boolean> {
    const { env, board } = this.context;
    if (this.isLoaded) return true;
    const text = await env.journal.read(epochFile);
    if (text === null && board.diskTrouble !== null) return false;
    this.isLoaded = true;
    const parsed = text === null ? null : parseRecord(EpochJournal, text);
    // What was seen before the disk answered may be of an old copy of the store: the higher epoch stays on the disk.
    const seen = this.memory;
    if (parsed?.ok === true && parsed.record.highest >= seen.highest) this.memory = parsed.record;
    else if (seen.highest > 0) this.write();
    board.recalling.delete('epochs');
    this.show();
    return true;
  }

  /** A record that the store shows, or that this node has written. */
  see({ epoch, state, holder, incarnation }: PrimaryRecord): void {
    if (epoch < this.memory.highest) return;
    const free = state === 'none';
    this.remember({ highest: epoch, holder: free ? null : holder, incarnation: free ? null : incarnation });
  }

  /** A write that nobody answered may have stood in the store that was set back: its epoch is not given again. */
  forgetStore(): void {
    const { board } = this.context;
    const { epochUnclear } = board;
    board.epochUnclear = null;
    if (epochUnclear !== null) this.learn({ epochSeen: epochUnclear.epoch, epochHolder: epochUnclear.holder });
  }

  /** In the background: nobody waits for the disk here. */
  private remember(now: Memory): void {
    const text = printRecord({ schema: 1, ...now });
    if (text === printRecord({ schema: 1, ...this.memory })) return;
    this.memory = now;
    this.show();
    this.firstSeen = null; // of another holder, or of a time before it held the role
    if (this.isLoaded) this.write(); // what the disk holds may be higher
  }

  private write(): void {
    const { journal } = this.context.env;
    const text = printRecord({ schema: 1, ...this.memory });
    this.saving = this.saving.then(async () => {
      await journal.write(epochFile, text);
    });
  }

  /** Why a free record of this epoch, seen as free for so long, is no permission yet; null: it is one. */
  async distrust(epoch: number, freeForMs: number): Promise<string | null> {
    const { board } = this.context;
    // A disk that hangs may know of a restore, or of a higher epoch; the others need not know either.
    if (!this.isLoaded || !board.witnessesAsked) return askingInWords(this.context);
    const unheard = await this.whoIsUnheard();
    if (unheard !== null) {
      if (unheard !== restartInWords) this.tell(`nobody takes the role: ${unheard}`);
      return unheard;
    }
    const { highest, holder } = this.memory;
    if (epoch >= highest) return null;
    const { leaseMs, stopBoundMs } = this.context.config.timing;
    const setBack = setBackInWords(epoch, this.context.self.name, highest);
    const because = (await this.isOver(holder))
      ? freeForMs < leaseMs + stopBoundMs
        ? `${setBack}; nobody takes over before every old lease has ended`
        : null
      : `${setBack}; ${holder ?? 'nobody'} held the role last and has not said that it runs nothing of it: nobody takes over before it has, or is confirmed off`;
    // Else the record may have been read before the role changed hands: the next look asks whether it stands.
    if (because !== null && board.setBackAtMs !== null) this.tell(because);
    return because;
  }

  /**
   * After a restore: this machine's own memory may lack the last epoch, which another took a moment before. So every coordinator says
   * first, in keepalives of now, that it is a secondary, and which epoch it has seen; or it is confirmed off. Null: all have.
   */
  private async whoIsUnheard(): Promise<string | null> {
    const { board, self, env } = this.context;
    const { setBackAtMs } = board;
    if (setBackAtMs === null || this.heardOfMs === setBackAtMs) return null;
    const missing: string[] = [];
    const unheard: string[] = [];
    const holding: string[] = [];
    const awaited = board.nodesBefore.awaited('coordinators', this.peers.all());
    for (const name of awaited.listed) {
      if (name === self.name) continue;
      const heard = await this.heard.look(name);
      if (heard.kind === 'not-yet') {
        missing.push(heard.because);
        unheard.push(name);
      }
      if (heard.kind !== 'heard') continue;
      const { coordinatorState } = heard.keepalive;
      this.learn(heard.keepalive);
      if (coordinatorState !== null && holdsSomething(coordinatorState))
        holding.push(`${name} is in "${coordinatorState}"`);
    }
    for (const name of awaited.unlisted) if (name !== self.name) missing.push(unlistedInWords(name));
    // One that nobody remembers may be starting anew.
    if (missing.length === 0 && env.clock.monotonicMs() < setBackAtMs + restartMs) return restartInWords;
    // Who holds the role now has been heard: what the others have seen of it is known.
    if (missing.length === 0) board.roleHeardOfMs = setBackAtMs;
    missing.push(...holding);
    if (missing.length > 0) return blockedInWords(missing, unheard);
    this.heardOfMs = setBackAtMs;
    return null;
  }

  /** After a restore, also while another holds the role: until then this node tells those that start of the restore. */
  async hear(): Promise<void> {
    const { board } = this.context;
    if (board.roleHeardOfMs !== board.setBackAtMs) await this.whoIsUnheard();
  }

  /** The epoch after this one, and after all that were ever seen or promised here. */
  next(epoch: number): number {
    return Math.max(epoch, this.memory.highest, this.promised) + 1;
  }

  /**
   * Nothing of the last tenure runs any more: it was on this machine; its life is recorded as off (that stays true in every copy); another
   * life of that node beats; or the same one says again and again, now, that it is a secondary.
   */
  private async isOver(holder: string | null): Promise<boolean> {
    const { env, self } = this.context;
    if (holder === null || holder === self.name) return true; // a life stops all that the former one left before it contends
    const read = await env.store.read(tree.keepalive(holder));
    const parsed = read.ok ? parseRecord(Keepalive, read.text) : null;
    if (await this.isOff(holder)) return true;
    if (parsed?.ok !== true) return false;
    if (parsed.record.incarnation === this.memory.incarnation && parsed.record.coordinatorState !== 'secondary')
      return false;
    // One keepalive may be as old as the copy; a second one is not.
    const mark = `${parsed.record.incarnation} ${parsed.record.sequence}`;
    this.firstSeen ??= mark;
    return this.firstSeen !== mark;
  }

  private async isOff(holder: string): Promise<boolean> {
    const read = await this.context.env.store.read(tree.fence(holder));
    const parsed = read.ok && read.text !== '' ? parseRecord(FenceRecord, read.text) : null;
    if (parsed?.ok !== true) return false;
    const { state, incarnation } = parsed.record;
    const isSince = this.context.board.livesBefore.isOffSince(holder, incarnation);
    return isConfirmedOff(state) && (incarnation === this.memory.incarnation || isSince);
  }

  /** What another coordinator, or the previous incarnation here, has seen: this one may have been away when the role changed hands last. */
  learn({ epochSeen, epochHolder }: Pick<Keepalive, 'epochSeen' | 'epochHolder'>): void {
    if (epochSeen <= this.memory.highest) return;
    const { name = null, incarnation = null } = epochHolder ?? {};
    this.remember({ highest: epochSeen, holder: name, incarnation });
  }

  private show(): void {
    const { highest, holder, incarnation } = this.memory;
    const life = holder === null || incarnation === null ? null : { name: holder, incarnation };
    this.context.board.epochSeen = { epoch: highest, holder: life };
  }

  private tell(because: string): void {
    if (this.told === because) return;
    this.told = because;
    this.context.history.happened('store-set-back', because, { node: this.context.self.name });
  }
}

export function setBackInWords(epoch: number, name: string, highest: number): string {
  return `the store knows epoch ${epoch} of the role, and ${name} has seen ${highest}: ZooKeeper was rebuilt, or restored from an old copy`;
}

/** `unheard`: the nodes whose noded must say what it runs. */
function blockedInWords(reasons: readonly string[], unheard: readonly string[]): string {
  const [first = 'NODE'] = unheard;
  const next =
    unheard.length === 1
      ? `start its noded, or, if it is off, nodectl fence confirm ${first}`
      : 'start noded there, or, for each that is off, nodectl fence confirm NODE';
  const [own, others] = [reasons.slice(0, unheard.length), reasons.slice(unheard.length)];
  const said = own.length === 0 ? [] : [`${own.join(', ')}: ${next}`];
  return [restoredInWords, ...said, ...others].join('; ');
}
