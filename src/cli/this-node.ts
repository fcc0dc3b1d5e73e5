/** The node that this machine is, for commands that mean "here" when nothing else is said. */
import { hostname } from 'node:os';
import type { Config } from '../config/load.ts';
import type { NodeView } from './cluster-view.ts';
import { CommandError, exitCodes } from './exit-codes.ts';

export function ownName(config: Config): string {
  return config.node.name ?? hostname().split('.')[0]?.toLowerCase() ?? '';
}

/** `wanted`, or this machine; a name that is no node ends the command with what is known. */
export function namedOrHere(config: Config, nodes: readonly NodeView[], wanted: string | undefined): NodeView {
  const name = wanted ?? ownName(config);
  const node = nodes.find((candidate) => candidate.name === name);
  if (node !== undefined) return node;
  const known = nodes.map((candidate) => candidate.name).join(', ') || 'none';
  const hint =
    wanted === undefined
      ? `this machine (${name}) is no node of the cluster; say --node NAME`
      : `there is no node "${name}"`;
  throw new CommandError(exitCodes.usage, `${hint}; the nodes are: ${known}`);
}
