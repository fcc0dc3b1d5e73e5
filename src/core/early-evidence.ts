/**
 * Cheap evidence that ends the wait for the other saving throws: a silent node whose power reads off twice is dead at
 * once. It is believed only of a device that read on while this very life of the node was alive: what always says off, or
 * was never seen to say on, proves nothing (S4). Power that reads on ends nothing: the node may be hung.
 */
import type { Decision } from './decision.ts';
import { decide, inWords } from './decision.ts';

export interface EarlyFacts {
  /** What the node's devices said since it fell silent, newest last; off: every one of them. */
  readonly readings: readonly ('on' | 'off' | 'unknown')[];
  /** Whether they all read on while this life of the node was alive. */
  readonly provedOn: boolean;
  readonly silentMs: number;
}

/** Readings of off in a row that are asked for. */
export const offReadings = 2;

export function judgeEarly(facts: EarlyFacts): Decision<'dead' | 'read-again' | 'wait'> {
  const { readings, provedOn, silentMs } = facts;
  if (!provedOn)
    return decide('wait', 'its power was not seen as on in this life: a reading of off would prove nothing');
  const newest = readings.at(-1);
  if (newest === 'on') return decide('wait', 'its power reads on: the saving throws decide');
  if (newest === 'unknown') return decide('wait', 'its power could not be read: the saving throws decide');
  if (newest === undefined || readings.slice(-offReadings).length < offReadings)
    return decide('read-again', 'one reading of off is not enough');
  if (readings.slice(-offReadings).some((reading) => reading !== 'off'))
    return decide('read-again', 'its power was not read as off twice');
  const because = `no new keepalive for ${inWords(silentMs)}, and its power reads off, twice; it read on while the node lived`;
  return decide('dead', because, { silentMs: Math.round(silentMs), offReadings });
}
