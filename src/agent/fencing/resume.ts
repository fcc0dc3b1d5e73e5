/**
 * Whether a fence that somebody left unfinished goes on. Its record may come from a copy of the store that was restored long after,
 * so it goes through what a new fence goes through: the guards with their quiet period, the node's keepalive read now, its
 * incarnation compared with the record's; and what is recorded as fenced is read again before anything is freed.
 *
 *   record     | keepalive                         | then
 *   intent     | another incarnation               | cancelled
 *   intent     | newer, no command was sent        | cancelled
 *   intent     | goes on, a command was sent       | cancelled: it was not taken (what is off later is judged anew)
 *   intent     | any; an operator waits for it     | goes on, if no guard holds
 *   intent     | stopped, or in maintenance        | cancelled, if no command was sent
 *   intent     | of the copy; it stopped since     | cancelled
 *   intent     | any, and the record is of a copy  | cancelled: the node is judged anew
 *   intent     | as recorded, or newer and silent  | goes on, if no guard holds; else failed
 *   intent     | cannot be parsed, a command sent  | goes on, if no guard holds; else failed
 *   intent     | cannot be parsed, no command sent | failed
 *   fenced     | another incarnation               | closed, nothing is freed
 *   fenced     | newer, and goes on                | waits
 *   fenced     | newer, and silent; by a watchdog  | failed: it is fenced again
 *              | or a person's word                |
 *   fenced     | as recorded, by a watchdog or a   | goes on; closed, if the record is of a copy and a newer life
 *              | person's word                     | may run
 *   fenced     | as recorded, or newer and silent; |
 *              | power reads off twice             | goes on: frees, recovers, powers on
 *   fenced     | as recorded, power reads on, or
 *              | cannot be read for a minute       | failed: it is fenced again
 *   restoring  | another incarnation               | closed
 *   restoring  | as recorded                       | powers on
 *
 * Failed, that is between two attempts: it is tried again when what holds it is over. An intent that waited would keep its place among the
 * fences at once, and with that all other fences, for as long as a person's maintenance lasts. First it is compared with who holds the
 * node's name:
 *
 *   held by                                         | then
 *   a new incarnation on the node's machine         | cancelled: that one waits to join until this fence has ended
 *   another machine, or a holder that cannot be     | waits in intent, which keeps that one from joining: the condemned
 *   parsed                                          | incarnation may still run on the node's own machine (S1)
 *   the recorded incarnation, or nobody             | failed
 *   not asked: this coordinator's own session,      | waits in intent, for a moment or for another coordinator: what
 *   contact, pause or quiet period holds            | it reads may be old
 */
import { inWords } from '../../core/decision.ts';
import { offApartMs } from '../../core/levels.ts';
import type { Refusal } from '../../core/guards.ts';
import type { Context } from '../context.ts';
import type { Peers } from '../peers.ts';
import { readTimed } from './before-command.ts';
import { restartSettleMs } from './settling.ts';
import { devicesOf, ownDevices } from './devices.ts';
import { cancelled } from './fence-attempt.ts';
import type { FenceFile } from './fence-file.ts';
import type { FenceRequests } from './fence-requests.ts';
import { FencesBefore } from './fences-before.ts';
import type { FenceStarter } from './fence-start.ts';
import { beatsWatched, holderOfName, readSign } from './life-sign.ts';
import type { LastSign } from './life-sign.ts';
import type { Refusals } from './refusals.ts';

/** Guards that would hold a new fence for long: one that was left is cancelled, or its node could not join meanwhile. */
const endingGuards: readonly string[] = ['stopped', 'node-maintenance', 'cluster-maintenance', 'enabled'];
/** Guards about this node itself, which also hold what is recorded as fenced. */
const ownGuards: readonly string[] = ['session', 'contact', 'pause', 'quiet', 'stepped-down'];

export class Resumer {
  private readonly context: Context;
  private readonly peers: Peers;
  private readonly starter: FenceStarter;
  private readonly refusals: Refusals;
  private readonly requests: FenceRequests;
  readonly before: FencesBefore;
  /** Since when (own monotonic clock) the power of what is recorded as fenced cannot be read. */
  private readonly unread = new Map<string, { readonly id: string; readonly sinceMs: number }>();

  constructor(context: Context, peers: Peers, starter: FenceStarter, refusals: Refusals, requests: FenceRequests) {
    this.context = context;
    this.peers = peers;
    this.starter = starter;
    this.refusals = refusals;
    this.requests = requests;
    this.before = new FencesBefore(context);
  }

  /** True: whoever has the lock goes on with it now. False: it waits, or it has ended here. */
  async goesOn(target: string, file: FenceFile): Promise<boolean> {
    const sign = await readSign(this.context, target);
    if (sign === null || !(await this.peers.asOf(target, sign.incarnation))) return false;
    const { record } = file;
    if (sign.incarnation !== null && sign.incarnation !== record.incarnation) {
      await this.overtaken(target, file);
      return false;
    }
    const isIntent = record.state === 'intent';
    const isOperators = isIntent && record.requestId !== null && record.rounds === 0;
    const stands = isOperators ? await this.requests.stands(record.requestId ?? '') : false;
    if (stands === null) return false;
    const held = await this.starter.heldBy(target, sign, stands, record.fencer);
    // That it is itself under way is no reason; nor is another one that was left: neither would ever end.
    const isAbout = ({ guard }: Refusal) => (isIntent ? guard !== 'concurrency' : ownGuards.includes(guard));
    const others = held.filter((one) => isAbout(one) && one.guard !== 'quiet');
    const holding = [...others, ...this.starter.quiet()].filter(
      ({ guard }) => !(record.commanded && guard === 'stopped' && !sign.hasStoppedSince),
    );
    const ending = holding.find(({ guard }) => endingGuards.includes(guard));
    if (
      isIntent &&
      (!record.commanded || sign.hasStoppedSince) &&
      ending !== undefined &&
      !holding.some(({ guard }) => ownGuards.includes(guard))
    ) {
      const why = record.commanded ? 'ZooKeeper was restored from an old copy' : 'no power-off command was sent';
      const because = `${ending.because}, and ${why}: the fence that ${record.fencer} left is cancelled`;
      await cancelled(this.context, target, file, 'aliveUntouched', because);
      return false;
    }
    const isOfCopy = isIntent && !stands && sign.incarnation !== null && this.before.isOfCopy(target, record);
    if (isOfCopy && !holding.some(({ guard }) => ownGuards.includes(guard))) {
      await this.endsWithCopy(target, file);
      return false;
    }
    if (holding.length > 0) return isIntent ? this.intentWaits(target, file, holding) : this.waits(target, holding);
    if (isIntent) return stands || this.intentGoesOn(target, file, sign);
    if (record.state === 'restoring') return true;
    // A person had it fenced alive: then keepalives after the intent say nothing. One that gave a word has watched to the last one.
    const mayHaveLived = record.requestId !== null && record.level !== 'manual';
    if (sign.incarnation === null || sign.sequence === record.sequence || mayHaveLived)
      return this.isStillOff(target, file);
    if (await this.isPublishing(target, sign))
      return this.waits(target, [
        { guard: 'alive', because: `${target} is recorded as fenced and publishes keepalives: nothing of it is freed` },
      ]);
    // The last keepalive was on its way when power read off. What nobody reads may have let it live on.
    if (record.level === 'watchdog' || record.level === 'manual')
      return this.again(target, file, 'heard since', `a keepalive of ${target} came after it was recorded as fenced`);
    return this.isStillOff(target, file);
  }

  /** Its record is about an incarnation that is over: nothing is switched and nothing is freed by it. */
  private async overtaken(
    target: string,
    file: FenceFile,
    what = `${target} publishes keepalives as another incarnation`,
  ): Promise<void> {
    const { state, fencer } = file.record;
    const because = `${what}: the fence that ${fencer} left in "${state}" ends here`;
    await cancelled(this.context, target, file, 'anotherIncarnation', because);
  }

  /** A fence of the copy is no verdict of now: who is silent is found dead anew, by looks that were made since the restore (S3). */
  async endsWithCopy(target: string, file: FenceFile): Promise<void> {
    const { record } = file;
    if (!this.before.isOfCopy(target, record) || this.starter.quiet().length > 0) return;
    const because = `ZooKeeper was restored from an old copy, and the fence that ${record.fencer} left is of that copy: ${target} is judged anew by its keepalives of now`;
    await cancelled(this.context, target, file, record.state === 'intent' ? 'aliveUntouched' : 'aliveAgain', because);
  }

  private async intentGoesOn(target: string, file: FenceFile, sign: LastSign): Promise<boolean> {
    const { record } = file;
    if (!record.commanded && sign.version !== null && sign.incarnation === null)
      return this.intentWaits(target, file, [
        {
          guard: 'keepalive',
          because: `the keepalive of ${target} cannot be read: that is no sign of life, and none of death`,
        },
      ]);
    if (sign.sequence === record.sequence) return true;
    // A command may have been taken, and may still act: only a node that goes on publishing is alive.
    if (record.commanded && !(await this.isPublishing(target, sign))) return true;
    const because = `keepalives of ${target} resumed${record.commanded ? '' : ' before a power-off command was sent'}: the fence that ${record.fencer} left is cancelled, nothing was recovered`;
    await cancelled(this.context, target, file, 'aliveUntouched', because);
    return false;
  }

  private async isPublishing(target: string, before: LastSign): Promise<boolean> {
    const { env, duties } = this.context;
    await env.clock.sleep(Math.round(before.intervalMs * beatsWatched), duties);
    const now = await readSign(this.context, target);
    return now !== null && now.incarnation === before.incarnation && now.sequence !== before.sequence;
  }

  private async isStillOff(target: string, file: FenceFile): Promise<boolean> {
    const { env, devices: book, duties } = this.context;
    const level = file.record.level ?? '';
    if (level === 'watchdog' || level === 'manual') return this.isOfLastLife(target, file); // nothing reads them
    const opened = devicesOf(env.secrets, this.peers.get(target), target, level);
    const isRight = file.record.deviceIsRight !== null;
    const own = opened.ok ? await ownDevices(this.context, target, opened.value, isRight) : [];
    if (!opened.ok || own.length < opened.value.length)
      return this.unreadable(target, file, opened.ok ? `level ${level} is not used any more` : opened.because);
    for (let times = 0; times < 2; times += 1) {
      if (times > 0) await env.clock.sleep(offApartMs, duties);
      const readings = await Promise.all(own.map((device) => readTimed(this.context, device)));
      if (readings.some(({ power }) => power === 'on')) {
        const because = `power of ${target} reads on although it is recorded as fenced`;
        return this.again(target, file, 'reads on again', because);
      }
      const unread = readings.find(({ power }) => power !== 'off');
      const unsettled = own.some((device) => book.unsettledMs(device) > 0);
      if (unread !== undefined || unsettled)
        return this.unreadable(target, file, unread?.because ?? 'its device did not answer a moment ago');
    }
    this.unread.delete(target);
    return true;
  }

  /** Its silence was looked at. What the copy says of an older life says nothing of a newer one, which may be frozen with all it runs (S1). */
  private async isOfLastLife(target: string, file: FenceFile): Promise<boolean> {
    const { record } = file;
    if (!this.before.isOfCopy(target, record)) return true;
    if (this.context.board.livesBefore.isNewest(target, record.incarnation)) return true;
    const what = `ZooKeeper was restored from an old copy, and a newer life of ${target} may run since`;
    await this.overtaken(target, file, what);
    return false;
  }

  /** Nothing of it can be read for longer than any device needs: it counts as not fenced, and all levels are tried again. */
  private async unreadable(target: string, file: FenceFile, because: string): Promise<false> {
    const { env, config } = this.context;
    const { id } = file.record;
    const nowMs = env.clock.monotonicMs();
    const before = this.unread.get(target);
    if (before?.id !== id) this.unread.set(target, { id, sinceMs: nowMs });
    const sinceMs = before?.id === id ? before.sinceMs : nowMs;
    if (nowMs - sinceMs < Math.max(config.fencing.levelDeadline, restartSettleMs))
      return this.waits(target, [
        { guard: 'power', because: `that ${target} is still off cannot be read: ${because}` },
      ]);
    this.unread.delete(target);
    const told = `that ${target} is still off could not be read for ${inWords(nowMs - sinceMs)} (${because})`;
    return this.again(target, file, 'not readable', told);
  }

  /** Its record says fenced, and that does not hold (any more). */
  private async again(target: string, file: FenceFile, what: string, because: string): Promise<false> {
    const told = `${because}: nothing more is freed, it is fenced again`;
    file.note(what, told);
    const moved = await file.move('readsOnAgain', { rounds: file.record.rounds + 1 });
    if (moved.ok) this.context.history.happened('fence-failed', told, { node: target, fenceId: file.record.id });
    return false;
  }

  /**
   * The node may have started again: its new incarnation publishes nothing before this fence has ended (agent/registration.ts), so the
   * fence ends rather than wait: neither may wait for the other (S7). Else the attempt ends, and with it its place among the fences at once.
   */
  private async intentWaits(target: string, file: FenceFile, held: readonly Refusal[]): Promise<false> {
    const isOwn = held.some(({ guard }) => ownGuards.includes(guard));
    if (isOwn) return this.waits(target, held);
    const holder = await holderOfName(this.context, this.peers.get(target), file.record);
    if (holder === 'next-life')
      await this.overtaken(target, file, `${target} has started again, and its new incarnation waits to join`);
    else {
      await this.waits(target, held);
      // One of the copy is judged anew when its node's keepalive can be read; as failed it would be tried again.
      if (holder === 'none' && !this.before.isOfCopy(target, file.record)) await this.endAttempt(target, file, held);
    }
    return false;
  }

  private async endAttempt(target: string, file: FenceFile, held: readonly Refusal[]): Promise<void> {
    const why = held.map(({ because }) => because).join('; ');
    const because = `the fence that ${file.record.fencer} left is tried again when nothing holds it any more: ${why}`;
    file.note('held back', because);
    const moved = await file.move('heldBack', {});
    if (moved.ok)
      this.context.history.happened('fence-step', `${target}: ${because}`, { node: target, fenceId: file.record.id });
  }

  private async waits(target: string, held: readonly Refusal[]): Promise<false> {
    await this.refusals.tell(target, { kind: 'resume' }, held);
    return false;
  }
}
