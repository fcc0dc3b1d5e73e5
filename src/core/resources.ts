/** In which order the primary resources start and stop, and what their health asks for. */
import type { Decision } from './decision.ts';
import { decide } from './decision.ts';

/** Started in the order of the configuration, stopped in reverse: what was up first goes last. */
export function stopOrder<T>(resources: readonly T[]): T[] {
  return [...resources].reverse();
}

export type ResourceStatus = 'running' | 'stopped' | 'unknown';

export interface HealthFacts {
  readonly name: string;
  readonly status: ResourceStatus;
  readonly because: string;
  /** Restarts of this resource within the last hour. */
  readonly restarts: number;
  readonly maxRestarts: number;
  readonly otherCandidates: number;
}

/** What to do about one resource after its status was asked on the beat. An unknown status proves nothing. */
export function judgeHealth(facts: HealthFacts): Decision<'well' | 'restart' | 'relinquish'> {
  if (facts.status === 'running') return decide('well', `${facts.name} runs`);
  if (facts.status === 'unknown') return decide('well', `${facts.name}: its status is not known: ${facts.because}`);
  const died = `${facts.name} has stopped by itself (${facts.because})`;
  if (facts.restarts < facts.maxRestarts) {
    return decide('restart', `${died}; restart ${facts.restarts + 1} of ${facts.maxRestarts} within an hour`);
  }
  if (facts.otherCandidates === 0) {
    return decide(
      'restart',
      `${died} after ${facts.restarts} restarts; there is no other candidate, so it is tried again`,
    );
  }
  return decide(
    'relinquish',
    `${died} after ${facts.restarts} restarts within an hour; a better candidate shall have it`,
  );
}
