/**
 * Who is silent in the eyes of the monitors (S3). A coordinator that observes only the monitors, or counts everybody only since a
 * moment ago, does not know by itself how many nodes are silent together: its storm guard counts what they published, too.
 */
import { silentTogether } from '../../core/guards.ts';
import { monitors } from '../../core/observers.ts';
import { Keepalive } from '../../records/keepalive.ts';
import { parseRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import type { Peers } from '../peers.ts';
import { rankedNodes } from '../ranked-nodes.ts';

/** By the views of monitors whose keepalives are new, without nodes that this one knows to be off. */
export async function silentToOthers(context: Context, peers: Peers): Promise<string[]> {
  const { self, board, config, env } = context;
  const asked = monitors(rankedNodes(context, peers)).filter(
    (name) => name !== self.name && board.peers.get(name)?.verdict === 'alive',
  );
  const silent = await Promise.all(
    asked.map(async (name) => {
      const read = await env.store.read(tree.keepalive(name));
      const parsed = read.ok ? parseRecord(Keepalive, read.text) : null;
      if (parsed?.ok !== true || parsed.record.state !== 'run') return [];
      return silentTogether(Object.entries(parsed.record.peers), config.detection.savingThrows);
    }),
  );
  return silent.flat().filter((name) => name !== self.name && board.peers.get(name)?.isOff !== true);
}
