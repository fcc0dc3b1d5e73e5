/**
 * The subsystem collectors: one loop each, beside the keepalive, never two collections of one at once. What they deliver
 * goes to the board with its time; what they do not deliver leaves the old value standing, older (S8).
 */
import type { Subsystem } from '../environment/subsystem.ts';
import type { CollectedReading, Context } from './context.ts';

/** Collections this close to each other bring nothing new; a short beat does not make them more frequent. */
const periodMinMs = 1000;
/** A subsystem that hangs is asked less and less often, up to this. */
const backoffMaxMs = 60_000;

/** Runs all collectors until the duties end. */
export async function runCollectors(context: Context): Promise<void> {
  await Promise.all(context.env.subsystems.map((subsystem) => collectLoop(context, subsystem)));
}

async function collectLoop(context: Context, subsystem: Subsystem): Promise<void> {
  const { env, board, config, duties } = context;
  const periodMs = Math.max(periodMinMs, config.keepalive.interval);
  let failures = 0;
  while (!duties.aborted) {
    const startMs = env.clock.monotonicMs();
    const before = board.subsystems.get(subsystem.name);
    const reading = await subsystem.collect();
    const now = merge(before, reading, env.clock.monotonicMs());
    board.subsystems.set(subsystem.name, now);
    failures = reading.ok ? 0 : failures + 1;
    tellChange(context, subsystem.name, before, now);
    const pauseMs = Math.min(periodMs * 2 ** Math.min(Math.max(0, failures - 1), 6), backoffMaxMs);
    await env.clock.sleep(Math.max(0, pauseMs - (env.clock.monotonicMs() - startMs)), duties);
  }
}

type Reading = Awaited<ReturnType<Subsystem['collect']>>;

/** The last good value stays, with the reason why there is no newer one. */
function merge(before: CollectedReading | undefined, reading: Reading, nowMs: number): CollectedReading {
  if (reading.ok) {
    return { health: reading.health, summary: reading.summary, facts: reading.facts, takenAtMs: nowMs, late: null };
  }
  return {
    health: 'unknown',
    summary: before?.summary ?? 'never answered',
    facts: before?.facts ?? {},
    takenAtMs: before?.takenAtMs ?? null,
    late: reading.because,
  };
}

/** A change is told once; a subsystem that hangs for an hour is one line, not one every beat. */
function tellChange(context: Context, name: string, before: CollectedReading | undefined, now: CollectedReading): void {
  if (before?.health === now.health) return;
  if (before === undefined && now.health === 'ok') return;
  const because = now.late ?? now.summary;
  context.history.happened('subsystem', `${name}: ${before?.health ?? 'new'} => ${now.health}: ${because}`, {
    node: context.self.name,
    evidence: { subsystem: name, health: now.health },
  });
}
