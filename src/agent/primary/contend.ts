/**
 * One try to win the role: our turn by rank, the exclusive lock, the record read again, one transaction that checks
 * the lock and writes holder and epoch + 1 by version. Whoever loses is a secondary again at once.
 */
import { turnMs } from '../../core/contention.ts';
import { tree } from '../../records/tree.ts';
import { ownHindrance, survey } from './candidates.ts';
import type { Context } from '../context.ts';
import { acquire, release } from '../lock.ts';
import type { Peers } from '../peers.ts';
import type { EpochMemory } from './epoch-memory.ts';
import type { PrimaryFile } from './primary-file.ts';
import { readPrimary, writePrimary } from './primary-file.ts';

/** How soon a hindered node looks at itself again. */
const hinderedMs = 500;

export type Contended =
  | { readonly kind: 'won'; readonly file: PrimaryFile; readonly sentMs: number }
  | { readonly kind: 'wait'; readonly ms: number; readonly because: string }
  /** What the store shows is not trusted yet: no node takes the role before that is over. */
  | { readonly kind: 'blocked'; readonly ms: number; readonly because: string }
  | { readonly kind: 'lost'; readonly because: string };

/** `free`: for how long the record has said, as this node saw it, that nobody holds the role, and with which epoch. */
export async function contend(
  context: Context,
  peers: Peers,
  epochs: EpochMemory,
  free: { readonly forMs: number; readonly epoch: number },
): Promise<Contended> {
  const { env, self, config } = context;
  const { contentionStep, lockTimeout } = config.primary;
  const hindrance = ownHindrance(context);
  if (hindrance !== null) return { kind: 'wait', ms: hinderedMs, because: hindrance };
  const surveyed = await survey(context, peers);
  const seen = epochs.highest;
  for (const { keepalive } of surveyed) if (keepalive != null) epochs.learn(keepalive);
  // The record was read before these keepalives: one of them may be of the node that has taken the role since.
  if (epochs.highest > seen) return { kind: 'wait', ms: 0, because: 'another has seen a newer epoch' };
  const distrust = await epochs.distrust(free.epoch, free.forMs);
  if (distrust !== null) return { kind: 'blocked', ms: hinderedMs, because: distrust };
  const candidates = surveyed.filter((candidate) => candidate.hindrance === null);
  const leftMs = turnMs(self.name, candidates, contentionStep) - free.forMs;
  if (leftMs > 0) return { kind: 'wait', ms: leftMs, because: 'another candidate goes first' };

  const acquired = await acquire(env, tree.primaryLock, self.name, lockTimeout);
  if (!acquired.ok) return { kind: 'lost', because: acquired.because };
  try {
    const now = await readPrimary(context);
    if (now === null) return { kind: 'lost', because: 'the store did not answer' };
    if (!now.readable || now.record.state !== 'none')
      return { kind: 'lost', because: `the role has gone to ${now.record.holder ?? 'nobody readable'}` };
    const since = ownHindrance(context);
    if (since !== null) return { kind: 'lost', because: since };
    const { epoch, previous } = now.record;
    const setBack = await epochs.distrust(epoch, free.forMs);
    if (setBack !== null) return { kind: 'lost', because: setBack };
    const written = await writePrimary(
      context,
      now,
      {
        state: 'takeover',
        holder: self.name,
        incarnation: self.incarnation,
        epoch: epochs.next(epoch),
        because: `${self.name} won the contention: ${now.record.because}`,
        transfer: null,
        previous,
      },
      [{ kind: 'check', path: acquired.lock.path, version: 0 }],
    );
    if (!written.ok) return { kind: 'lost', because: `the write was refused (${written.code}): another was faster` };
    return { kind: 'won', file: written.file, sentMs: written.sentMs };
  } finally {
    void release(env, acquired.lock);
  }
}
