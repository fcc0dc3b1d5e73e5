/**
 * What the parts of one machine do to a noded that is itself well: status commands that say nothing, poor watchdogs. By a chance of
 * its own, so that the other faults of a seed stay what they are.
 */
import type { Settings } from '../cluster.ts';

interface Dice {
  is(probability: number): boolean;
  between(low: number, high: number): number;
  pick<T>(items: readonly T[]): T;
}

type Add = (atMs: number, command: string) => void;

export interface DeviceFaults {
  /** Until then the story may not be repaired, so that what they do is seen. */
  readonly untilMs: number;
  /** What has to be configured for them. */
  readonly set: Settings;
}

/** From `fromMs` to `lastMs`, when the story would be repaired. */
export function deviceFaults(
  dice: Dice,
  { names, bmcOnly }: { readonly names: readonly string[]; readonly bmcOnly: boolean },
  [fromMs, lastMs]: [number, number],
  add: Add,
): DeviceFaults {
  const untilMs = [lastMs];
  if (dice.is(0.2)) untilMs.push(silentStatus(dice, names, dice.between(fromMs, lastMs), add));
  if (dice.is(0.15)) untilMs.push(hungDisk(dice, names, dice.between(fromMs, lastMs), add));
  const hasWatchdogs = bmcOnly && dice.is(0.25);
  if (hasWatchdogs) untilMs.push(poorWatchdogs(dice, names, dice.between(fromMs, lastMs), add));
  return { untilMs: Math.max(...untilMs), set: hasWatchdogs ? watchdogFirst : {} };
}

const watchdogFirst: Settings = { 'node.watchdog': { timeout: '4s' }, 'fencing.levels': [['watchdog'], ['ipmi']] };
/** From falling silent until the longest of these watchdogs has certainly run out for the others, and more. */
const watchdogMs = 30_000;

/** Watchdogs that round their timeout or stand still in sleep; then a machine that sleeps or hangs while its BMC does not answer. */
function poorWatchdogs(dice: Dice, names: readonly string[], atMs: number, add: Add): number {
  for (const name of names) {
    if (dice.is(0.5)) add(500, `watchdog ${name} stands-still`);
    if (dice.is(0.5)) add(500, `watchdog ${name} counts=${dice.pick(['500ms', '6s', '12s', '12s'])}`);
  }
  const node = dice.pick(['PRIMARY', 'PRIMARY', ...names]);
  add(atMs, `bmc ${node} down`);
  add(atMs + 1, dice.pick([`suspend ${node}`, `suspend ${node}`, `freeze ${node}`]));
  return atMs + watchdogMs;
}

/** Long enough to be seen (sim/checkers/role-moves-on.ts). */
const hungMs = 25_000;

/** A disk that hangs, often under a primary that has to let go, or under all that could follow it. */
function hungDisk(dice: Dice, names: readonly string[], atMs: number, add: Add): number {
  const hung = dice.is(0.3) ? names : [dice.pick(['PRIMARY', ...names])];
  for (const name of hung) add(atMs, `hang ${name} disk`);
  const strike = dice.pick(['cut PRIMARY --store', 'transfer PRIMARY -', 'power PRIMARY off', 'kill PRIMARY', '']);
  if (strike !== '') add(atMs + dice.between(1, 4000), strike);
  if (strike.startsWith('cut')) add(atMs + 6000, 'heal');
  return atMs + hungMs;
}

/** How long an unknown status may go on in a story until something must have been done (sim/checkers/failed-is-tried.ts), and more. */
const unknownForMs = 22_000;

/** A resource that dies while its status command does not say so; returns until when that has to last. */
function silentStatus(dice: Dice, names: readonly string[], atMs: number, add: Add): number {
  const node = dice.pick(['PRIMARY', 'PRIMARY', 'PRIMARY', ...names]);
  const what = dice.pick(['vip', 'db']);
  add(atMs, `resource ${node} ${what} ${dice.pick(['status-unknown', 'status-hangs', 'leaves-pid-file'])}`);
  if (dice.is(0.8)) add(atMs + dice.pick([0, 400, 4000]), `resource ${node} ${what} die`);
  return atMs + unknownForMs;
}
