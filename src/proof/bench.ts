/** scripts/bench sim: how much virtual time the simulator plays in a minute of one core, at the default beat. It prints, it does not judge. */
import { setMaxListeners } from 'node:events';
import { parseArgs } from 'node:util';
import { simCluster } from '../sim/cluster.ts';
import { World } from '../sim/world.ts';

setMaxListeners(1000);

/** Everybody has joined and has been proved once. */
const startMs = 60_000;

interface Measured {
  readonly nodes: number;
  readonly 'node-hours a minute of one core': number;
  readonly 'start (s)': number;
  readonly 'memory (MiB)': number;
}

const seconds = (usage: NodeJS.CpuUsage) => (usage.user + usage.system) / 1_000_000;

async function measure(nodes: number, hours: number): Promise<Measured> {
  const before = process.cpuUsage();
  const world = new World({ seed: 1, nodes: simCluster({ nodes, coordinators: Math.min(nodes, 5) }) });
  world.powerAll();
  await world.run(startMs);
  const running = [...world.agents.values()].filter(({ board }) => board.daemonState === 'run').length;
  if (running !== nodes) throw new Error(`${running} of ${nodes} nodes run after ${startMs / 1000} s`);
  const started = process.cpuUsage(before);
  const from = process.cpuUsage();
  await world.run(hours * 3_600_000);
  const used = seconds(process.cpuUsage(from));
  return {
    nodes,
    'node-hours a minute of one core': Math.round((nodes * hours * 60) / used),
    'start (s)': Number(seconds(started).toFixed(1)),
    'memory (MiB)': Math.round(process.memoryUsage().rss / 1024 / 1024),
  };
}

const { values } = parseArgs({ options: { json: { type: 'boolean' }, nodes: { type: 'string' } } });
const sizes = values.nodes === undefined ? [3, 100] : values.nodes.split(',').map(Number);
if (sizes.some((nodes) => !Number.isInteger(nodes) || nodes < 2 || nodes > 1000)) {
  process.stderr.write('scripts/bench sim [--json] [--nodes N,N...]: N is a whole number from 2 to 1000\n');
  process.exit(2);
}
const rows: Measured[] = [];
for (const nodes of sizes) {
  rows.push(await measure(nodes, 30 / nodes));
  if (values.json !== true) process.stdout.write(`${JSON.stringify(rows.at(-1))}\n`);
}
if (values.json === true) process.stdout.write(`${JSON.stringify(rows)}\n`);
