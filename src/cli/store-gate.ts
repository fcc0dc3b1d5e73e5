/**
 * S12 for a command of nodectl: a ZooKeeper server that is set up as a store of its own, or that belongs to another store than the one that
 * noded on this machine has used, is not used. Each refusal is kept, to be told if no server is left.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/load.ts';
import { judgeShape } from '../core/ensemble-shape.ts';
import { isSameStore } from '../core/one-store.ts';
import type { KnownStore } from '../core/one-store.ts';
import type { Gate } from '../environment/store.ts';
import { KnownStoreFile, knownStoreFile, shownId } from '../records/cluster-id.ts';
import { parseRecord } from '../records/record.ts';
import { tree } from '../records/tree.ts';

export interface CommandGate {
  readonly gate: Gate;
  /** Why each server is not used. */
  readonly refused: ReadonlyMap<string, string>;
}

export function commandGate(config: Config): CommandGate {
  const refused = new Map<string, string>();
  const known = rememberedStore(config.node.stateDir);
  const gate: Gate = async (connection) => {
    const { server, servers } = connection;
    const [told, shown] = await Promise.all([
      servers.length < 2 ? { mode: null, members: null } : connection.shape(),
      known === null ? null : connection.read(tree.clusterId),
    ]);
    const { refused: misshapen } = judgeShape(server, servers, told);
    const id = shown === null ? null : shownId(shown);
    const foreign =
      known !== null && id?.kind === 'id' && !isSameStore(known, id)
        ? `${server} belongs to another store: its cluster id is ${id.id}, noded on this machine uses ${known.id}`
        : null;
    const because = misshapen ?? foreign;
    if (because === null) return null;
    refused.set(server, because);
    return { because, isLasting: true };
  };
  return { gate, refused };
}

/** What noded on this machine remembers of its store; null: nothing, or only root may read it. */
function rememberedStore(stateDir: string): KnownStore | null {
  try {
    const parsed = parseRecord(KnownStoreFile, readFileSync(join(stateDir, knownStoreFile), 'utf8'));
    return parsed.ok ? parsed.record : null;
  } catch {
    return null; // no noded has run here
  }
}
