/** The matrix who-can-fence-whom as the coordinators have written it: what is known beforehand steers who fences how. */
import { lyingLevels } from '../../core/fencers.ts';
import type { Attempt, PlanFacts, Proof } from '../../core/fencers.ts';
import { triableLevels } from '../../core/levels.ts';
import { placesOf } from '../../records/device.ts';
import type { Registration } from '../../records/registration.ts';
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

/** Whether any coordinator found the devices of this level saying off while the node lived: then they are not asked. */
export async function isFoundLying(context: Context, peers: Peers, target: string, level: string): Promise<boolean> {
  const coordinators = peers.all().filter(({ role }) => role === 'coordinator');
  return lyingLevels(await planFacts(context, peers, target, coordinators)).includes(level);
}

/**
 * Whether any coordinator ever read the power of these very devices as on while the node lived: only then does a reading of
 * off say anything. What is always off may be the device of another machine.
 */
export async function wasSeenOn(context: Context, registration: Registration | null, target: string): Promise<boolean> {
  const { env } = context;
  if (registration === null) return false;
  const places = placesOf(registration.devices);
  const listed = await env.store.list(tree.nodes);
  const rows = await Promise.all((listed.ok ? listed.names : []).map((name) => readRow(context, name)));
  return rows.some((row) => row?.entries[target]?.seenOnAt === places);
}

export async function readRow(context: Context, by: string): Promise<VerificationRow | null> {
  const read = await context.env.store.read(tree.verification(by));
  return read.ok ? parseRow(read.text) : null;
}

/** Null: nothing is there, or it cannot be read. */
export function parseRow(text: string): VerificationRow | null {
  if (text === '') return null;
  const parsed = parseRecord(VerificationRow, text);
  return parsed.ok ? parsed.record : null;
}
