/**
 * Time. Promises:
 *   CLOCK1 monotonicMs never goes back, knows nothing of the wall clock (S5), and is one clock for all processes of a machine;
 *   CLOCK2 sleep resolves not before `ms` have passed, or as soon as the signal is aborted; it never rejects;
 *   CLOCK3 wallMs is for people to read; no decision between nodes may rest on it;
 *   CLOCK4 suspendedMs grows by the time that the machine slept (monotonicMs does not see it).
 */
export interface Clock {
  monotonicMs(): number;
  wallMs(): number;
  suspendedMs(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
