/** A node that was fenced to come back, and is left off: by the loop guard, by maintenance, or because power on failed. */
import type { FenceRecord } from '../records/fence.ts';
import { clockTime } from './output.ts';

export interface LeftOff {
  /** A guard or maintenance keeps it off; else it could not be powered on. */
  readonly isHeld: boolean;
  /** "node2 is fenced and left off since ...: why. When it is repaired: nodectl fence node2 --action on". */
  readonly sentence: string;
}

/** Null: it is not. */
export function leftOff(fence: FenceRecord | null): LeftOff | null {
  if (fence?.state !== 'finished' || fence.action !== 'reboot') return null;
  if (fence.level === 'watchdog' || fence.level === 'manual') return null;
  const step = fence.steps.findLast(({ what }) => what === 'stays off' || what === 'power on failed');
  if (step === undefined) return null;
  const isHeld = step.what === 'stays off';
  const since = clockTime(step.wallMs).slice(0, 19);
  const what = isHeld ? 'is fenced and left off' : 'is fenced, and could not be powered on';
  const next = `When it is repaired: nodectl fence ${fence.target} --action on`;
  return { isHeld, sentence: `${fence.target} ${what} since ${since}: ${step.because}. ${next}` };
}
