#!/usr/bin/env node
/** scripts/bench: measures on the lab and prints; it judges nothing. */
import { parseArgs } from 'node:util';
import { say } from './benches/common.ts';
import { cli } from './benches/cli.ts';
import { failover } from './benches/failover.ts';
import { fence } from './benches/fence.ts';
import { footprint } from './benches/footprint.ts';
import { keepalive } from './benches/keepalive.ts';
import { takeover } from './benches/takeover.ts';
import { transfer } from './benches/transfer.ts';
import { verify } from './benches/verify.ts';
import { vms } from './benches/vms.ts';
import { Lab } from './lab.ts';
import { down } from './up.ts';

interface Options {
  readonly runs: number | null;
  readonly seconds: number;
}
type Bench = (lab: Lab, options: Options) => Promise<Record<string, unknown>>;

const benches: Readonly<Record<string, Bench>> = {
  failover: (lab, { runs }) => failover(lab, runs ?? 10),
  keepalive: (lab, { seconds }) => keepalive(lab, seconds),
  transfer: (lab, { runs }) => transfer(lab, runs ?? 20),
  takeover: (lab, { runs }) => takeover(lab, runs ?? 10),
  fence: (lab, { runs }) => fence(lab, runs ?? 10),
  verify: (lab) => verify(lab),
  vms: (lab, { runs }) => vms(lab, runs ?? 12),
  cli: (lab, { runs }) => cli(lab, runs ?? 20),
  footprint: (lab, { seconds }) => footprint(lab, seconds),
};

const usage = `Usage: scripts/bench failover [--runs N] [--json]     plug pulled, BMC answering: what each phase takes
       scripts/bench keepalive [--seconds N] [--json]  every subsystem hung: by how much the beat is late
       scripts/bench transfer [--runs N] [--json]      the role to and fro: the longest silence of its address
       scripts/bench takeover [--runs N] [--json]      the primary frozen: until its address answers on a survivor
       scripts/bench fence [--runs N] [--json]         plug pulled, then 1, 3, 10 nodes at once with slow BMCs
       scripts/bench verify [--json]                   50 BMCs proved anew
       scripts/bench vms [--runs N] [--json]           live migration, recovery of 1, 5, 20 guests, a list of 1,000
       scripts/bench cli [--runs N] [--json]           nodectl from start to exit
       scripts/bench footprint [--seconds N] [--json]  memory and processor time of noded at the default beat
`;

async function main(): Promise<number> {
  const flags = {
    runs: { type: 'string' },
    seconds: { type: 'string', default: '120' },
    json: { type: 'boolean', default: false },
  } as const;
  const { values, positionals } = parseArgs({ options: flags, allowPositionals: true });
  const bench = benches[positionals[0] ?? ''];
  const runs = values.runs === undefined ? null : Number(values.runs);
  const seconds = Number(values.seconds);
  if (bench === undefined || (runs !== null && !(runs >= 1 && runs <= 1000)) || !(seconds >= 1 && seconds <= 3600)) {
    process.stderr.write(usage);
    return 2;
  }
  const lab = new Lab(process.env['NODEKEEPER_LAB'] ?? '/tmp/nodekeeper-bench');
  await down(lab, false);
  try {
    const result = await bench(lab, { runs, seconds });
    if (values.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
    else
      for (const [name, value] of Object.entries(result))
        process.stdout.write(`${name.padEnd(36)} ${JSON.stringify(value)}\n`);
    return 0;
  } finally {
    await down(lab, false);
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  const wrongWords = error instanceof TypeError && 'code' in error;
  if (wrongWords) process.stderr.write(usage);
  process.exitCode = wrongWords ? 2 : 1;
}
