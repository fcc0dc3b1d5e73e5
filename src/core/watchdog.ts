/**
 * What an armed watchdog is worth (S1c). From its opening on the device ticks, so it is fed or closed, whatever it is worth to
 * others. Its bound is published only if it holds: with the timeout that the device really counts, and over a sleep of the machine.
 */
import type { Decision } from './decision.ts';
import { decide, inWords } from './decision.ts';

export type WatchdogFacts =
  | { readonly opened: false; readonly because: string }
  | {
      readonly opened: true;
      /** What the device says that it counts, and what the configuration asked for. */
      readonly countsMs: number;
      readonly askedMs: number;
      /** It is fed this often. */
      readonly feedMs: number;
      /** With the timeout that was asked for; null: this node's watchdog promises nothing (it runs VMs). */
      readonly boundMs: number | null;
      readonly sleep: { readonly covered: boolean; readonly because: string };
    };

/** `none`: there is none; `close`: it may not stay open; `feed`: it is fed, and nobody relies on it; `rely`: `boundMs` is published. */
export type WatchdogWorth = Decision<'none' | 'close' | 'feed' | 'rely'> & { readonly boundMs: number | null };

/** The timeout must outlast so many feedings. */
const feedingsMin = 4;

export function judgeWatchdog(facts: WatchdogFacts): WatchdogWorth {
  if (!facts.opened) return { ...decide('none', `not armed: ${facts.because}; nobody may rely on it`), boundMs: null };
  const { countsMs, askedMs, feedMs, sleep } = facts;
  const counts = `device timeout is ${inWords(countsMs)}, configured ${inWords(askedMs)}`;
  if (countsMs < feedingsMin * feedMs) {
    const because = `not armed: ${counts}, too short for a feeding every ${inWords(feedMs)}; it is closed again, nobody may rely on it`;
    return { ...decide('close', because), boundMs: null };
  }
  const boundMs = facts.boundMs === null ? null : facts.boundMs - askedMs + countsMs;
  const evidence = { timeoutMs: countsMs, sleep: sleep.because, ...(boundMs === null ? {} : { boundMs }) };
  if (boundMs !== null && !sleep.covered) {
    const because = `armed and fed, but no bound is published, so nobody may rely on it: ${sleep.because}`;
    return { ...decide('feed', because, evidence), boundMs: null };
  }
  return { ...decide('rely', countsMs === askedMs ? 'armed' : `armed: ${counts}`, evidence), boundMs };
}
