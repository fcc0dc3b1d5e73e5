/** nodectl node flush|ready: a node gives all its VMs away, one after another, and gets them back. */
import { printRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import type { Drain, DrainState } from '../../records/vm.ts';
import { drainStates } from '../../records/vm.ts';
import { auditEntry } from '../audit.ts';
import type { Command } from '../command.ts';
import { flag, text } from '../command.ts';
import { readCluster } from '../cluster-view.ts';
import type { Connected } from '../connect.ts';
import { pause, requester, withStore } from '../connect.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import { durationOption } from '../seconds.ts';
import { namedOrHere } from '../this-node.ts';
import { readDrain } from '../vms.ts';

const options = {
  wait: { type: 'boolean', default: false, describe: 'wait until it is over, and say how it goes' },
  timeout: { type: 'string', default: '1800s', describe: 'how long to wait' },
} as const;
const name = { type: 'string', describe: 'the node (default: this machine)' } as const;

export const flush: Command = {
  usage: 'flush [name]',
  describe:
    'Empty a node: its VMs move away, one after another, each to the best node right then; it takes none until "ready". A primary gives the role away first.',
  positionals: { name },
  options,
  run: (args, output) =>
    withStore(args, async (connected) => {
      const node = await change(connected, text(args, 'name'), 'flush');
      if (!flag(args, 'wait')) {
        output.line(`${node} is being emptied; nodectl node ready ${node} calls it off`);
        return exitCodes.done;
      }
      return follow(connected, node, 'flushed', durationOption(args, 'timeout'), output);
    }),
};

export const ready: Command = {
  usage: 'ready [name]',
  describe: 'Let a node take VMs again, and bring back those that left it.',
  positionals: { name },
  options,
  run: (args, output) =>
    withStore(args, async (connected) => {
      const node = await change(connected, text(args, 'name'), 'unflush');
      if (!flag(args, 'wait')) {
        output.line(`${node} takes VMs again; those that left it are coming back`);
        return exitCodes.done;
      }
      return follow(connected, node, 'ready', durationOption(args, 'timeout'), output);
    }),
};

async function change({ store, config }: Connected, wanted: string | undefined, state: DrainState): Promise<string> {
  const { nodes } = await readCluster(store, config);
  const node = namedOrHere(config, nodes, wanted);
  if (node.state !== 'run')
    throw new CommandError(exitCodes.refused, `${node.name} is "${node.state}"; only a node that runs can do that`);
  for (let tries = 0; tries < 10; tries += 1) {
    const { drain, version } = await readDrain(store, node.name);
    if (drain.state === state) return node.name;
    const next: Drain = { schema: 1, state, by: requester(), doing: '', total: 0, done: 0, stuck: {} };
    const path = tree.drain(node.name);
    const written = await store.commit([
      version === null
        ? { kind: 'create', path, text: printRecord(next), mode: 'persistent' }
        : { kind: 'write', path, text: printRecord(next), version },
      auditEntry(`${node.name} shall ${state === 'flush' ? 'be emptied' : 'be filled again'}`, node.name),
    ]);
    if (written.ok) return node.name;
  }
  throw new CommandError(exitCodes.failed, `${node.name}: somebody else changes that all the time; try again`);
}

async function follow(
  { store }: Connected,
  node: string,
  end: DrainState,
  withinMs: number,
  output: Output,
): Promise<number> {
  const endMs = Date.now() + withinMs;
  let told = '';
  for (;;) {
    const { drain } = await readDrain(store, node);
    const stuck = Object.values(drain.stuck);
    const now = `${drain.state}: ${drain.doing === '' ? drainStates[drain.state] : drain.doing} (${drain.done} of ${drain.total} done)`;
    if (now !== told) output.line(drain.state === end ? `${node}: ${now}` : output.paint('dim', `${node}: ${now}`));
    told = now;
    if (drain.state === end) return exitCodes.done;
    if (stuck.length > 0 && drain.doing.includes('cannot move'))
      throw new CommandError(
        exitCodes.failed,
        `${node} is not empty: ${stuck.join('; ')}; it is tried again every minute`,
      );
    if (end === 'flushed' && drain.state !== 'flush')
      throw new CommandError(exitCodes.failed, `${node}: it was called off: ${now}`);
    if (end === 'ready' && drain.state !== 'unflush')
      throw new CommandError(exitCodes.failed, `${node}: it is being emptied again: ${now}`);
    if (Date.now() > endMs) throw new CommandError(exitCodes.timedOut, `${node}: not over within the time: ${now}`);
    await pause(200);
  }
}
