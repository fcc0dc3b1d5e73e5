/**
 * Which devices did not answer, told to all coordinators in the record of each node's devices: whoever fences next may never have asked
 * this one while it was silent. A silence stands there from the first question that is not answered in time until its finder has met the
 * device settled. It is written once, and again only after a long while, however often the device is asked.
 */
import type { Clock } from '../../environment/clock.ts';
import type { Silence } from '../../records/device-knowledge.ts';
import { silencesMax } from '../../records/device-knowledge.ts';
import type { Settling } from './settling.ts';

/** A silence that goes on is written again after this long, for those that do not count it any more. */
const renewMs = 5 * 60_000;
/** Whoever has not renewed it for so long does not watch it any more: it goes when the device reads on. */
const goneMs = 30 * 60_000;

/** Changes the silences in every record that names this device; whether all of it was written. */
export type WriteSilences = (
  where: string,
  change: (now: readonly Silence[]) => readonly Silence[],
) => Promise<boolean>;

export class SilenceBoard {
  private readonly by: string;
  private readonly clock: Clock;
  private readonly settling: Settling;
  private readonly write: WriteSilences;
  /** When (own monotonic clock) each silence of others was read first, by its key. */
  private readonly seenAtMs = new Map<string, number>();
  /** Those that this run has written itself, by their keys, with the device's place. What a former run wrote counts like any other's. */
  private readonly own = new Map<string, string>();
  /** When (own monotonic clock) the own silence of a device was written. */
  private readonly toldAtMs = new Map<string, number>();
  private readonly standing = new Map<string, readonly Silence[]>();
  /** Devices whose silence is being taken back. */
  private readonly ending = new Set<string>();

  constructor(by: string, clock: Clock, settling: Settling, write: WriteSilences) {
    this.by = by;
    this.clock = clock;
    this.settling = settling;
    this.write = write;
  }

  /** The silences that stand in the record of a node. One that was not read before counts from now on, as if it was met here. */
  read(target: string, silent: readonly Silence[]): void {
    this.standing.set(target, silent);
    for (const one of silent) {
      if (this.own.has(keyOf(one)) || this.seenAtMs.has(keyOf(one))) continue;
      this.seenAtMs.set(keyOf(one), this.clock.monotonicMs());
      this.settling.saidSilent(one.where);
    }
  }

  /** The places of a node's devices of which others say that they are silent, and that have not read on here since. */
  saidSilent(target: string): string[] {
    const said = (this.standing.get(target) ?? []).filter((one) => !this.own.has(keyOf(one)));
    const isOver = (one: Silence) =>
      this.settling.hasReadOnSince(one.where, this.seenAtMs.get(keyOf(one)) ?? Number.POSITIVE_INFINITY);
    return said.filter((one) => !isOver(one)).map(({ where }) => where);
  }

  /** A question to this device was not answered in time. */
  async tell(where: string): Promise<void> {
    const nowMs = this.clock.monotonicMs();
    const before = this.toldAtMs.get(where);
    if (before !== undefined && nowMs - before < renewMs) return;
    this.toldAtMs.set(where, nowMs);
    const silence = { where, by: this.by, sinceWallMs: this.clock.wallMs() };
    this.own.set(keyOf(silence), where);
    const others = (now: readonly Silence[]) => now.filter((one) => !(one.by === this.by && one.where === where));
    const isWritten = await this.write(where, (now) => [...others(now), silence].slice(-silencesMax));
    if (!isWritten) this.toldAtMs.delete(where); // with the next question
  }

  /** It answers, and what it reads counts again. `isOn`: it read on, which ends what nobody watches any more, too. */
  async settled(where: string, isOn: boolean): Promise<void> {
    const isOver = (one: Silence) =>
      one.where === where &&
      (one.by === this.by ||
        (isOn && this.clock.monotonicMs() - (this.seenAtMs.get(keyOf(one)) ?? Number.POSITIVE_INFINITY) >= goneMs));
    if (this.ending.has(where) || ![...this.standing.values()].flat().some(isOver)) return;
    this.ending.add(where);
    const toldAtMs = this.toldAtMs.get(where);
    this.toldAtMs.delete(where);
    const isWritten = await this.write(where, (now) => (now.some(isOver) ? now.filter((one) => !isOver(one)) : now));
    if (!isWritten && toldAtMs !== undefined && !this.toldAtMs.has(where)) this.toldAtMs.set(where, toldAtMs);
    this.ending.delete(where);
  }

  /** What belongs to nodes that are gone, or is over. */
  forget(isKnown: (target: string) => boolean): void {
    for (const target of this.standing.keys()) if (!isKnown(target)) this.standing.delete(target);
    const all = [...this.standing.values()].flat();
    const keys = new Set(all.map(keyOf));
    for (const key of this.seenAtMs.keys()) if (!keys.has(key)) this.seenAtMs.delete(key);
    for (const [key, where] of this.own) if (!keys.has(key) && !this.toldAtMs.has(where)) this.own.delete(key);
    const isStanding = new Set(all.filter(({ by }) => by === this.by).map(({ where }) => where));
    for (const [where, atMs] of this.toldAtMs)
      if (!isStanding.has(where) && this.clock.monotonicMs() - atMs >= renewMs) this.toldAtMs.delete(where);
  }
}

const keyOf = ({ where, by, sinceWallMs }: Silence): string => [where, by, sinceWallMs].join('|');
