/**
 * Life after a lost quorum. When ZooKeeper has no quorum nobody may fence or take over; what is safe is turning
 * machines *on*. The survivors that reach each other rank themselves by name, and survivor k powers on the k-th missing
 * coordinator that reads off: each exactly one, then a pause. There is no leader in this and no way back: nothing is ever
 * ordered but power on, so a partition cannot make it harmful. (The lesson is InfraKit's, which let a survivor lead.)
 */
import type { Decision } from './decision.ts';
import { decide, inWords } from './decision.ts';

/** What is known of one other coordinator. */
export interface OtherCoordinator {
  readonly name: string;
  /** What it answered over the API: that it reaches the store, that it does not, or nothing. */
  readonly answer: 'store-there' | 'store-away' | 'nothing';
  /** Why it is not powered on though it is missing (stopped in good order, ...); null: it may be. */
  readonly excused: string | null;
  /** What its devices say; only read of those that are missing. */
  readonly power: 'on' | 'off' | 'unknown';
}

/**
 * A missing coordinator's power, by what each of its devices reads: off as soon as one whole level reads off, for each level alone
 * takes the power away (the BMC may be off, and the outlets on, after a fence by the BMC). To power on what is on does nothing.
 */
export function powerByLevels(
  levels: readonly (readonly string[])[],
  readings: ReadonlyMap<string, OtherCoordinator['power']>,
): OtherCoordinator['power'] {
  const isOff = (level: readonly string[]) => level.length > 0 && level.every((name) => readings.get(name) === 'off');
  if (levels.some(isOff)) return 'off';
  return [...readings.values()].includes('on') ? 'on' : 'unknown';
}

export interface QuorumFacts {
  readonly self: string;
  readonly enabled: boolean;
  /** For how long this node has had no live session with the store. */
  readonly awayMs: number;
  /** A store that is away for less is nothing: elections of its own, a restart. */
  readonly patienceMs: number;
  readonly others: readonly OtherCoordinator[];
  /** For how long this node has powered nobody on; Infinity: never. */
  readonly sinceLastMs: number;
  readonly cooldownMs: number;
  /** This life of noded has never reached the store: it may itself be one that a survivor has just powered on. */
  readonly startedWithout: boolean;
}

/** The sentence, and with `power-on` in evidence.node who is meant. */
export function judgeQuorum(facts: QuorumFacts): Decision<'wait' | 'power-on'> {
  const { self, others } = facts;
  const wait = (because: string) => decide('wait', because);
  if (facts.awayMs < facts.patienceMs)
    return wait(`the store is away for ${inWords(facts.awayMs)}; after ${inWords(facts.patienceMs)} it is looked into`);
  const reaching = others.filter((other) => other.answer === 'store-there').map((other) => other.name);
  if (reaching.length > 0) return wait(`${reaching.join(', ')} reaches the store: it is this node that is cut off`);
  if (!facts.enabled) return wait('fencing.quorumRecovery is off: nothing is powered on');
  const survivors = inNameOrder([
    self,
    ...others.filter((other) => other.answer === 'store-away').map(({ name }) => name),
  ]);
  const isNew = facts.startedWithout && facts.sinceLastMs === Infinity;
  if (isNew && survivors.length > 1 && facts.awayMs < facts.cooldownMs)
    return wait(
      `this noded was started while the store was away; ${survivors.filter((name) => name !== self).join(', ')} may have been there longer, so it waits ${inWords(facts.cooldownMs)}`,
    );
  const missing = others.filter((other) => other.answer === 'nothing' && other.excused === null);
  const off = inNameOrder(missing.filter((other) => other.power === 'off').map((other) => other.name));
  const place = survivors.indexOf(self);
  const target = off[place];
  if (target === undefined) {
    const left = missing.map(({ name, power }) => `${name} (power ${power})`).join(', ');
    return wait(
      off.length === 0
        ? `no missing coordinator reads off${left === '' ? '' : `: ${left}`}`
        : `of the coordinators that read off (${off.join(', ')}) each is the turn of one survivor: ${survivors.slice(0, off.length).join(', ')}`,
    );
  }
  if (facts.sinceLastMs < facts.cooldownMs)
    return wait(
      `${target} reads off; this node has powered one on ${inWords(facts.sinceLastMs)} ago and waits ${inWords(facts.cooldownMs)} in all`,
    );
  return decide(
    'power-on',
    `ZooKeeper has no quorum for ${inWords(facts.awayMs)}; of the survivors (${survivors.join(', ')}) ${self} is number ${place + 1}, and ${target} is number ${place + 1} of the coordinators that read off`,
    { node: target },
  );
}

/** By name as people count: node2 before node10. Never by locale. */
export function inNameOrder(names: readonly string[]): string[] {
  return [...names].sort(compareNames);
}

function compareNames(a: string, b: string): number {
  const parts = (name: string) => name.match(/\d+|\D+/g) ?? [];
  const left = parts(a);
  const right = parts(b);
  for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
    const x = left[at] ?? '';
    const y = right[at] ?? '';
    if (x === y) continue;
    const numbers = /^\d/.test(x) && /^\d/.test(y) ? Number(x) - Number(y) : 0;
    return numbers !== 0 ? numbers : x < y ? -1 : 1;
  }
  return 0;
}
