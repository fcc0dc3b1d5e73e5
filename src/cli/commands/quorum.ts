/**
 * nodectl quorum status: who is where, what is missing for a quorum, and what is being done. Works without the store: it asks
 * the ZooKeeper servers one by one, the coordinators over the API, and the noded of this machine for what it sees and does.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { inWords } from '../../core/decision.ts';
import type { Config } from '../../config/load.ts';
import { judgeShape } from '../../core/ensemble-shape.ts';
import { lookups } from '../../real/lookup.ts';
import type { QuorumView } from '../../records/api.ts';
import { askAll } from '../ask-coordinators.ts';
import type { Arguments, Command } from '../command.ts';
import { flag, jsonOption } from '../command.ts';
import { loadedConfig } from '../connect.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import { askLocalNoded } from '../local-noded.ts';
import type { Output } from '../output.ts';

const serverMs = 2000;
const localMs = 2000;

interface Server {
  readonly server: string;
  readonly state: 'serves' | 'no quorum' | 'no answer';
  readonly detail: string;
}

interface Coordinator {
  readonly node: string;
  readonly store: 'reached' | 'away' | 'no answer';
  readonly detail: string;
}

const status: Command = {
  usage: 'status',
  describe:
    'Show who is where, what is missing for a quorum, and what is being done; works without the store. Exit 0: there is a quorum.',
  options: {
    timeout: { type: 'string', default: '2s', describe: 'how long each coordinator may take to answer' },
    ...jsonOption,
  },
  async run(args, output) {
    const { config } = loadedConfig(args);
    const [servers, coordinators, local] = await Promise.all([
      Promise.all(config.zookeeper.servers.map(askServer)),
      askCoordinators(args),
      askLocalNoded(config, { kind: 'quorum-view' }, localMs),
    ]);
    const serving = servers.filter((server) => server.state === 'serves').length;
    const needed = Math.floor(servers.length / 2) + 1;
    const view = local.ok ? local.answer.view : null;
    const refused = refusedServers(config, servers, view);
    const ok = serving >= needed && refused.length === 0;
    const answer = { quorum: ok, serving, needed, servers, coordinators, local: view };
    if (flag(args, 'json')) output.json({ ...answer, refused: refused.map(({ because }) => because) });
    else
      print(
        {
          config,
          servers,
          refused,
          serving,
          needed,
          ok,
          coordinators,
          view,
          localBecause: local.ok ? '' : local.because,
          isNodeHere: existsSync(config.node.stateDir) || existsSync(config.api.socket),
        },
        output,
      );
    return ok ? exitCodes.done : exitCodes.failed;
  },
};

export const quorum: Command = {
  usage: 'quorum',
  describe: 'Find out why there is no quorum, and what is being done.',
  commands: [status],
};

/** Why a server is not used; `isLasting`: it belongs to another store, else too few of them answer to know. */
interface Refused {
  readonly because: string;
  readonly isLasting: boolean;
}

/** Servers that are not of one store with the others (S12): by their own mode, and as the noded of this machine found them. */
function refusedServers(config: Config, servers: readonly Server[], view: QuorumView | null): Refused[] {
  const { servers: configured } = config.zookeeper;
  const found = new Map<string, Refused>((view?.refused ?? []).map((refused) => [refused.server, refused]));
  for (const { server, state, detail } of servers) {
    const mode = state === 'serves' && !detail.includes(' ') ? detail : null;
    const { refused } = judgeShape(server, configured, { mode, members: null });
    if (refused !== null) found.set(server, { because: refused, isLasting: true });
  }
  return [...found.values()];
}

/** Nobody to be asked is an answer too: this command is for when everything is gone. */
async function askCoordinators(args: Arguments): Promise<Coordinator[] | string> {
  try {
    const rows = await askAll(args, (to) => ({ kind: 'quorum', to, from: null, nonce: randomUUID() }));
    return rows.map(({ node, asked }) =>
      asked.ok
        ? { node, store: asked.answer.storeLive ? 'reached' : 'away', detail: '' }
        : { node, store: 'no answer', detail: asked.because },
    );
  } catch (error) {
    if (error instanceof CommandError) return error.message;
    throw error;
  }
}

/** ZooKeeper's own word `srvr`: its mode, or that it is not serving. */
function askServer(server: string): Promise<Server> {
  return new Promise((resolve) => {
    const cut = server.lastIndexOf(':');
    const socket = connect({
      host: server.slice(0, cut),
      port: Number(server.slice(cut + 1)),
      lookup: lookups.for('zookeeper'),
    });
    let said = '';
    const end = (state: Server['state'], detail: string) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ server, state, detail });
    };
    const timer = setTimeout(() => end('no answer', `nothing within ${inWords(serverMs)}`), serverMs);
    socket.on('connect', () => socket.write('srvr'));
    socket.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
    socket.on('error', (error) => end('no answer', error.message));
    socket.on('close', () => {
      const mode = /^Mode: (\w+)/m.exec(said)?.[1];
      if (mode !== undefined) end('serves', mode);
      else if (/not currently serving/.test(said)) end('no quorum', 'it runs, but is not serving requests');
      else if (/not in the whitelist/.test(said)) end('serves', 'it does not tell (4lw.commands.whitelist lacks srvr)');
      else end('no answer', 'it closed the connection without a word');
    });
  });
}

interface Found {
  readonly config: Config;
  readonly servers: readonly Server[];
  readonly refused: readonly Refused[];
  readonly serving: number;
  readonly needed: number;
  readonly ok: boolean;
  readonly coordinators: readonly Coordinator[] | string;
  readonly view: QuorumView | null;
  readonly localBecause: string;
  /** noded ran on this machine: its state directory, or its socket, is there. */
  readonly isNodeHere: boolean;
}

function print(
  { servers, refused, serving, needed, ok, coordinators, view, localBecause, isNodeHere }: Found,
  output: Output,
): void {
  const count = `${serving} of ${servers.length} ZooKeeper servers serve; ${needed} are needed`;
  if (refused.some(({ isLasting }) => isLasting)) output.line(output.paint('red', `not one store: ${count}`));
  else output.line(ok ? output.paint('green', `quorum: ${count}`) : output.paint('red', `no quorum: ${count}`));
  for (const { because } of refused) output.line(output.paint('red', `! ${because}`));
  if (servers.length % 2 === 0)
    output.line(
      output.paint(
        'yellow',
        `! ${servers.length} servers bear no more failures than ${servers.length - 1}: use an odd number`,
      ),
    );
  output.line();
  const paint = (word: string) => output.paint(word === 'serves' || word === 'reached' ? 'green' : 'red', word);
  output.table(
    ['ZOOKEEPER', 'STATE', ''],
    servers.map(({ server, state, detail }) => [server, paint(state), detail]),
  );
  output.line();
  if (typeof coordinators === 'string') output.line(output.paint('yellow', `! ${coordinators}`));
  else
    output.table(
      ['COORDINATOR', 'STORE', 'POWER', ''],
      coordinators.map(({ node, store, detail }) => {
        const other = view?.others.find((one) => one.name === node);
        return [node, paint(store), other?.power ?? '-', other?.excused ?? detail];
      }),
    );
  output.line();
  if (view === null && !isNodeHere) {
    const where =
      '! no noded runs on this machine: run nodectl quorum status on a coordinator for power and what is done';
    if (!ok) output.line(output.paint('yellow', where));
  } else if (view === null)
    output.line(output.paint('yellow', `! the noded of this machine does not answer: ${localBecause}`));
  else if (view.storeLive) output.line(`${view.node}: ${view.doing}`);
  else output.line(`${view.node} has been without the store for ${inWords(view.awayMs)}: ${view.doing}`);
}
