/** The matrix who-can-fence-whom as the coordinators have written it: what is known beforehand steers who fences how. */
import type { Attempt, PlanFacts, Proof } from '../../core/fencers.ts';
import { triableLevels } from '../../core/levels.ts';
import { parseRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import { VerificationRow } from '../../records/verification.ts';
import type { Context } from '../context.ts';
import type { Peers } from '../peers.ts';

type Candidate = PlanFacts['candidates'][number];

/** Everything that the plan of a fence rests on, read anew. A row that cannot be read proves nothing. */
export async function planFacts(
  context: Context,
  peers: Peers,
  target: string,
  candidates: readonly Candidate[],
): Promise<PlanFacts> {
  const rows = new Map(
    await Promise.all(candidates.map(async ({ name }) => [name, await readRow(context, name)] as const)),
  );
  const proof = ({ by, level }: Attempt): Proof =>
    rows.get(by)?.entries[target]?.levels.find((proved) => proved.level === level)?.proof ?? 'unknown';
  return { target, levels: triableLevels(peers.get(target)?.levels ?? []), candidates, proof };
}

export async function readRow(context: Context, by: string): Promise<VerificationRow | null> {
  const read = await context.env.store.read(tree.verification(by));
  if (!read.ok || read.text === '') return null;
  const parsed = parseRecord(VerificationRow, read.text);
  return parsed.ok ? parsed.record : null;
}
