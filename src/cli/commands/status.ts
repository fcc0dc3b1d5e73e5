/** nodectl status: the cluster at a glance. */
import { isUnderWay } from '../../core/fencing.ts';
import type { NodeState } from '../../core/node.ts';
import type { Store } from '../../environment/store.ts';
import type { Command } from '../command.ts';
import type { Arguments } from '../command.ts';
import { flag, jsonOption } from '../command.ts';
import type { ClusterView, NodeView } from '../cluster-view.ts';
import { readCluster } from '../cluster-view.ts';
import { loadedConfig, withStore } from '../connect.ts';
import { distrustInWords, distrustOf } from '../distrust.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import { leftOff } from '../left-off.ts';
import { mustAskLocalNoded } from '../local-noded.ts';
import type { Colour, Output } from '../output.ts';
import { age, clockTime } from '../output.ts';
import type { VmSummary } from '../vm-summary.ts';
import { printSummary, summarizeVms } from '../vm-summary.ts';
import { roleInWords } from '../role-words.ts';
import { readVms } from '../vms.ts';
import type { Said } from '../watch-status.ts';
import { watchStatus } from '../watch-status.ts';

export const status: Command = {
  usage: 'status',
  describe: 'Show the nodes, their states, the age of their keepalives, saving throws, subsystems and fencing.',
  options: {
    ...jsonOption,
    watch: { type: 'boolean', default: false, alias: 'w', describe: 'on the whole screen, as it changes, until q' },
    stale: {
      type: 'boolean',
      default: false,
      describe: 'without the store: the last that the noded of this machine knew, with its age',
    },
  },
  examples: [
    ['nodectl status', 'the cluster at a glance'],
    ['nodectl status --watch', 'with bars for silence, throws and the lease'],
  ],
  run: (args, output) => {
    const [stale, watch, json] = ['stale', 'watch', 'json'].map((name) => flag(args, name));
    if (watch === true && (stale === true || json === true))
      throw new CommandError(exitCodes.usage, '--watch shows the live cluster to a person: neither --json nor --stale');
    if (stale === true) return showStale(args, output);
    return withStore(args, async (connected) => {
      const { store, config } = connected;
      if (watch === true) {
        await watchStatus(connected, output, (view) => describe(store, view, output));
        return exitCodes.done;
      }
      const [view, vms] = await Promise.all([readCluster(store, config), readVms(store)]);
      const own = await summarizeVms(store, view, vms.vms);
      if (json === true) output.json({ ...view, vms: own });
      else printStatus(view, config.detection.savingThrows, output, own);
      return exitCodes.done;
    });
  },
};

/** What stands above the table, and what is wrong. */
async function describe(store: Store, view: ClusterView, output: Output): Promise<Said> {
  const vms = await summarizeVms(store, view, (await readVms(store)).vms);
  return { head: headOf(view, output, vms), remarks: remarksOn(view, vms) };
}

/** What was known last, by the noded of this machine; each line with its age, for it may be long untrue. */
async function showStale(args: Arguments, output: Output): Promise<number> {
  const { config } = loadedConfig(args);
  const { view } = await mustAskLocalNoded(config, { kind: 'quorum-view' }, localMs, 'what it knew last is not known');
  if (flag(args, 'json')) output.json(view);
  else {
    const away = view.storeLive ? 'it reaches the store' : `without the store for ${age(view.awayMs)}`;
    output.line(`the last that ${view.node} knew (${away}); nothing of this is certain`);
    output.line();
    output.table(
      ['NODE', 'ROLE', 'KEEPALIVE', 'LAST KNOWN'],
      view.known.map((node) => [node.name, node.role, age(node.ageMs), node.last]),
    );
  }
  return exitCodes.done;
}

const localMs = 2000;

const colours: Readonly<Partial<Record<NodeState, Colour>>> = {
  run: 'green',
  starting: 'yellow',
  shutdown: 'yellow',
  unknown: 'yellow',
  dead: 'red',
  fencing: 'red',
  fenced: 'red',
  'fence-failed': 'red',
};

export function paintState(state: NodeState, output: Output): string {
  const colour = colours[state];
  return colour === undefined ? state : output.paint(colour, state);
}

/** More VMs in trouble than these are counted only. */
const vmsShownMax = 10;

function printStatus(view: ClusterView, savingThrows: number, output: Output, vms: VmSummary | null): void {
  const { nodes } = view;
  for (const line of headOf(view, output, vms)) output.line(line);
  output.line();
  if (nodes.length === 0) {
    output.line('no node has registered yet: start noded on the machines');
    return;
  }
  output.table(
    ['NODE', 'ROLE', 'STATE', 'PRIMARY', 'KEEPALIVE', 'THROWS', 'SUBSYSTEMS', 'FENCING'],
    nodes.map((node) => [
      node.name,
      node.role ?? '?',
      paintState(node.state, output),
      paintRole(node, output),
      age(node.keepaliveAgeMs),
      node.throws === 0 ? '-' : output.paint('yellow', `${Math.min(node.throws, savingThrows)}/${savingThrows}`),
      subsystemsOf(node, output),
      fencingOf(node),
    ]),
  );
  const remarks = remarksOn(view, vms);
  if (remarks.length > 0) output.line();
  for (const remark of remarks) output.line(output.paint('yellow', `! ${remark}`));
}

function headOf(view: ClusterView, output: Output, vms: VmSummary | null): string[] {
  const { cluster, nodes } = view;
  const up = nodes.filter((node) => node.state === 'run').length;
  const pause =
    cluster.maintenance === null ? '' : `, ${output.paint('yellow', `in maintenance: ${cluster.maintenance}`)}`;
  const first = `cluster ${cluster.name}: ${up} of ${nodes.length} nodes run, store answers${pause}`;
  return [first, primaryLine(view, output), ...(vms === null ? [] : [printSummary(vms)])];
}

function remarksOn(view: ClusterView, vms: VmSummary | null): string[] {
  return [...view.problems, ...view.nodes.flatMap((node) => remarksOf(node, view.nodes)), ...vmRemarks(vms)];
}

function vmRemarks(vms: VmSummary | null): string[] {
  const trouble = vms?.trouble ?? [];
  const shown = trouble.slice(0, vmsShownMax).map(({ name, because }) => `VM ${name}: ${because}`);
  const more = trouble.length - shown.length;
  return more > 0 ? [...shown, `and ${more} more VMs: nodectl vm list`] : shown;
}

/** "primary: node1, epoch 3, since ..."; a switch that is under way is said as such. */
export function primaryLine({ primary, nodes }: ClusterView, output: Output): string {
  const { holder, epoch, state, because, sinceWallMs, blocked } = primary;
  if (blocked !== null) return `primary: ${output.paint('red', 'nobody takes the role')}: ${blocked}`;
  if (state === 'ended') return `primary: ${output.paint('red', 'nobody')}, epoch ${epoch}: ${because}`;
  if (holder === null) return `primary: ${output.paint('red', 'nobody')} (${because})`;
  const since = `since ${clockTime(sinceWallMs)}`;
  const node = nodes.find(({ name }) => name === holder);
  const stale =
    node === undefined || node.lastCoordinatorState === null
      ? ''
      : output.paint('yellow', `; ${holder} is in "${node.state}": whether it still is primary is not known`);
  if (state === 'primary') return `primary: ${output.paint('bold', holder)}, epoch ${epoch}, ${since}${stale}`;
  return `primary: ${holder} is in ${output.paint('yellow', state)}, epoch ${epoch}, ${since}: ${because}`;
}

function paintRole(node: NodeView, output: Output): string {
  const role = roleInWords(node);
  if (role === 'primary') return output.paint('green', role);
  return role === 'secondary' || role === '-' ? role : output.paint('yellow', role);
}

function subsystemsOf(node: NodeView, output: Output): string {
  const bad = Object.entries(node.subsystems).filter(([, report]) => report.health !== 'ok');
  const count = Object.keys(node.subsystems).length;
  if (count === 0) return '-';
  if (bad.length === 0) return `${count} ok`;
  return output.paint('yellow', bad.map(([name, report]) => `${name}: ${report.health}`).join(', '));
}

function fencingOf(node: NodeView): string {
  const { fence } = node;
  const last = fence === null || fence.state === 'none' ? [] : [`${fence.state} by ${fence.fencer}`];
  const able =
    node.fenceability === 'none'
      ? ['nobody can']
      : node.fenceability === 'degraded'
        ? [`only ${node.fencers.join(', ')} can`]
        : [];
  return [...last, ...able].join('; ') || '-';
}

function remarksOf(node: NodeView, all: readonly NodeView[]): string[] {
  const found = [...node.problems];
  if (node.steppedDown !== null) found.push(`${node.name} has stepped down: ${node.steppedDown}`);
  if (node.fenceability === 'none')
    found.push(
      `nobody can fence ${node.name}: nothing of it would be recovered; see: nodectl fence-check ${node.name}`,
    );
  for (const one of distrustOf(all, node)) found.push(distrustInWords(node.name, one));
  const left = node.state === 'fenced' ? leftOff(node.fence) : null;
  if (left !== null) found.push(left.sentence);
  const { fence } = node;
  if (fence !== null && isUnderWay(fence.state) && node.state !== 'fencing' && node.state !== 'fence-failed') {
    const held = Object.values(node.views).find((view) => view.held !== null)?.held ?? null;
    found.push(
      `a fence of ${node.name} stands in "${fence.state}" (by ${fence.fencer}: ${fence.reason})${held === null ? '' : `; blocked by: ${held}`}`,
    );
  }
  if (node.left !== null) found.push(`${node.name} has left the cluster ${node.left}; nodectl join lets it in again`);
  if (node.maintenance !== null) found.push(`${node.name} is in maintenance: ${node.maintenance}`);
  if (node.state === 'dead' || node.state === 'fence-failed' || node.state === 'fencing') {
    const seen = Object.entries(node.views).map(
      ([by, view]) => `${by}: ${view.because}${view.held === null ? '' : `; it is not fenced: ${view.held}`}`,
    );
    found.push(
      `${node.name} is ${node.state} (nodectl explain ${node.name}); ${seen.join('; ') || (node.fence?.reason ?? '')}`,
    );
  }
  return found;
}
