/** Liveness: what must be true of a cluster some time after all trouble is over. Looks at the machines, not at what anybody says. */
import { parseRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import { VmRecord } from '../../records/vm.ts';
import { isCommand } from '../bound-command.ts';
import { lacksLock } from '../checkers/holds-its-lock.ts';
import type { World } from '../world.ts';

/** What is not well yet; empty: every node runs, no fence is open, one primary runs everything, every VM is where it shall be. */
export function unsettled(world: World): string[] {
  return [...unsettledNodes(world), ...openFences(world), ...unsettledRole(world), ...unsettledVms(world)];
}

function unsettledNodes(world: World): string[] {
  return [...world.machines.values()].flatMap(({ name, process }) => {
    const state = world.agents.get(name)?.board.daemonState ?? 'never started';
    return process !== null && state === 'run' ? [] : [`${name} is ${process === null ? 'not running' : state}`];
  });
}

function openFences(world: World): string[] {
  const ledger = world.ensemble.read(tree.fencing);
  if (!ledger.ok || ledger.value.text === '') return [];
  const { entries } = JSON.parse(ledger.value.text) as { entries: object };
  return Object.keys(entries).length === 0 ? [] : [`open fences: ${JSON.stringify(entries)}`];
}

function unsettledRole(world: World): string[] {
  const problems: string[] = [];
  const primaries = [...world.agents].filter(([, agent]) => agent.board.coordinatorState === 'primary');
  const [name] = primaries[0] ?? [];
  if (primaries.length !== 1) problems.push(`${primaries.length} primaries`);
  const all = name === undefined ? 0 : world.config(name).primary.resources.length;
  // Without the commands of nodectl primary run, which nobody starts again after a power cycle.
  const running = [...world.machines.values()]
    .map(({ name: node, running: all }) => ({ name: node, running: [...all].filter((what) => !isCommand(what)) }))
    .filter((machine) => machine.running.length > 0);
  const isWhole = all === 0 ? running.length === 0 : running.length === 1 && running[0]?.name === name;
  if (!isWhole || (running[0]?.running.length ?? 0) !== all) {
    const where = running.map((machine) => `${machine.name}: ${machine.running.join(' ')}`);
    problems.push(`resources run on ${where.join(', ') || 'no node'}, ${name ?? 'nobody'} is primary`);
  }
  return problems;
}

function unsettledVms(world: World): string[] {
  const listed = world.ensemble.list(tree.vms);
  return (listed.ok ? listed.value : []).flatMap((uuid) => {
    const read = world.ensemble.read(tree.vm(uuid));
    const parsed = read.ok ? parseRecord(VmRecord, read.value.text) : null;
    if (parsed?.ok !== true) return [`${uuid} has no record`];
    const { name, state, node, move, active, because } = parsed.record;
    const homes = [...world.machines.values()]
      .filter((machine) => machine.guests.get(uuid)?.power === 'running')
      .map((machine) => machine.name);
    if (!['start', 'stop', 'disable'].includes(state) || move !== null)
      return [`${name} is left in ${state}: ${because}`];
    const wanted = state === 'start' ? [node] : [];
    if (homes.join() !== wanted.join()) return [`${name} (${state} on ${node}) runs on ${homes.join(', ')}`];
    if (active && lacksLock(world, { name: node }, uuid)) return [`${name} runs on ${node} without its lock`];
    return active === (state === 'start') ? [] : [`${name}: active ${String(active)} in ${state}`];
  });
}
