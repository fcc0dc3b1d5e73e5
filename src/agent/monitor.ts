/**
 * The monitor: after each acknowledged keepalive of its own it looks at its peers (write, then read, in one session: what
 * it reads is at least as new as its own write). Observe -> decide (core/detection.ts) -> hand the dead to the fencing.
 *
 * S3: counts are forgotten after a new session, an own pause, or a gap in the own acknowledged writes.
 */
import { inWords } from '../core/decision.ts';
import type { Observation, ObserverHealth, PeerMemory, Sighting } from '../core/detection.ts';
import { forgetThrows, observe, unseenPeer } from '../core/detection.ts';
import { silentTogether } from '../core/guards.ts';
import { monitors, observedBy } from '../core/observers.ts';
import { Keepalive } from '../records/keepalive.ts';
import type { PeerView } from '../records/keepalive.ts';
import { parseRecord } from '../records/record.ts';
import { tree } from '../records/tree.ts';
import type { Beat, Context } from './context.ts';
import { EarlyEvidence } from './early-evidence.ts';
import type { FencingLoop } from './fencing/fencing.ts';
import { MonitorsHeard } from './monitors-heard.ts';
import type { HearKeepalive } from './monitors-heard.ts';
import type { Peers } from './peers.ts';
import { rankedNodes } from './ranked-nodes.ts';
import { tellsOfRestore } from './recent-restore.ts';
import { SeenEpochs } from './seen-epochs.ts';

/** Removed nodes that are remembered, the newest. */
const removedMax = 200;
/** In so many looks the power of a node is read once for as long as its silence ends nothing. */
const heldReadsEach = 30;

export class Monitor {
  private readonly context: Context;
  private readonly peers: Peers;
  private readonly fencing: FencingLoop;
  private readonly memories = new Map<string, PeerMemory>();
  private readonly unreadable = new Map<string, string>();
  private busy = false;
  private generation = -1;
  private lastBeatSentMs: number | null = null;
  private lastPauseMs: number | null = null;
  /** Since when (own monotonic clock) it has looked at every node, with nothing forgotten; null: it does not. */
  private allSinceMs: number | null = null;
  private readonly early: EarlyEvidence;
  private readonly seenEpochs: SeenEpochs;
  private readonly onKeepalive: HearKeepalive;
  private readonly heard: MonitorsHeard;

  constructor(context: Context, peers: Peers, fencing: FencingLoop, onKeepalive: HearKeepalive) {
    this.onKeepalive = onKeepalive;
    this.context = context;
    this.peers = peers;
    this.fencing = fencing;
    this.seenEpochs = new SeenEpochs(context);
    this.heard = new MonitorsHeard(context, peers, onKeepalive);
    this.early = new EarlyEvidence(context, peers, (name, memory, because) => this.foundOff(name, memory, because));
  }

  /** One look; called with each acknowledged beat. A look that is still going on makes this one void. */
  async look(beat: Beat): Promise<void> {
    if (this.busy || this.context.duties.aborted) return;
    this.busy = true;
    try {
      await this.observeAll(beat);
    } finally {
      this.busy = false;
    }
  }

  private async observeAll(beat: Beat): Promise<void> {
    const { env, board, config } = this.context;
    const intervalMs = config.keepalive.interval;
    const gapMs = this.lastBeatSentMs === null ? intervalMs : beat.sentMs - this.lastBeatSentMs;
    this.lastBeatSentMs = beat.sentMs;
    this.forgetWhatIsOld(gapMs);

    const startedMs = env.clock.monotonicMs();
    const names = await this.peers.refresh();
    if (this.context.self.role !== 'coordinator') {
      await this.heard.look();
      return this.seenEpochs.look(); // workers observe nobody
    }
    if (names === null) return;
    const others = this.peers.others(this.context.self.name).filter(({ role }) => role === 'coordinator');
    board.otherCoordinators = others.map(({ name }) => name);
    this.forgetRemoved();
    const watched = observedBy(this.context.self.name, rankedNodes(this.context, this.peers));
    this.allSinceMs = watched.length < names.length - 1 ? null : (this.allSinceMs ?? startedMs);
    const countedMs = this.allSinceMs === null ? 0 : startedMs - Math.max(this.allSinceMs, board.quietUntilMs);
    this.fencing.countsEverybody = countedMs >= config.timing.detectionMs;
    const sightings = await Promise.all(watched.map((name) => this.sight(name)));
    if (this.context.duties.aborted) return; // ZooKeeper was restored meanwhile: this is of the time before
    const nowMs = env.clock.monotonicMs();
    const session = env.store.session();
    const health: ObserverHealth = {
      sessionLive: session.state === 'connected' && session.generation === this.generation,
      freshContact: true, // this look was called by an own beat, acknowledged after the last look
      lateMs: Math.max(gapMs - intervalMs, nowMs - startedMs, board.lateMs),
      intervalMs,
    };
    this.decideAll(watched, sightings, health, nowMs);
    board.lookedAtMs = nowMs;
    void this.fencing.tick(); // with many open fences it takes longer than a beat, and counting must not wait for it
  }

  private decideAll(
    watched: readonly string[],
    sightings: readonly (Sighting | null)[],
    health: ObserverHealth,
    nowMs: number,
  ): void {
    const { board, config } = this.context;
    const settings = { savingThrows: config.detection.savingThrows, startDeadlineMs: config.detection.startDeadline };
    const quiet = nowMs < board.quietUntilMs;
    const dead: { name: string; memory: PeerMemory; because: string }[] = [];
    for (const [index, name] of watched.entries()) {
      const sighting = sightings[index] ?? null;
      if (sighting === null) continue; // not read in this interval: nothing is counted
      const before = this.memories.get(name) ?? unseenPeer;
      const seen = observe(before, sighting, health, nowMs, settings);
      // In the quiet period what is seen is remembered, what is not seen is not counted.
      const memory = quiet ? forgetThrows(seen.memory, nowMs) : seen.memory;
      const { verdict, because } = quiet ? seen.decision : this.afterRestore(name, before, sighting, seen.decision);
      this.memories.set(name, memory);
      this.remember(name, memory, sighting.kind === 'seen' && sighting.state === 'stop');
      if (quiet && (verdict === 'silent' || verdict === 'dead')) {
        this.show(name, memory, 'unknown', 'the quiet period lasts; nothing is counted', nowMs);
        continue;
      }
      this.tell(name, before, memory, verdict, because);
      this.show(name, memory, verdict, because, nowMs);
      if (verdict === 'alive') this.early.forget(name);
      const isHeld = verdict !== seen.decision.verdict;
      const isSilent = verdict === 'silent' || isHeld;
      const isDue = memory.throws <= settings.savingThrows || memory.throws % heldReadsEach === 0;
      if (isSilent && isDue) this.early.silent(name, memory, this.placeBeside(name));
      const off = this.early.offBecause(name);
      if (isSilent && off !== null) dead.push({ name, memory, because: off });
      if (verdict === 'dead') dead.push({ name, memory, because: withWord(because, this.early.wordOf(name)) });
    }
    for (const name of [...board.peers.keys()]) if (!watched.includes(name)) board.peers.delete(name);
    this.fencing.silentNodes = silentTogether(board.peers, config.detection.savingThrows);
    for (const { name, memory, because } of dead) this.fencing.condemn(name, memory, because);
  }

  /**
   * A node that publishes nothing since a restore may have stopped cleanly after the copy: its machine and its guests may be well, so its
   * silence ends nothing of it. That its power reads off does, that its noded answers, and what an operator asks for.
   */
  private afterRestore(
    name: string,
    before: PeerMemory,
    sighting: Sighting,
    decision: Observation['decision'],
  ): Observation['decision'] {
    const { board, config, history } = this.context;
    if (sighting.kind !== 'seen' || (decision.verdict !== 'silent' && decision.verdict !== 'dead')) return decision;
    const { incarnation, sequence } = sighting;
    if (this.early.isUp(name) || !board.livesBefore.mayHaveStopped(name, incarnation, sequence)) return decision;
    const because = `ZooKeeper was restored from an old copy, and ${name} has published nothing since; it may have stopped before that: start its noded, or nodectl fence ${name}`;
    const isNew = decision.verdict === 'dead' && before.throws < config.detection.savingThrows;
    if (isNew && !this.fencing.isConfirmedOff(name, incarnation))
      history.happened('guard-held', `${name} is not fenced: ${because}`, { node: name });
    return { ...decision, verdict: 'unknown', because };
  }

  /** Power reads off: the other saving throws are not waited for. */
  private foundOff(name: string, memory: PeerMemory, because: string): void {
    const current = this.memories.get(name);
    const { env, board, history, duties } = this.context;
    const stands = current?.incarnation === memory.incarnation && current.sequence === memory.sequence;
    if (!stands || duties.aborted || env.clock.monotonicMs() < board.quietUntilMs) return;
    if (this.fencing.isConfirmedOff(name, memory.incarnation)) return;
    this.show(name, current, 'dead', because, env.clock.monotonicMs());
    history.happened('verdict', `${name} is held for dead: ${because}`, {
      node: name,
      evidence: { throws: current.throws, incarnation: current.incarnation, sequence: current.sequence },
    });
    this.fencing.condemn(name, current, because);
  }

  /** How many observers ask before this one when `name` falls silent. */
  private placeBeside(name: string): number {
    const asking = monitors(rankedNodes(this.context, this.peers).filter((node) => node.name !== name));
    const place = asking.indexOf(this.context.self.name);
    return place < 0 ? asking.length : place;
  }

  private remember(name: string, { incarnation, sequence, lastNewAtMs }: PeerMemory, isStopped: boolean): void {
    if (incarnation === null || sequence === null || lastNewAtMs === null) return;
    const { lastSeen, livesBefore, removed } = this.context.board;
    const before = lastSeen.get(name);
    const isNew = before?.incarnation !== incarnation || before.sequence !== sequence;
    // One that cannot be read takes nothing back.
    const hasStopped = isNew ? isStopped : before.isStopped;
    lastSeen.set(name, { incarnation, sequence, atMs: lastNewAtMs, isStopped: hasStopped });
    livesBefore.see({ name, incarnation }, sequence);
    if (incarnation !== removed.get(name)?.incarnation) removed.delete(name);
  }

  private show(name: string, memory: PeerMemory, verdict: PeerView['verdict'], because: string, nowMs: number): void {
    const silentMs = memory.lastNewAtMs === null ? null : Math.round(nowMs - memory.lastNewAtMs);
    const { heldBack } = this.context.board;
    if (verdict === 'alive') heldBack.delete(name);
    const held = heldBack.get(name)?.slice(0, 600) ?? null;
    this.context.board.peers.set(name, {
      verdict,
      throws: memory.throws,
      silentMs,
      because: because.slice(0, 600),
      incarnation: memory.incarnation,
      isOff: this.early.offBecause(name) !== null || this.fencing.isConfirmedOff(name, memory.incarnation),
      held,
    });
  }

  private tell(name: string, before: PeerMemory, after: PeerMemory, verdict: string, because: string): void {
    const { env, config } = this.context;
    const wasDead = before.throws >= config.detection.savingThrows;
    if (verdict === 'silent' && !this.fencing.isConfirmedOff(name, after.incarnation)) {
      // One throw is everyday: two beats that just crossed. From the second on it is worth a line.
      const facts = { node: name, throws: after.throws, because: `${name}: ${because}` };
      env.log[after.throws === 1 ? 'debug' : 'warn']('saving throw failed', facts);
    }
    if (verdict === 'dead' && !wasDead && !this.fencing.isConfirmedOff(name, after.incarnation)) {
      this.context.history.happened('verdict', `${name} is held for dead: ${because}`, {
        node: name,
        evidence: { throws: after.throws, incarnation: after.incarnation, sequence: after.sequence },
      });
    }
    if (verdict === 'alive' && wasDead && before.incarnation === after.incarnation) {
      this.context.history.happened('verdict-withdrawn', `${name} publishes keepalives again`, { node: name });
    }
  }

  /** Nodes that are not registered any more: nothing is kept of them, however many come and go. */
  private forgetRemoved(): void {
    const { board } = this.context;
    const isRemoved = (name: string) => this.peers.get(name) === null;
    // In a store that was recreated empty nodes are missing that nobody removed.
    if (!tellsOfRestore(this.context))
      for (const [name, seen] of board.lastSeen)
        if (isRemoved(name)) {
          board.removed.delete(name);
          board.removed.set(name, { ...seen, isStopped: true });
        }
    for (const name of board.removed.keys()) if (board.removed.size > removedMax) board.removed.delete(name);
    for (const map of [this.memories, this.unreadable, board.lastSeen, board.heldBack])
      for (const name of map.keys()) if (isRemoved(name)) map.delete(name);
    this.early.forgetRemoved(isRemoved);
  }

  /** S3: what was counted before a new session, a pause or a gap says nothing about now. */
  private forgetWhatIsOld(gapMs: number): void {
    const { env, board, config } = this.context;
    const { timing, keepalive } = config;
    const nowMs = env.clock.monotonicMs();
    const session = env.store.session();
    const newSession = session.generation !== this.generation;
    const paused = board.pausedAtMs !== this.lastPauseMs;
    const first = this.generation < 0;
    this.generation = session.generation;
    this.lastPauseMs = board.pausedAtMs;
    if (!newSession && !paused && gapMs <= 3 * keepalive.interval) return;
    for (const [name, memory] of this.memories) this.memories.set(name, forgetThrows(memory, nowMs));
    this.allSinceMs = null;
    // In a session that survived, all throws anew are time enough: they outlast a session and a beat (timing.ts).
    if (newSession) board.quietUntilMs = nowMs + timing.quietPeriodMs;
    if (first) return;
    const cause = newSession
      ? 'a new session with the store'
      : paused
        ? 'an own pause'
        : `${inWords(gapMs)} without an acknowledged keepalive of its own`;
    const quiet = newSession ? `; nothing is counted for ${inWords(timing.quietPeriodMs)}` : '';
    this.context.history.happened('observer-reset', `all saving throws are forgotten after ${cause}${quiet}`, {});
  }

  /** Coordinators that seem able to act right now, for the turns of a failed fence. */
  presentCoordinators(): { name: string; priority: number }[] {
    return rankedNodes(this.context, this.peers).filter((node) => node.role === 'coordinator' && node.present);
  }

  /** Null: the read failed; that says nothing about the peer. */
  private async sight(name: string): Promise<Sighting | null> {
    const read = await this.context.env.store.read(tree.keepalive(name));
    if (!read.ok && read.code !== 'no-node') return null;
    if (!read.ok || read.text === '') {
      this.context.board.livesBefore.seeNone(name);
      return { kind: 'missing' };
    }
    const parsed = parseRecord(Keepalive, read.text);
    if (!parsed.ok) {
      if (this.unreadable.get(name) !== parsed.because) {
        this.unreadable.set(name, parsed.because);
        const because = `${tree.keepalive(name)} cannot be read: ${parsed.because}; the node counts as unknown`;
        this.context.history.happened('record-unreadable', because, { node: name });
      }
      return { kind: 'unreadable', because: parsed.because };
    }
    this.unreadable.delete(name);
    const { incarnation, sequence, intervalMs, shutdownMs } = parsed.record;
    this.peers.saw(name, incarnation);
    // The first one may be of any time.
    const before = this.memories.get(name)?.sequence ?? null;
    if (before !== null && before !== sequence) this.onKeepalive(name, parsed.record);
    const hasStopped = this.context.board.livesBefore.hasStopped(name, incarnation, sequence);
    const state = hasStopped ? 'stop' : parsed.record.state;
    return { kind: 'seen', incarnation, sequence, state, intervalMs, shutdownMs };
  }
}

function withWord(because: string, word: string): string {
  return word === '' ? because : `${because}; ${word}`;
}
