/** Time as rows: each row is one interval of the observer (the form is lodestar's). */
import { forgetThrows, observe, unseenPeer } from '../../src/core/detection.ts';
import type { ObserverHealth, PeerMemory, PeerVerdict, Sighting } from '../../src/core/detection.ts';

const intervalMs = 1000;
const settings = { savingThrows: 3, startDeadlineMs: 10_000 };
const healthy: ObserverHealth = { sessionLive: true, freshContact: true, lateMs: 0, intervalMs };
const beat = (sequence: number, more: Partial<Extract<Sighting, { kind: 'seen' }>> = {}): Sighting => ({
  kind: 'seen',
  incarnation: 'life-1',
  sequence,
  state: 'run',
  intervalMs,
  shutdownMs: 0,
  ...more,
});

/** [what is seen, the observer's condition, the verdict, the throws afterwards] */
type Row = readonly [Sighting, Partial<ObserverHealth>, PeerVerdict, number];

function play(rows: readonly Row[], from: PeerMemory = unseenPeer): PeerMemory {
  let memory = from;
  for (const [index, [sighting, health, verdict, throws]] of rows.entries()) {
    const seen = observe(memory, sighting, { ...healthy, ...health }, 10_000 + index * intervalMs, settings);
    expect({ row: index, verdict: seen.decision.verdict, throws: seen.memory.throws }).toEqual({
      row: index,
      verdict,
      throws,
    });
    expect(seen.decision.because).not.toBe('');
    memory = seen.memory;
  }
  return memory;
}

it('a peer that beats is alive', () => {
  play([
    [beat(1), {}, 'alive', 0],
    [beat(2), {}, 'alive', 0],
    [beat(5), {}, 'alive', 0],
  ]);
});

it('a silent peer fails its throws one by one and is dead at the last', () => {
  play([
    [beat(1), {}, 'alive', 0],
    [beat(1), {}, 'silent', 1],
    [beat(1), {}, 'silent', 2],
    [beat(1), {}, 'dead', 3],
    [beat(1), {}, 'dead', 4],
  ]);
});

it('a new keepalive resets the count', () => {
  play([
    [beat(1), {}, 'alive', 0],
    [beat(1), {}, 'silent', 1],
    [beat(1), {}, 'silent', 2],
    [beat(2), {}, 'alive', 0],
    [beat(2), {}, 'silent', 1],
  ]);
});

it('S3: an interval in which the observer was unfit counts nothing and forgets nothing', () => {
  play([
    [beat(1), {}, 'alive', 0],
    [beat(1), {}, 'silent', 1],
    [beat(1), { sessionLive: false }, 'unknown', 1],
    [beat(1), { freshContact: false }, 'unknown', 1],
    [beat(1), { lateMs: intervalMs + 1 }, 'unknown', 1],
    [beat(1), { lateMs: intervalMs }, 'silent', 2],
    [beat(1), {}, 'dead', 3],
  ]);
});

it('an unfit observer does not even learn that a peer lives: what it read may be old', () => {
  play([
    [beat(1), {}, 'alive', 0],
    [beat(2), { sessionLive: false }, 'unknown', 0],
    [beat(2), {}, 'alive', 0],
  ]);
});

it('S5: time alone condemns nobody: throws are counted, not seconds', () => {
  const first = observe(unseenPeer, beat(1), healthy, 0, settings).memory;
  const late = observe(first, beat(1), healthy, 3_600_000, settings);
  expect(late.decision.verdict).toBe('silent');
  expect(late.memory.throws).toBe(1);
});

it('a slower peer gets the time of its own beat', () => {
  const slow = (sequence: number) => beat(sequence, { intervalMs: 2000 });
  play([
    [slow(1), {}, 'alive', 0],
    [slow(1), {}, 'silent', 1],
    [slow(1), {}, 'silent', 2],
    [slow(1), {}, 'silent', 3],
    [slow(1), {}, 'silent', 4],
    [slow(1), {}, 'dead', 5],
  ]);
});

it('a stopped node is never dead', () => {
  const stopped = beat(7, { state: 'stop' });
  play([
    [beat(6), {}, 'alive', 0],
    [stopped, {}, 'stopped', 0],
    [stopped, {}, 'stopped', 0],
    [stopped, {}, 'stopped', 0],
    [stopped, {}, 'stopped', 0],
  ]);
});

it('shutdown is a promise with a deadline, after which silence counts like any other', () => {
  const leaving = beat(7, { state: 'shutdown', shutdownMs: 2500 });
  play([
    [leaving, {}, 'alive', 0],
    [leaving, {}, 'excused', 0],
    [leaving, {}, 'excused', 0],
    [leaving, {}, 'silent', 1],
    [leaving, {}, 'silent', 2],
    [leaving, {}, 'dead', 3],
  ]);
});

it('the promise of a shutdown runs from its first keepalive, not from each', () => {
  const leaving = (sequence: number) => beat(sequence, { state: 'shutdown', shutdownMs: 2500 });
  play([
    [leaving(1), {}, 'alive', 0],
    [leaving(2), {}, 'alive', 0],
    [leaving(3), {}, 'alive', 0],
    [leaving(3), {}, 'silent', 1],
  ]);
});

it('a starting node is excused until its deadline', () => {
  const starting = beat(1, { state: 'starting' });
  const excused = Array.from({ length: 9 }, (): Row => [starting, {}, 'excused', 0]);
  play([[starting, {}, 'alive', 0], ...excused, [starting, {}, 'silent', 1]]);
});

it('a new incarnation begins with no throws, even with the same number', () => {
  play([
    [beat(1), {}, 'alive', 0],
    [beat(1), {}, 'silent', 1],
    [beat(1, { incarnation: 'life-2' }), {}, 'alive', 0],
    [beat(1, { incarnation: 'life-2' }), {}, 'silent', 1],
  ]);
});

it('what cannot be read is unknown: no sign of life, no sign of death', () => {
  const garbage: Sighting = { kind: 'unreadable', because: 'it is not JSON' };
  play([
    [beat(1), {}, 'alive', 0],
    [beat(1), {}, 'silent', 1],
    [garbage, {}, 'unknown', 1],
    [garbage, {}, 'unknown', 1],
    [garbage, {}, 'unknown', 1],
    [garbage, {}, 'unknown', 1],
    [{ kind: 'missing' }, {}, 'unknown', 1],
  ]);
});

it('forgetting after an own pause: the peer gets all its throws again', () => {
  const memory = play([
    [beat(1), {}, 'alive', 0],
    [beat(1), {}, 'silent', 1],
    [beat(1), {}, 'silent', 2],
  ]);
  play(
    [
      [beat(1), {}, 'silent', 1],
      [beat(1), {}, 'silent', 2],
      [beat(1), {}, 'dead', 3],
    ],
    forgetThrows(memory, 10_000 - intervalMs),
  );
});
