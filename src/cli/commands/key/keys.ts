/** Where a change of the cluster key stands: what every node says it holds, and whose the tree is. */
import type { KeyStep, NodeKeys } from '../../../core/key-change.ts';
import { keyStep } from '../../../core/key-change.ts';
import type { Store } from '../../../environment/store.ts';
import { sealContext } from '../../../records/device.ts';
import { Keepalive } from '../../../records/keepalive.ts';
import { parseRecord } from '../../../records/record.ts';
import { Registration } from '../../../records/registration.ts';
import { tree } from '../../../records/tree.ts';
import type { KeyRing } from '../../../real/secrets.ts';
import type { Owners } from '../../../real/zookeeper/access.ts';
import { storeOptions } from '../../../real/zookeeper/options.ts';
import type { Ownership } from '../../../real/zookeeper/ownership.ts';
import { readOwnership } from '../../../real/zookeeper/ownership.ts';
import type { Session } from '../../../real/zookeeper/session.ts';
import { openSession } from '../../../real/zookeeper/session.ts';
import type { Connected } from '../../connect.ts';
import { commandSession, pause } from '../../connect.ts';
import { CommandError, exitCodes } from '../../exit-codes.ts';

export interface Standing {
  readonly held: readonly string[];
  readonly nodes: readonly NodeKeys[];
  readonly ownership: Ownership;
  readonly step: KeyStep;
}

/** The tree below the store's interface: sessions, ACLs. */
export interface TreeAccess {
  readonly session: Session;
  readonly root: string;
  readonly owners: Owners;
}

const connectWithinMs = 5000;

export async function withTreeAccess<T>(
  { config, keys }: Connected,
  work: (access: TreeAccess) => Promise<T>,
): Promise<T> {
  const { root, subjects = [] } = storeOptions(config, keys);
  const session = openSession(commandSession(config, keys));
  try {
    for (let waitedMs = 0; session.view().state !== 'connected'; waitedMs += 10) {
      if (waitedMs > connectWithinMs)
        throw new CommandError(exitCodes.unreachable, 'ZooKeeper does not answer any more');
      await pause(10);
    }
    return await work({ session, root, owners: { keys, subjects } });
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(exitCodes.failed, (error as Error).message);
  } finally {
    await session.close(500);
  }
}

/** `without`: nodes that do not count. */
export async function standing(
  { store, keys }: Connected,
  { session, root, owners }: TreeAccess,
  without: readonly string[],
): Promise<Standing> {
  const listed = await store.list(tree.nodes);
  if (!listed.ok) throw new CommandError(exitCodes.failed, listed.because);
  const unknown = without.filter((name) => !listed.names.includes(name));
  if (unknown.length > 0) throw new CommandError(exitCodes.usage, `there is no node "${unknown.join('", "')}"`);
  const names = listed.names.filter((name) => !without.includes(name));
  const nodes = await Promise.all(names.map((name) => nodeKeys(store, keys, name)));
  const ownership = await readOwnership(session, root, owners);
  const held = keys.keyNames();
  return { held, nodes, ownership, step: keyStep(held, nodes, ownership.paths) };
}

async function nodeKeys(store: Store, keys: KeyRing, name: string): Promise<NodeKeys> {
  const [keepalive, registration] = await Promise.all([store.read(tree.keepalive(name)), store.read(tree.node(name))]);
  const said = keepalive.ok ? parseRecord(Keepalive, keepalive.text) : null;
  const registered = registration.ok ? parseRecord(Registration, registration.text) : null;
  const sealed = registered?.ok === true ? registered.record.devicesSealed : null;
  return {
    name,
    keys: said?.ok === true ? (said.record.keys ?? null) : null,
    sealedWith: sealed === null ? null : (sealer(keys, sealed, name)?.name ?? null),
  };
}

/** Which of our keys opens it. */
export function sealer(keys: KeyRing, sealed: string, name: string) {
  return keys.all.find((key) => key.open(sealed, sealContext(name)) !== null) ?? null;
}

/** What a person does next, in a sentence. */
export function nextStep(step: KeyStep): string {
  const reload = 'then systemctl reload noded';
  switch (step.kind) {
    case 'learn':
      return `${step.key} is written with, and not known to ${step.nodes.join(', ')}: copy the key file there, ${reload}`;
    case 'turn':
      return `${step.nodes.join(', ')}: another key stands first there; copy the key file of this machine, ${reload}`;
    case 'move':
      return 'every node writes with the first key; move what was written before: nodectl key move';
    case 'spare': {
      const lacking = step.lacking.length === 0 ? 'on every node' : `not on ${step.lacking.join(', ')}`;
      return `all is written with the first key; ${step.keys.join(', ')} also held, ${lacking}. A new one: have it on every node, then put it first everywhere. An old one: take it out everywhere. Each time ${reload}`;
    }
    case 'done':
      return 'one key everywhere; nothing is left to do';
  }
}
