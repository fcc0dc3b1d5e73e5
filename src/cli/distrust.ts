/** Distrusted fence devices in words: which, since when, why, and what to do; the same sentence in every command. */
import type { DeviceKnowledge, OwnerOfDevices } from '../core/device-trust.ts';
import { findingInWords, isAt, sharedWith, standingFindings } from '../core/device-trust.ts';
import type { DeviceFault } from '../core/verification.ts';
import { deviceAdvice } from '../core/verification.ts';
import { clockTime } from './output.ts';

/** What is known against one device of a node. */
export interface Distrust {
  readonly device: string;
  readonly where: string;
  readonly fault: DeviceFault;
  /** Wall time in ms of whoever found it; null: it is read from the registrations as they are now. */
  readonly sinceWallMs: number | null;
  readonly because: string;
  readonly by: string | null;
}

interface Owner extends OwnerOfDevices {
  readonly knowledge: DeviceKnowledge | null;
}

/** Everything that is known against the devices of a node. */
export function distrustOf(all: readonly OwnerOfDevices[], node: Owner): Distrust[] {
  return node.devices.flatMap(({ name, where }): Distrust[] => {
    const place = { device: name, where };
    const now = { ...place, sinceWallMs: null, by: null };
    const others = sharedWith(all, node.name, place);
    const shared = `${others.join(' and ')} also ${others.length === 1 ? 'names' : 'name'} it: a fence through it can switch off the wrong machine`;
    const unread = 'what is known of it cannot be read; it is not used until that can be read';
    return [
      ...(others.length === 0 ? [] : [{ ...now, fault: 'shared-bmc', because: shared } as const]),
      ...(node.knowledge === null ? [{ ...now, fault: 'unreadable', because: unread } as const] : []),
      ...standingFindings(node.knowledge?.findings ?? [])
        .filter((finding) => isAt(finding, place))
        .map((one) => ({
          ...place,
          fault: one.kind,
          sinceWallMs: one.sinceWallMs,
          because: findingInWords(one),
          by: one.by,
        })),
    ];
  });
}

/** "node2: fence device ipmi (bmc-node2:623) is distrusted since ...: 2 power-off commands left power on (found by node3)". */
export function distrustInWords(node: string, one: Distrust): string {
  const since = one.sinceWallMs === null ? '' : ` since ${clockTime(one.sinceWallMs).slice(0, 19)}`;
  const by = one.by === null ? '' : ` (found by ${one.by})`;
  return `${node}: fence device ${one.device} (${one.where}) is distrusted${since}: ${one.because}${by}`;
}

/** What to do about it. */
export function distrustAdvice(node: string, { fault }: Distrust): string {
  return deviceAdvice(fault, node);
}
