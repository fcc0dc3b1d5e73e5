/** The matrix who-can-fence-whom as the coordinators have written it: what is known beforehand steers who fences how. */
import { levelStanding } from '../../core/device-trust.ts';
import type { PlanFacts } from '../../core/fencers.ts';
import { proofOf } from '../../core/fencers.ts';
import { levelName, levelsFor } from '../../core/levels.ts';
import { parseRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import { VerificationEntry } from '../../records/verification.ts';
import type { Context } from '../context.ts';
import type { Peers } from '../peers.ts';
import { placesOfNode } from './device-book.ts';

type Candidate = PlanFacts['candidates'][number];

/**
 * Everything that the plan of a fence rests on, read now. A row that cannot be read says nothing of who can fence; what is
 * known against a device stands elsewhere (device-book.ts), and forbids its use when it cannot be read.
 */
export async function planFacts(
  context: Context,
  peers: Peers,
  target: string,
  candidates: readonly Candidate[],
  { deviceIsRight, action }: { readonly deviceIsRight: boolean; readonly action: 'off' | 'reboot' },
): Promise<PlanFacts> {
  const registration = peers.get(target);
  const [rows, standings] = await Promise.all([
    Promise.all(candidates.map(async ({ name }) => [name, await readVerified(context, name, target)] as const)),
    context.devices.standings(target, placesOfNode(registration) ?? [], deviceIsRight),
  ]);
  const verified = new Map(rows.flatMap(([by, row]) => (row === null ? [] : [[by, row.levels] as const])));
  const levels = registration?.levels ?? [];
  const standing = (level: string): ReturnType<PlanFacts['standing']> => {
    const names = levels.find((one) => levelName(one) === level) ?? [];
    return levelStanding(names.flatMap((name) => standings.get(name) ?? []));
  };
  return {
    target,
    levels: levelsFor(action, levels),
    candidates,
    proof: (attempt) => proofOf(attempt, verified),
    standing,
  };
}

/** What one verifier wrote of one node; null: nothing, or it cannot be read. */
async function readVerified(context: Context, by: string, target: string): Promise<VerificationEntry | null> {
  const read = await context.env.store.read(tree.verified(by, target));
  const parsed = read.ok ? parseRecord(VerificationEntry, read.text) : null;
  return parsed?.ok === true ? parsed.record : null;
}
