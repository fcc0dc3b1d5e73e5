/**
 * How long a noded tells others that ZooKeeper was restored from an old copy. A noded that starts must wait for what the copy lacks as long
 * as those do that saw the restore, so each tells it until its own waiting is over.
 */
import type { Board, Context } from './context.ts';

/** At least this long. */
export const recentMs = 60_000;
/** A worker without VMs waits for nothing itself. */
const workerTellsForMs = 600_000;

/**
 * A noded that was killed, or whose life has ended, is there again within this time. Who starts meanwhile asks it again; who has seen a restore
 * takes no role before that, for the one that knows the last epoch may be unknown to everybody else.
 */
export const restartMs = 5000;

/** Why nothing can be said of a restore yet. */
export function askingInWords({ self, board }: Pick<Context, 'self' | 'board'>): string {
  return board.diskTrouble === null
    ? `${self.name} asks the others whether ZooKeeper was restored from an old copy`
    : `${self.name} cannot read whether it saw that ZooKeeper was restored: ${board.diskTrouble}`;
}

/** Whether the records of VMs may still be of the copy: not every node has said which guests it runs. */
export function vmRecordsAreOld({ setBackAtMs, vmsHeardOfMs }: Board): boolean {
  return setBackAtMs !== null && vmsHeardOfMs !== setBackAtMs;
}

/** Whether something of the restore is not known again. */
export function waitsAfterRestore({ env, self, board }: Pick<Context, 'env' | 'self' | 'board'>): boolean {
  const { setBackAtMs } = board;
  if (setBackAtMs === null) return false;
  if (env.hypervisor !== null && vmRecordsAreOld(board)) return true;
  return self.role === 'coordinator' && board.roleHeardOfMs !== setBackAtMs;
}

export function tellsOfRestore(context: Pick<Context, 'env' | 'self' | 'board'>): boolean {
  const { env, self, board } = context;
  if (board.setBackAtMs === null) return false;
  if (waitsAfterRestore(context)) return true;
  const waits = env.hypervisor !== null || self.role === 'coordinator';
  return env.clock.monotonicMs() - board.setBackAtMs < (waits ? recentMs : workerTellsForMs);
}
