#!/usr/bin/env node
/** scripts/lab: a real cluster on one machine. Every command ends within a bound and says clearly what failed. */
import yargs from 'yargs';
import type { Argv } from 'yargs';
import { hideBin } from 'yargs/helpers';
import { bmc, clock, cut, freezable, freeze, hang, heal, power, thawAll } from './faults.ts';
import { Lab, LabError, pause } from './lab.ts';
import { guestXml } from './guest.ts';
import { hostRows } from './ps.ts';
import { nodectl, passThrough } from './status.ts';
import { picture } from './picture.ts';
import { printMoment, timeline } from './timeline.ts';
import { down, up } from './up.ts';

type Args = Readonly<Record<string, unknown>>;
let exitCode = 0;

const say = (text: string) => void process.stderr.write(`lab: ${text}\n`);
const print = (text: string) => void process.stdout.write(`${text}\n`);
const labOf = (args: Args) => new Lab(String(args['dir']));
const str = (args: Args, name: string) => String(args[name]);
const list = (args: Args, name: string) => ((args[name] ?? []) as (string | number)[]).map(String);

/** Words after `--` (or all of them) belong to the command that is run, options included. */
function splitArgv(): { own: string[]; rest: string[] } {
  const words = hideBin(process.argv);
  const dir = words[0] === '--dir' ? words.splice(0, 2) : [];
  if (words[0] === 'ctl') return { own: [...dir, 'ctl'], rest: words.slice(words[1] === '--' ? 2 : 1) };
  const cut = words.indexOf('--');
  return cut < 0
    ? { own: [...dir, ...words], rest: [] }
    : { own: [...dir, ...words.slice(0, cut)], rest: words.slice(cut + 1) };
}

const { own, rest } = splitArgv();

async function runUp(args: Args): Promise<void> {
  const lab = labOf(args);
  const nodes = Number(args['nodes']);
  const zookeepers = args['zookeepers'] === undefined ? Math.min(nodes, 3) : Number(args['zookeepers']);
  const wasUp = lab.isUp();
  const abandon = () => void down(lab, false).finally(() => process.exit(130));
  if (!wasUp) for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, abandon);
  try {
    const coordinators = args['coordinators'] === undefined ? nodes : Number(args['coordinators']);
    const on = (name: string) => args[name] === true;
    const parts = { vms: on('vms'), systemd: on('systemd'), tls: on('tls'), clocks: on('clocks') };
    await up(lab, { nodes, zookeepers, coordinators, ...parts, set: list(args, 'set'), say });
  } catch (error) {
    if (!wasUp) await down(lab, true);
    throw error;
  }
  say(`up in ${lab.dir}: ${nodes} nodes publish keepalives; try: scripts/lab ctl status`);
}

async function runDown(args: Args): Promise<void> {
  const lab = labOf(args);
  say(
    (await down(lab, args['keep-logs'] === true))
      ? `down; nothing is left${args['keep-logs'] === true ? ` but ${lab.path('log')}` : ''}`
      : `no lab is up in ${lab.dir}`,
  );
}

async function runPs(args: Args): Promise<void> {
  const rows = await hostRows(labOf(args));
  if (args['json'] === true) {
    print(JSON.stringify(rows, null, 2));
    return;
  }
  print('HOST      ADDRESS      BMC               POWER  INIT     NODED    STATE');
  for (const row of rows) {
    print(
      `${row.name.padEnd(9)} ${row.address.padEnd(12)} ${row.bmc.padEnd(17)} ${row.power.padEnd(6)} ${String(row.initPid ?? '-').padEnd(8)} ${String(row.nodedPid ?? '-').padEnd(8)} ${row.nodedState}`,
    );
  }
}

async function runTimeline(args: Args): Promise<void> {
  const lab = labOf(args);
  if (args['picture'] === true) {
    print(await picture(lab));
    return;
  }
  const moments = await timeline(lab);
  if (args['json'] === true) {
    print(JSON.stringify(moments, null, 2));
    return;
  }
  for (const moment of moments) print(printMoment(moment));
  let seen = moments.length;
  while (args['follow'] === true) {
    await pause(500);
    const now = await timeline(lab);
    for (const moment of now.slice(seen)) print(printMoment(moment));
    seen = Math.max(seen, now.length);
  }
}

async function runExec(args: Args): Promise<void> {
  const lab = labOf(args);
  if (rest.length === 0) throw new LabError('say what to run: scripts/lab exec HOST -- COMMAND...');
  const [program, words] = lab.inside(lab.script('enter.sh'), lab.host(str(args, 'host')), ...rest);
  exitCode = await passThrough(program, words, lab.environment());
}

async function runCtl(args: Args): Promise<void> {
  const lab = labOf(args);
  const [program, words] = nodectl(lab, rest);
  exitCode = await passThrough(program, words, { NODEKEEPER_CONFIG: lab.path('conf', 'config.yaml') });
}

const host = (inner: Argv) => inner.positional('host', { type: 'string', demandOption: true });
const json = (inner: Argv) => inner.option('json', { type: 'boolean', default: false });

function lifeCommands(parser: Argv): Argv {
  return parser
    .command(
      'up',
      'boot the hosts; return when every noded publishes its keepalive',
      (y) =>
        y
          .option('nodes', { type: 'number', default: 3, describe: 'hosts' })
          .option('zookeepers', {
            type: 'number',
            describe: 'ZooKeeper servers, on the first hosts (default: 3, or all)',
          })
          .option('coordinators', {
            type: 'number',
            describe: 'coordinators, the first hosts; the others are workers (default: all)',
          })
          .option('vms', {
            type: 'boolean',
            default: false,
            describe: 'libvirt and QEMU on every host; scripts/lab guest NAME prints the XML of a tiny guest',
          })
          .option('systemd', {
            type: 'boolean',
            default: false,
            describe: 'systemd as PID 1 of every host, noded as its unit (scripts/lab exec node1 -- systemctl)',
          })
          .option('tls', { type: 'boolean', default: false, describe: 'ZooKeeper over mutual TLS only' })
          .option('clocks', {
            type: 'boolean',
            default: false,
            describe: 'each noded has a wall clock of its own (scripts/lab clock)',
          })
          .option('set', {
            type: 'string',
            array: true,
            nargs: 1,
            describe: 'KEY=VALUE of the configuration, e.g. keepalive.interval=1s',
          }),
      runUp,
    )
    .command('down', 'end all of it', (y) => y.option('keep-logs', { type: 'boolean', default: false }), runDown)
    .command(
      'guest <name>',
      'the XML of a tiny guest that counts on its serial line (log/serial-NAME)',
      (y) => y.positional('name', { type: 'string', demandOption: true }),
      (args) => print(guestXml(str(args, 'name'))),
    )
    .command('ps', 'the hosts', json, runPs)
    .command('ctl', 'nodectl from the management side: scripts/lab ctl status', (y) => y, runCtl)
    .command('exec <host>', 'a command inside a host: scripts/lab exec node1 -- ip addr', host, runExec)
    .command(
      'timeline',
      'what happened, in order, in ms since the last injury',
      (y) =>
        json(y)
          .option('follow', { type: 'boolean', default: false, describe: 'go on until Ctrl-C' })
          .option('picture', { type: 'boolean', default: false, describe: 'only the last fence, drawn' }),
      runTimeline,
    );
}

function faultCommands(parser: Argv): Argv {
  return parser
    .command('power <host> <state>', 'pull or restore the plug (on, off, cycle): nobody is told', host, (args) =>
      power(labOf(args), str(args, 'host'), str(args, 'state')),
    )
    .command(
      'cut <host>',
      'drop packets between the host and all or some hosts, the ZooKeeper ports, the BMC network',
      cutOptions,
      (args) =>
        cut(labOf(args), str(args, 'host'), {
          from: list(args, 'from'),
          store: args['store'] === true,
          bmc: args['bmc'] === true,
          oneWay: args['one-way'] === true,
        }),
    )
    .command(
      'heal [host]',
      'undo the cuts of a host, or all',
      (y) => y.positional('host', { type: 'string' }),
      (args) => heal(labOf(args), args.host ?? null),
    )
    .command('freeze <host>', 'SIGSTOP, and wait until it stands still', processOption, (args) =>
      freeze(labOf(args), str(args, 'host'), args.process ?? 'all', true),
    )
    .command('thaw <host>', 'SIGCONT, and wait until it runs', processOption, (args) =>
      args.process === undefined
        ? thawAll(labOf(args), str(args, 'host'))
        : freeze(labOf(args), str(args, 'host'), args.process, false),
    )
    .command(
      'bmc <host> <mode>',
      'a fault of the BMC: ok, down, slow=SECONDS, badpass, user-level, stuck, lies-off',
      host,
      (args) => bmc(labOf(args), str(args, 'host'), str(args, 'mode')),
    )
    .command(
      'clock <host> <how> [by]',
      "noded's wall clock jumps: ahead 1h, behind 90s, right (of a lab that is up with --clocks)",
      (y) => host(y).positional('by', { type: 'string' }),
      (args) => clock(labOf(args), str(args, 'host'), str(args, 'how'), args.by ?? null),
    )
    .command('hang <host> <subsystem>', "the subsystem's command hangs and ignores SIGTERM", host, (args) =>
      hang(labOf(args), str(args, 'host'), str(args, 'subsystem'), true),
    )
    .command('unhang <host> <subsystem>', 'it answers again', host, (args) =>
      hang(labOf(args), str(args, 'host'), str(args, 'subsystem'), false),
    );
}

function cutOptions(inner: Argv): Argv {
  return host(inner)
    .option('from', { type: 'string', array: true, describe: 'only from these hosts' })
    .option('store', { type: 'boolean', default: false, describe: 'the ZooKeeper ports' })
    .option('bmc', { type: 'boolean', default: false, describe: 'the BMC network' })
    .option('one-way', { type: 'boolean', default: false, describe: "drop only the host's own packets" });
}

function processOption(inner: Argv) {
  return host(inner).option('process', { type: 'string', describe: freezable.join(', ') });
}

function parser(): Argv {
  const dir = process.env['NODEKEEPER_LAB'] ?? '/tmp/nodekeeper-lab';
  const base = yargs(own)
    .scriptName('scripts/lab')
    .usage('$0: a whole cluster of real parts on this machine')
    .option('dir', { type: 'string', default: dir, describe: 'where the lab lives', global: true });
  return faultCommands(lifeCommands(base))
    .strict()
    .recommendCommands()
    .demandCommand(1, 'say a command; scripts/lab --help lists them')
    .version(false)
    .wrap(Math.min(110, process.stdout.columns || 110))
    .exitProcess(false)
    .fail((message: string | null, error: Error | undefined) => {
      if (error !== undefined) throw error;
      throw new LabError(`${message ?? 'wrong usage'}; see: scripts/lab --help`);
    });
}

try {
  await parser().parseAsync();
} catch (error) {
  if (!(error instanceof LabError) && !(error instanceof Error && error.name === 'YError')) throw error;
  say(error.message);
  exitCode = 1;
}
process.exitCode = exitCode;
