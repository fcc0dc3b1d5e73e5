/**
 * Saving throws: how an observer decides that a silent peer is dead. Pure; the loop that feeds it is agent/monitor.ts.
 *
 * One call of `observe` is one interval of the observer. It promises:
 *   D1 (S3) a throw is counted only in an interval in which the observer itself was healthy: its session live, its own
 *      write acknowledged since the last sample, its read answered, itself not paused;
 *   D2 (S5) silence is measured by versions of the record and the observer's own monotonic clock, never by anybody's
 *      wall clock;
 *   D3 a record that cannot be read or parsed is `unknown`: it is no sign of life and no sign of death;
 *   D4 a node in `stop` is never dead; `shutdown` is a promise that holds until its deadline;
 *   D5 a node is counted against only from its first complete keepalive of this life on.
 * The form "time as rows" of its tests comes from lodestar; the word "saving throw" from PVC.
 */
import type { Decision } from './decision.ts';
import { decide, inWords } from './decision.ts';
import type { DaemonState } from './node.ts';

/** What one read of a peer's keepalive showed. */
export type Sighting =
  | {
      readonly kind: 'seen';
      readonly incarnation: string;
      readonly sequence: number;
      readonly state: DaemonState;
      /** The beat that the peer itself promises, in ms. */
      readonly intervalMs: number;
      /** For `shutdown`: how long the peer asked for; 0 otherwise. */
      readonly shutdownMs: number;
    }
  | { readonly kind: 'missing' }
  | { readonly kind: 'unreadable'; readonly because: string };

/** The observer's own condition in this interval (D1). */
export interface ObserverHealth {
  readonly sessionLive: boolean;
  /** Its own keepalive was acknowledged, sent after the previous sample: what it reads now is at least that new. */
  readonly freshContact: boolean;
  /** By how much this sample is later than the beat wanted it; above one interval the observer was paused. */
  readonly lateMs: number;
  readonly intervalMs: number;
}

/** What an observer remembers of one peer. */
export interface PeerMemory {
  readonly incarnation: string | null;
  readonly sequence: number | null;
  /** Monotonic time at which the reply that first showed this sequence was received; null: not seen yet. */
  readonly lastNewAtMs: number | null;
  readonly throws: number;
  /** Monotonic time at which this incarnation was first seen in `starting` or `shutdown`; null otherwise. */
  readonly transitionalSinceMs: number | null;
}

export const unseenPeer: PeerMemory = {
  incarnation: null,
  sequence: null,
  lastNewAtMs: null,
  throws: 0,
  transitionalSinceMs: null,
};

export interface DetectionSettings {
  readonly savingThrows: number;
  readonly startDeadlineMs: number;
}

export type PeerVerdict = 'alive' | 'silent' | 'dead' | 'unknown' | 'stopped' | 'excused';

export interface Observation {
  readonly memory: PeerMemory;
  readonly decision: Decision<PeerVerdict>;
}

/** Why the observer may not count in this interval, or null when it may (D1). */
export function observerUnfit(health: ObserverHealth): string | null {
  if (!health.sessionLive) return 'the session with the store is not live';
  if (health.lateMs > health.intervalMs) {
    return `this observer was itself paused (${inWords(health.lateMs)} late)`;
  }
  if (!health.freshContact) return 'no own keepalive was acknowledged since the last sample';
  return null;
}

/**
 * One interval's look at one peer.
 * `sampledAtMs` is the monotonic time at which the reply was received.
 */
export function observe(
  memory: PeerMemory,
  sighting: Sighting,
  health: ObserverHealth,
  sampledAtMs: number,
  settings: DetectionSettings,
): Observation {
  const unfit = observerUnfit(health);
  if (unfit !== null) return keep(memory, 'unknown', `nothing is counted: ${unfit}`);
  if (sighting.kind === 'missing') return keep(memory, 'unknown', 'it has never published a keepalive');
  if (sighting.kind === 'unreadable')
    return keep(memory, 'unknown', `its keepalive cannot be read: ${sighting.because}`);

  if (sighting.incarnation !== memory.incarnation || sighting.sequence !== memory.sequence) {
    return renewed(memory, sighting, sampledAtMs);
  }
  if (sighting.state === 'stop') return keep({ ...memory, throws: 0 }, 'stopped', 'it stopped in good order');
  const excuse = excused(memory, sighting, sampledAtMs, settings);
  if (excuse !== null) return keep(memory, 'excused', excuse);
  return silent(memory, sighting, sampledAtMs, settings);
}

/** Forgets all counts (not what was seen): after own pause, a lost session or a store that was away (S3, S6). */
export function forgetThrows(memory: PeerMemory, nowMs: number): PeerMemory {
  return { ...memory, throws: 0, lastNewAtMs: memory.lastNewAtMs === null ? null : nowMs };
}

function keep(memory: PeerMemory, verdict: PeerVerdict, because: string): Observation {
  return { memory, decision: decide(verdict, because, { throws: memory.throws }) };
}

function renewed(memory: PeerMemory, seen: Extract<Sighting, { kind: 'seen' }>, nowMs: number): Observation {
  const transitional = seen.state === 'starting' || seen.state === 'shutdown';
  const sameLife = seen.incarnation === memory.incarnation;
  const next: PeerMemory = {
    incarnation: seen.incarnation,
    sequence: seen.sequence,
    lastNewAtMs: nowMs,
    throws: 0,
    transitionalSinceMs: transitional ? ((sameLife ? memory.transitionalSinceMs : null) ?? nowMs) : null,
  };
  if (seen.state === 'stop') return keep(next, 'stopped', 'it stopped in good order');
  return keep(next, 'alive', `keepalive ${seen.sequence} is new`);
}

function excused(
  memory: PeerMemory,
  seen: Extract<Sighting, { kind: 'seen' }>,
  nowMs: number,
  settings: DetectionSettings,
): string | null {
  const since = nowMs - (memory.transitionalSinceMs ?? nowMs);
  if (seen.state === 'starting' && since < settings.startDeadlineMs) {
    return `it is starting and has ${inWords(settings.startDeadlineMs - since)} left to finish`;
  }
  if (seen.state === 'shutdown' && since < seen.shutdownMs) {
    return `it is shutting down and has ${inWords(seen.shutdownMs - since)} left of what it asked for`;
  }
  return null;
}

function silent(
  memory: PeerMemory,
  seen: Extract<Sighting, { kind: 'seen' }>,
  nowMs: number,
  settings: DetectionSettings,
): Observation {
  const throws = memory.throws + 1;
  const next = { ...memory, throws };
  const silentMs = nowMs - (memory.lastNewAtMs ?? nowMs);
  const evidence = {
    throws,
    savingThrows: settings.savingThrows,
    silentMs: Math.round(silentMs),
    sequence: seen.sequence,
    incarnation: seen.incarnation,
    state: seen.state,
  };
  // A peer that beats more slowly than its observer gets the time that its own beat needs, less half a beat of jitter.
  const neededMs = (settings.savingThrows - 0.5) * seen.intervalMs;
  if (throws < settings.savingThrows || silentMs < neededMs) {
    const because = `no new keepalive for ${inWords(silentMs)}: saving throw ${throws} of ${settings.savingThrows} failed`;
    return { memory: next, decision: decide('silent', because, evidence) };
  }
  const because = `no new keepalive for ${inWords(silentMs)}: all ${settings.savingThrows} saving throws failed`;
  return { memory: next, decision: decide('dead', because, evidence) };
}
