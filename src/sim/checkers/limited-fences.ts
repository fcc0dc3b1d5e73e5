/**
 * The limit on fences at once as code: at no write of the ledger stand more intents in it than `fencing.maxConcurrentFences`
 * allows, and nobody writes an intent while one against it stands (found by two operators on two nodes: both were written).
 */
import type { World } from '../world.ts';
import { readJson } from './checker.ts';

/** Begins to watch; call the answer for what was found so far. */
export function checkLimitedFences(world: World): () => string[] {
  const found: string[] = [];
  const before = world.ensemble.onWrite;
  world.ensemble.onWrite = (path, text) => {
    before(path, text);
    if (path !== '/fencing' || !text.startsWith('{"schema":1,"entries"')) return;
    const written = readJson(text) as { entries: Record<string, string> } | null;
    if (written === null) return;
    const { entries } = written;
    const intents = Object.entries(entries).filter(([, state]) => state === 'intent');
    const [anyNode = ''] = world.machines.keys();
    const most = world.config(anyNode).fencing.maxConcurrentFences;
    if (intents.length > most)
      found.push(
        `${(world.time.nowMs / 1000).toFixed(3)}: ${intents.map(([name]) => name).join(', ')} are being fenced at once; at most ${most}`,
      );
  };
  return () => found;
}
