/** `ZooKeeperServers` on real ones: the four-letter word `srvr`, the addresses of this machine, the operator's command. */
import { lookup } from 'node:dns/promises';
import { hostname, networkInterfaces } from 'node:os';
import type { Config } from '../../config/load.ts';
import { hostOf, isSameHost } from '../../core/ensemble-shape.ts';
import type { SeenServer } from '../../core/server-restart.ts';
import type { RestartOutcome, ZooKeeperServers } from '../../environment/zookeeper-servers.ts';
import { monotonicMs } from '../clock.ts';
import { run } from '../process/runner.ts';
import { said } from '../resources/command.ts';
import { askServers, noAnswer } from './ask-servers.ts';
import type { ServerWord } from './ask-servers.ts';
import type { ZooKeeperTls } from './tls.ts';

const outputMax = 2000;
/** While no server is known to run here. */
const resolveAgainMs = 60_000;

export function realZooKeeperServers({ zookeeper }: Config, tls: ZooKeeperTls | null): ZooKeeperServers {
  const { servers, ownServer, restartCommand, restartTimeout } = zookeeper;
  let found = ownServer ?? null;
  let askedAtMs = -Infinity;
  return {
    async look(withinMs) {
      return (await askServers(servers, withinMs, tls)).map(healthOf);
    },
    async own() {
      // Names are resolved in the threads that also serve the disk: rarely, and one after the other.
      if (found !== null || monotonicMs() - askedAtMs < resolveAgainMs) return found;
      askedAtMs = monotonicMs();
      const here: string[] = [];
      for (const server of servers) if (await isHere(hostOf(server))) here.push(server);
      found = here.length === 1 ? (here[0] ?? null) : null;
      return found;
    },
    restart:
      restartCommand === undefined
        ? null
        : (server, reason, signal) => restart(restartCommand, restartTimeout, { server, reason }, signal),
  };
}

/** A word of no mode and no trouble: it has no quorum. One that answers anything else lives, as one that forbids `srvr`. */
export function healthOf({ server, mode, trouble }: ServerWord): SeenServer {
  if (trouble === noAnswer || (trouble === null && mode === null)) return { server, health: 'hangs' };
  const isAway = trouble !== null && /ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN/.test(trouble);
  return { server, health: isAway ? 'away' : 'serves' };
}

async function restart(
  [program = '', ...args]: readonly string[],
  deadlineMs: number,
  { server, reason }: { readonly server: string; readonly reason: string },
  signal: AbortSignal,
): Promise<RestartOutcome> {
  const env = { NODEKEEPER_HOOK: 'zookeeper-restart', NODEKEEPER_SERVER: server, NODEKEEPER_REASON: reason };
  const result = await run(program, args, { deadlineMs, env, signal, mayLeave: true });
  const isDone = result.kind === 'exited';
  const output = isDone || result.kind === 'timed-out' ? `${result.stdout}\n${result.stderr}`.trim() : '';
  return { ok: isDone && result.code === 0, because: said(result, deadlineMs), output: output.slice(-outputMax) };
}

/** Whether a host of the configuration is this machine, by its name or one of its addresses. */
async function isHere(host: string): Promise<boolean> {
  if (isSameHost(host, hostname())) return true;
  const own = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));
  try {
    const found = await lookup(host, { all: true });
    return found.some(({ address }) => own.includes(address));
  } catch {
    return false; // a name that is not known is no name of this machine
  }
}
