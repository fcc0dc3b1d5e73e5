/**
 * A guest when ZooKeeper is restored: it moved after the copy, and libvirt there is silent or gives half an answer when the copy is put
 * back; it moves or starts just then; it is neither running nor off. By a chance of its own, in a sixth of the stories with VMs, so that the
 * other faults of a seed stay what they are.
 */
import type { Settings } from '../cluster.ts';

interface Dice {
  is(probability: number): boolean;
  between(low: number, high: number): number;
  pick<T>(items: readonly T[]): T;
}

type Add = (atMs: number, command: string) => void;

/** So long after the copy the store goes down: a VM has been stopped, moved and started in between. */
const meanwhileMs = 6000;
const kinds = ['silent', 'silent', 'half', 'moves', 'moves', 'starts', 'neither'] as const;

/** From `fromMs` to `untilMs`, when the story is repaired. What has to be configured for it. */
export function restoredGuests(
  dice: Dice,
  { names, vms }: { readonly names: readonly string[]; readonly vms: readonly string[] },
  [fromMs, untilMs]: readonly [number, number],
  add: Add,
): Settings {
  if (!dice.is(0.16) || untilMs - fromMs < meanwhileMs + 3000) return {};
  const vm = dice.pick(vms);
  const node = dice.pick(names);
  const copiedMs = dice.between(fromMs, untilMs - meanwhileMs - 2000);
  const downMs = copiedMs + meanwhileMs;
  const upMs = downMs + dice.between(200, 1500);
  const soon = (ms: number) => Math.min(ms, untilMs - 1);
  add(copiedMs, 'store copy B');
  add(downMs, 'store down');
  add(upMs - 100, 'store restore B');
  add(upMs, 'store up');
  const kind = dice.pick(kinds);
  if (kind === 'moves') {
    add(copiedMs + 1, `libvirt HOME-${vm} slow-copy=${dice.between(2, 12)}s`);
    add(downMs - dice.between(200, 1500), `vm ${vm} migrate-live ${node}`);
    const atArrival = soon(upMs + dice.between(0, 6000));
    const fault = dice.pick([`freeze ${node}`, `libvirt ${node} hangs`, `kill HOME-${vm}`, null]);
    if (fault === `kill HOME-${vm}`) add(copiedMs + 2, `libvirt HOME-${vm} copies-alone`);
    if (fault !== null) add(atArrival, fault);
    if (fault === `freeze ${node}`) add(soon(atArrival + dice.between(500, 2500)), `thaw ${node}`);
  } else if (kind === 'starts') {
    add(copiedMs + 100, `vm ${vm} stop`);
    add(downMs - 1700, `vm ${vm} move ${node}`);
    add(downMs - 1600, `libvirt ${node} slow-start=${dice.between(3, 12)}s`);
    add(downMs - 1500, `vm ${vm} start`);
  } else {
    add(copiedMs + 100, `vm ${vm} migrate-live ${node}`);
    const before = downMs - dice.between(1, 2500);
    if (kind === 'neither') {
      add(before, `guest ${vm} HOME-${vm} ${dice.pick(['panic', 'io-error'])}`);
      return {};
    }
    add(before, `libvirt ${node} ${kind === 'silent' ? 'hangs' : dice.pick(['no-names', 'no-states'])}`);
    if (dice.is(0.5)) add(soon(upMs + dice.between(3000, 30_000)), `libvirt ${node} ok`);
  }
  // One that hangs is given up only after the others have heard this node.
  return dice.is(0.7) ? { 'vms.commandTimeout': '10s' } : {};
}
