/** The graceful end of a tenure: stop in reverse, then one write hands the role over. Who cannot stop goes on. */
import type { Operation } from '../../environment/store.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import type { PrimaryFile } from './primary-file.ts';
import { writePrimary } from './primary-file.ts';
import type { KeeperOutcome } from './resource-keeper.ts';
import type { Left } from './takeover.ts';
import { release } from './takeover.ts';
import type { Tenure } from './tenure.ts';
import type { OpenTransfer } from './transfers.ts';
import { followed, moved, tellEnd, writeOf } from './transfers.ts';

/** To the target of `transfer`, or (null) to nobody. */
export async function relinquish(
  context: Context,
  tenure: Tenure,
  file: PrimaryFile,
  transfer: OpenTransfer | null,
  reason: string,
): Promise<Left> {
  const { self, history } = context;
  const { role, keeper } = tenure;
  const peer = transfer?.record.to ?? null;
  const { holder, incarnation, epoch, previous } = file.record;
  const begun = transfer === null ? null : moved(context, transfer, 'stopBegun', `${self.name} stops its resources`);
  const own = { holder, incarnation, epoch, previous, transfer: transfer?.id ?? null };
  const also = transfer === null || begun === null ? [] : [writeOf(transfer, begun)];
  const written = await writePrimary(context, file, { state: 'relinquish', ...own, because: reason }, also);
  if (!written.ok || tenure.isLost()) return null; // nothing was touched; the next look sees what is
  const stopping =
    transfer === null || begun === null ? null : { ...transfer, record: begun, version: transfer.version + 1 };
  role.on('askedToRelinquish', reason);
  tenure.facts = { ...tenure.facts, peer, reason };
  const running = await tenure.holds.drained();
  let done: KeeperOutcome = running === null ? { ok: true, because: '' } : { ok: false, because: running };
  if (done.ok) done = await keeper.hooks('relinquish', tenure.facts, tenure.signal);
  if (done.ok) done = await keeper.stopAll(tenure.facts);
  if (tenure.isLost()) return null;
  if (!done.ok) return keepOn(context, tenure, written.file, stopping, done);
  tenure.end(done.because);
  const left =
    (await passOn(context, tenure, written.file, stopping, reason)) ??
    (await release(context, tenure, written.file, `${self.name} has stopped everything: ${reason}`));
  await keeper.journalHeld(null);
  const whom = left?.record.holder ?? null;
  const because = `${self.name} has ${whom === null ? 'given the role up' : `handed the role to ${whom}`}: ${reason}`;
  const evidence = { epoch, ...followed(stopping?.id) };
  history.happened('relinquish', because, { node: self.name, evidence });
  return left;
}

/** It cannot stop, so it goes on: what it had stopped is started again. */
async function keepOn(
  context: Context,
  tenure: Tenure,
  file: PrimaryFile,
  transfer: OpenTransfer | null,
  failure: KeeperOutcome,
): Promise<Left> {
  const { self, env } = context;
  const { role, keeper } = tenure;
  role.on('stopFailed', failure.because);
  const nowMs = env.clock.monotonicMs();
  const again = await keeper.startAll(tenure.facts, nowMs, tenure.signal, () => tenure.mayGoOn());
  if (tenure.isLost()) return null;
  if (!again.ok) {
    tenure.lose(`it can neither stop (${failure.because}) nor go on (${again.because})`);
    return null;
  }
  role.on('started', 'everything that had been stopped runs again');
  const { holder, incarnation, epoch, previous } = file.record;
  const because = `${self.name} could not let go and goes on: ${failure.because}`;
  const ended = transfer === null ? null : moved(context, transfer, 'stopFailed', because);
  const change = { state: 'primary', holder, incarnation, epoch, because, transfer: null, previous } as const;
  const also = transfer === null || ended === null ? [] : [writeOf(transfer, ended)];
  const written = await writePrimary(context, file, change, also);
  if (written.ok && transfer !== null && ended !== null) tellEnd(context, transfer.id, ended, because);
  return written.ok ? written.file : null;
}

/** The one write that hands the role over. Null: the target has gone in the last moment, or there is none. */
async function passOn(
  context: Context,
  tenure: Tenure,
  file: PrimaryFile,
  transfer: OpenTransfer | null,
  reason: string,
): Promise<Left> {
  const { self, env, history } = context;
  if (transfer?.record.to == null) return null;
  const nowMs = env.clock.monotonicMs();
  const tenths = (ms: number) => Math.round(ms * 10) / 10;
  const stoppedForMs = Object.fromEntries(
    [...tenure.keeper.stoppedAtMs].map(([name, ms]) => [name, tenths(nowMs - ms)]),
  );
  const { to, toIncarnation } = transfer.record;
  const because = `${self.name} handed over to ${to}: ${reason}`;
  const next = moved(context, transfer, 'handedOver', because, { stoppedForMs });
  const whom = { holder: to, incarnation: toIncarnation, epoch: file.record.epoch + 1 };
  const change = { state: 'takeover', ...whom, because, transfer: transfer.id, previous: self.name } as const;
  const present: Operation = { kind: 'check', path: tree.session(to), version: 0 };
  const done = await writePrimary(
    context,
    file,
    change,
    next === null ? [present] : [present, writeOf(transfer, next)],
  );
  if (done.ok) return done.file;
  const gone = `${transfer.id}: ${to} has gone in the last moment (${done.code}); the role is free for all`;
  history.happened('transfer', gone, { node: to, evidence: { transferId: transfer.id } });
  return null;
}
