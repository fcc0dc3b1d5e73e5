/** The home's side of a move, from its phase on. The home alone decides what became of it (move-end.ts). */
import { inWords } from '../../core/decision.ts';
import { placeOne } from '../../core/placement.ts';
import type { Guest } from '../../core/vm.ts';
import { keptAfterCrash } from '../../core/vm.ts';
import type { Hypervisor } from '../../environment/hypervisor.ts';
import type { VmMove } from '../../records/vm.ts';
import type { Context } from '../context.ts';
import type { Peers } from '../peers.ts';
import { surveyNodes } from './capacity.ts';
import type { VmCatalog } from './catalog.ts';
import { LeftPaused } from './left-paused.ts';
import { MoveEnd, tellProgress } from './move-end.ts';
import { lookAt } from './shut-guest.ts';
import type { VmFile } from './vm-file.ts';
import { changeVm, readVm } from './vm-file.ts';

/** Progress is written at most so often. */
const progressMs = 500;

export class MoveSource {
  private readonly context: Context;
  private readonly hypervisor: Hypervisor;
  private readonly peers: Peers;
  private readonly catalog: VmCatalog;
  /** By VM: since when (own monotonic clock) its move was seen in its phase. */
  private readonly since = new Map<string, { readonly mark: string; readonly atMs: number }>();
  private readonly end: MoveEnd;
  readonly leftPaused: LeftPaused;

  constructor(context: Context, hypervisor: Hypervisor, peers: Peers, catalog: VmCatalog) {
    this.context = context;
    this.hypervisor = hypervisor;
    this.peers = peers;
    this.catalog = catalog;
    this.end = new MoveEnd(context, hypervisor);
    this.leftPaused = new LeftPaused(context, hypervisor, peers);
  }

  /** Of these guests alone anything is remembered. */
  forgetAllBut(uuids: ReadonlySet<string>): void {
    for (const uuid of this.since.keys()) if (!uuids.has(uuid)) this.since.delete(uuid);
    this.leftPaused.forgetAllBut(uuids);
  }

  /** Goes on with the move of this VM; resolves when nothing more can be done at this look. */
  async goOn(file: VmFile, listed: Guest | null): Promise<void> {
    const { move } = file.record;
    if (move === null) return;
    if (move.phase === 'moving') return this.end.settle(file, move, 'noded was started anew in the middle of it');
    const guest = await this.confirmed(file.record.uuid, listed);
    if (guest === 'unknown') return;
    if (guest === null || guest.power === 'off') return this.end.vanished(file, move, guest);
    if (move.calledOff !== null) return this.end.stayed(file, move, move.calledOff);
    if (guest.power === 'crashed') return this.end.stayed(file, move, keptAfterCrash);
    if (move.target === null) return this.pick(file, move);
    const mark = `${move.id} ${move.phase}`;
    const nowMs = this.context.env.clock.monotonicMs();
    if (this.since.get(file.record.uuid)?.mark !== mark) this.since.set(file.record.uuid, { mark, atMs: nowMs });
    if (move.phase === 'prepared') return this.begin(file, move, move.target);
    const waitedMs = nowMs - (this.since.get(file.record.uuid)?.atMs ?? nowMs);
    const limitMs = this.context.config.vms.prepareTimeout;
    if (waitedMs > limitMs)
      await this.end.stayed(file, move, `${move.target} did not get ready within ${inWords(limitMs)}`);
  }

  /** Nothing is decided about a guest that is not in a list before it was looked up: a list can be wrong. */
  private async confirmed(uuid: string, listed: Guest | null): Promise<Guest | null | 'unknown'> {
    if (listed !== null && listed.power !== 'unknown') return listed;
    const here = await lookAt(this.hypervisor, uuid);
    return here === 'off' ? null : here;
  }

  private async pick(file: VmFile, move: VmMove): Promise<void> {
    const { record } = file;
    const nodes = await surveyNodes(
      this.context,
      this.peers,
      this.catalog.all().map((other) => other.record),
    );
    const placed = placeOne(record, nodes, record.node);
    if (placed.node === null) return this.end.stayed(file, move, `no node takes it: ${placed.because}`);
    await changeVm(this.context, file, { move: { ...move, target: placed.node } });
  }

  private async begin(file: VmFile, move: VmMove, target: string): Promise<void> {
    if (!(await this.end.isThere(move, target))) {
      await this.end.stayed(file, move, `${target} is not there any more`);
      return;
    }
    const { state, migrationMethod } = file.record;
    const moving = await changeVm(this.context, file, { move: { ...move, phase: 'moving' } });
    if (moving?.record.move == null) return;
    if (state !== 'migrate-live' && migrationMethod === 'shutdown')
      await this.end.byShutdown(moving, 'its migration method is shutdown');
    else await this.live(moving, moving.record.move);
  }

  private async live(file: VmFile, move: VmMove): Promise<void> {
    const { env, config, duties, history, self } = this.context;
    const { uuid, name } = file.record;
    history.happened('vm', `${name} begins to move live from ${self.name} to ${move.target ?? '?'}`, {
      node: self.name,
      evidence: { vm: name, move: move.id },
    });
    const over = new AbortController();
    const end = () => over.abort();
    duties.addEventListener('abort', end);
    let why = '';
    void env.clock.sleep(config.vms.liveTimeout, over.signal).then(() => {
      if (over.signal.aborted) return;
      why = `it was not done within ${inWords(config.vms.liveTimeout)}`;
      end();
    });
    void this.watchForCall(uuid, over.signal, (calledOff) => {
      why = calledOff;
      end();
    });
    let writtenMs = -Infinity;
    const copied = { bytes: null as number | null, sinceMs: env.clock.monotonicMs() };
    const moved = await this.hypervisor.migrate(
      uuid,
      move.address ?? '',
      ({ totalBytes, leftBytes, copiedBytes }) => {
        const nowMs = env.clock.monotonicMs();
        if (copiedBytes !== copied.bytes) Object.assign(copied, { bytes: copiedBytes, sinceMs: nowMs });
        else if (!over.signal.aborted && nowMs - copied.sinceMs > config.vms.stallTimeout) {
          why = `nothing of it was copied for ${inWords(config.vms.stallTimeout)}`;
          end();
        }
        if (totalBytes === null || nowMs - writtenMs < progressMs) return;
        writtenMs = nowMs;
        void tellProgress(this.context, uuid, {
          schema: 1,
          moveId: move.id,
          what: 'its memory is being copied',
          totalBytes,
          leftBytes,
        });
      },
      over.signal,
    );
    const stopped = over.signal.aborted;
    duties.removeEventListener('abort', end);
    end();
    if (moved.ok) await this.end.arrived(file, move);
    else await this.end.settle(file, move, stopped && why !== '' ? why : moved.because);
  }

  /** A call to give it up may come at any time, from anybody. */
  private async watchForCall(uuid: string, signal: AbortSignal, call: (why: string) => void): Promise<void> {
    const { env } = this.context;
    while (!signal.aborted) {
      const changed = new AbortController();
      const now = await readVm(this.context, uuid, () => changed.abort());
      if (now !== null && now !== 'none' && now.record.move?.calledOff != null) {
        call(now.record.move.calledOff);
        return;
      }
      const wake = () => changed.abort();
      signal.addEventListener('abort', wake, { once: true });
      await env.clock.sleep(2000, changed.signal);
      signal.removeEventListener('abort', wake);
    }
  }
}
