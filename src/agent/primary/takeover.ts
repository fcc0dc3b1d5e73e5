/** The takeover: from a record that names this life to `primary`, or back. */
import type { Operation } from '../../environment/store.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import type { PrimaryFile } from './primary-file.ts';
import { writePrimary } from './primary-file.ts';
import type { KeeperOutcome } from './resource-keeper.ts';
import type { Tenure } from './tenure.ts';
import { findTransfer, followed, moved, writeOf } from './transfers.ts';

/** What a step of the role leaves behind: the record as it now stands, or null when it has to be read again. */
export type Left = PrimaryFile | null;

/** `sentMs`: when the keepalive was sent from which the lease counts; never later than the write that names this life. */
export async function takeOver(context: Context, tenure: Tenure, file: PrimaryFile, sentMs: number): Promise<Left> {
  const { env, history, self } = context;
  const { record } = file;
  const { keeper } = tenure;
  const beganMs = env.clock.monotonicMs();
  tenure.begin(file, sentMs);
  // A transfer is journalled while it is prepared; the hand-over does not wait for the disk again.
  let done: KeeperOutcome = { ok: true, because: 'noted' };
  if (keeper.heldEpoch !== record.epoch)
    done = await keeper.journalHeld({ epoch: record.epoch, peer: record.previous, isPromised: false });
  if (done.ok) done = await keeper.hooks('takeover', tenure.facts, tenure.signal);
  if (done.ok) done = await keeper.startAll(tenure.facts, beganMs, tenure.signal, () => tenure.mayGoOn());
  if (tenure.isLost()) return null;
  const what = done.ok ? 'has taken over' : 'could not take over';
  history.happened('takeover', `${self.name} ${what} with epoch ${record.epoch}: ${record.because}`, {
    node: self.name,
    evidence: {
      epoch: record.epoch,
      tookMs: Math.round(env.clock.monotonicMs() - beganMs),
      ok: done.ok,
      ...followed(record.transfer),
    },
  });
  if (!done.ok) return failedToStart(context, tenure, file, done);
  tenure.role.on('started', done.because);
  return publish(context, file);
}

/** Says in the record that this node is primary. */
export async function publish(context: Context, file: PrimaryFile): Promise<Left> {
  const { self, history } = context;
  const { holder, incarnation, epoch, transfer, previous } = file.record;
  const change = { state: 'primary', holder, incarnation, epoch, transfer, previous } as const;
  const written = await writePrimary(context, file, { ...change, because: `${self.name} runs all resources` });
  if (!written.ok) return null;
  const evidence = { epoch, ...followed(transfer) };
  history.happened('primary', `${self.name} is primary with epoch ${epoch}`, { node: self.name, evidence });
  return written.file;
}

/** What was started is stopped again, and the role goes back or is free. */
async function failedToStart(
  context: Context,
  tenure: Tenure,
  file: PrimaryFile,
  failure: KeeperOutcome,
): Promise<Left> {
  const { board, env, config, self } = context;
  const { role, keeper } = tenure;
  role.on('startFailed', failure.because);
  const stopped = await keeper.stopAll(tenure.facts);
  if (tenure.isLost()) return null;
  if (!stopped.ok) {
    tenure.lose(`what could not be started cannot be stopped either: ${stopped.because}`);
    return null;
  }
  board.barredUntilMs = env.clock.monotonicMs() + config.primary.barAfterFailure;
  board.barredBecause = failure.because;
  tenure.end('what had been started is stopped again');
  await keeper.journalHeld(null);
  const back = await handBack(context, file, failure);
  return back ?? release(context, tenure, file, `${self.name} could not take over: ${failure.because}`);
}

/** To the node that handed the role over, if it lives and may have it. */
async function handBack(context: Context, file: PrimaryFile, failure: KeeperOutcome): Promise<Left> {
  const { self } = context;
  const transfer = file.record.transfer === null ? null : await findTransfer(context, file.record.transfer);
  if (transfer?.record.mayReturn !== true || transfer.record.from === self.name) return null;
  const because = `${self.name} could not start: ${failure.because}`;
  const back = moved(context, transfer, 'startFailed', because);
  if (back === null) return null;
  const { from, fromIncarnation } = transfer.record;
  const whom = { holder: from, incarnation: fromIncarnation, epoch: file.record.epoch + 1 };
  const change = { state: 'takeover', ...whom, because, transfer: transfer.id, previous: self.name } as const;
  const present: Operation = { kind: 'check', path: tree.session(from), version: 0 };
  const written = await writePrimary(context, file, change, [present, writeOf(transfer, back)]);
  return written.ok ? written.file : null;
}

/** Writes that nothing of the role is left here; the loop repeats it until it is written. `least`: epochs never fall. */
export async function release(
  context: Context,
  tenure: Tenure,
  file: PrimaryFile,
  because: string,
  least = 0,
): Promise<Left> {
  const { self, history } = context;
  const epoch = Math.max(file.record.epoch, least);
  // What nodectl's commands were promised under this epoch must have ended before anybody else may begin.
  const running = await tenure.holds.drained();
  if (running !== null) {
    context.env.log.error('the role is kept', { because: running });
    return null;
  }
  const nobody = { state: 'none', holder: null, incarnation: null, transfer: null } as const;
  const written = await writePrimary(context, file, { ...nobody, epoch, because, previous: self.name });
  if (!written.ok) return null;
  tenure.role.note({ from: 'secondary', event: 'released', to: 'secondary', because });
  history.happened('role-free', because, { node: self.name, evidence: { epoch } });
  return written.file;
}
