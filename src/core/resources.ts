/** In which order the primary resources start and stop, and what their health asks for. */
import type { Decision } from './decision.ts';
import { decide } from './decision.ts';

/** Started in the order of the configuration, stopped in reverse: what was up first goes last. */
export function stopOrder<T>(resources: readonly T[]): T[] {
  return [...resources].reverse();
}

/** `dead`: it has ended, and left something behind (a pid file, a lock); `unknown`: it is not told, or not in time. */
export type ResourceStatus = 'running' | 'stopped' | 'dead' | 'unknown';

/** What the exit code of a status command says (LSB, "Init Script Actions": 1 and 2 are dead with a pid file or a lock). */
export function statusOfExitCode(code: number): ResourceStatus {
  if (code === 0) return 'running';
  if (code === 3) return 'stopped';
  return code === 1 || code === 2 ? 'dead' : 'unknown';
}

export interface SeenStatus {
  readonly name: string;
  readonly status: ResourceStatus;
  readonly because: string;
  /** How many checks in a row found the status unknown, this one included. */
  readonly unknownChecks: number;
  /** From so many on, unknown counts as failed. */
  readonly unknownLimit: number;
}

export interface HealthFacts extends SeenStatus {
  /** Restarts of this resource within the last hour. */
  readonly restarts: number;
  readonly maxRestarts: number;
  readonly otherCandidates: number;
}

/** Why a resource counts as failed; null: it does not, or not yet. */
export function failureOf({ name, status, because, unknownChecks, unknownLimit }: SeenStatus): string | null {
  if (status === 'running') return null;
  if (status === 'stopped') return `${name} has stopped by itself (${because})`;
  if (status === 'dead') return `${name} is dead (${because})`;
  if (unknownChecks < unknownLimit) return null;
  return `status of ${name} is unknown: ${unknownChecks} checks in a row (${because}); it counts as failed`;
}

/** What to do about one resource after its status was asked. One unknown status proves nothing; several in a row are a failure. */
export function judgeHealth(facts: HealthFacts): Decision<'well' | 'wait' | 'restart' | 'relinquish'> {
  const { name, status, because, restarts, maxRestarts, unknownChecks, unknownLimit } = facts;
  const failed = failureOf(facts);
  if (status === 'running') return decide('well', `${name} runs`);
  if (failed === null)
    return decide('wait', `status of ${name} is unknown: check ${unknownChecks} of ${unknownLimit} (${because})`);
  if (restarts < maxRestarts)
    return decide('restart', `${failed}; restart ${restarts + 1} of ${maxRestarts} within an hour`);
  if (facts.otherCandidates > 0)
    return decide(
      'relinquish',
      `${failed} after ${restarts} restarts within an hour; a better candidate shall have it`,
    );
  // It may well run: restarting it for ever because its status command is broken would be the outage itself.
  if (status === 'unknown')
    return decide('wait', `${failed} after ${restarts} restarts; there is no other candidate, so it is left as it is`);
  return decide('restart', `${failed} after ${restarts} restarts; there is no other candidate, so it is tried again`);
}
