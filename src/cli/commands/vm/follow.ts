/** Waits until a command on a VM has come to its outcome, telling what happens meanwhile. Ctrl-C ends the waiting, nothing else. */
import type { VmRecord } from '../../../records/vm.ts';
import { VmProgress } from '../../../records/vm.ts';
import type { Store } from '../../../environment/store.ts';
import { parseRecord } from '../../../records/record.ts';
import { tree } from '../../../records/tree.ts';
import type { Connected } from '../../connect.ts';
import { pause } from '../../connect.ts';
import { CommandError, exitCodes } from '../../exit-codes.ts';
import type { Output } from '../../output.ts';
import { readCluster } from '../../cluster-view.ts';
import type { VmView } from '../../../records/vm-view.ts';
import { viewVm } from '../../../records/vm-view.ts';
import { findVm, readGuests } from '../../vms.ts';

const lookMs = 150;

/** `done`: null while it is open, else the exit code and the sentence. */
export async function followVm(
  { store, config }: Connected,
  uuid: string,
  withinMs: number,
  output: Output | null,
  done: (vm: VmView) => { readonly code: number; readonly because: string } | null,
): Promise<number> {
  const endMs = Date.now() + withinMs;
  let told = '';
  for (;;) {
    const { record } = await findVm(store, uuid);
    const { nodes } = await readCluster(store, config);
    const guests = await readGuests(
      store,
      nodes.filter((node) => node.name === record.node),
    );
    const vm = viewVm(record, guests.get(record.node));
    const outcome = done(vm);
    if (outcome !== null) {
      const line = `${vm.name}: ${outcome.because}`;
      if (outcome.code !== exitCodes.done) throw new CommandError(outcome.code, line);
      output?.line(line);
      return exitCodes.done;
    }
    const now = vm.move === null ? `${vm.state} on ${vm.node}: ${vm.healthBecause}` : await moveInWords(store, record);
    if (now !== told) output?.line(output.paint('dim', `${vm.name}: ${now}`));
    told = now;
    if (Date.now() > endMs)
      throw new CommandError(exitCodes.timedOut, `${vm.name}: not over within the time; it goes on: ${now}`);
    await pause(lookMs);
  }
}

/** How far a move is. */
async function moveInWords(store: Store, { uuid, move, state }: VmRecord): Promise<string> {
  if (move === null) return state;
  const to = move.target ?? 'the best node';
  if (move.phase === 'asked') return `it is about to move to ${to}`;
  if (move.phase === 'prepared') return `${to} is ready`;
  const read = await store.read(tree.vmProgress(uuid));
  const parsed = read.ok ? parseRecord(VmProgress, read.text) : null;
  if (parsed?.ok !== true || parsed.record.moveId !== move.id) return `it moves to ${to}`;
  const { what, totalBytes, leftBytes } = parsed.record;
  const percent =
    totalBytes === null || leftBytes === null || totalBytes === 0 ? null : 100 - (100 * leftBytes) / totalBytes;
  const left = leftBytes === null ? '' : `, ${(leftBytes / 2 ** 20).toFixed(0)} MiB left`;
  return `it moves to ${to}: ${what}${percent === null ? '' : ` (${percent.toFixed(0)} %${left})`}`;
}

/** The outcome of one move, by its id. */
export function moveOutcome(moveId: string): (vm: VmView) => { code: number; because: string } | null {
  return ({ lastMove, move, node, health, state, because }) => {
    if (move?.id === moveId) return null;
    if (state === 'fail') return { code: exitCodes.failed, because };
    if (lastMove?.id !== moveId) return { code: exitCodes.failed, because: 'its move was overtaken by something else' };
    if (!lastMove.ok) return { code: exitCodes.failed, because: `it did not move: ${lastMove.because}` };
    return health === 'ok' ? { code: exitCodes.done, because: `it runs on ${node}: ${lastMove.because}` } : null;
  };
}
