/** Configuration, key and a session with the store, for the commands that need them. */
import { hostname, userInfo } from 'node:os';
import type { Config } from '../config/load.ts';
import type { Store } from '../environment/store.ts';
import { configFile, readClusterKeys, readConfig } from '../real/config-file.ts';
import type { KeyRing } from '../real/secrets.ts';
import { askServers, inOneSentence } from '../real/zookeeper/ask-servers.ts';
import { storeOptions } from '../real/zookeeper/options.ts';
import type { ZooKeeperStoreOptions } from '../real/zookeeper/store.ts';
import { openZooKeeperStore } from '../real/zookeeper/store.ts';
import type { Arguments } from './command.ts';
import { text } from './command.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { patientStore } from './patient-store.ts';
import { commandGate } from './store-gate.ts';

export interface Connected {
  readonly config: Config;
  readonly keys: KeyRing;
  readonly store: Store;
}

/** How long a command waits for the store before it says that it is unreachable; in the middle of it, too, if it only looks. */
const connectWithinMs = 5000;
/** How long the servers may take to say why. */
const serversWithinMs = 1000;

export function loadedConfig(args: Arguments): { readonly config: Config; readonly file: string } {
  const file = configFile(text(args, 'config'));
  const read = readConfig(file);
  if (!read.ok) throw new CommandError(exitCodes.usage, read.message);
  return { config: read.value, file };
}

/**
 * Runs `work` with a connected store and closes it afterwards, whatever happens. Ctrl-C ends nodectl, unless `takesSignals`: then
 * `work` has a command running that gets the signal, and notes how that ended.
 */
export async function withStore<T>(
  args: Arguments,
  work: (connected: Connected) => Promise<T>,
  withinMs = connectWithinMs,
  takesSignals = false,
): Promise<T> {
  const { config } = loadedConfig(args);
  const keys = readClusterKeys(config);
  if (!keys.ok) throw new CommandError(exitCodes.usage, keys.message);
  let trouble = '';
  const store = openZooKeeperStore({
    ...commandSession(config, keys.value),
    onTrouble: (because) => (trouble = `: ${because}`),
  });
  const { gate, refused } = commandGate(config);
  store.guard(gate);
  // Ctrl-C ends the session in good order, so that what was asked for is taken back at once.
  const interrupted = takesSignals ? () => undefined : () => void store.close(500).finally(() => process.exit(130));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupted);
  try {
    await connected(store, config, withinMs, { trouble: () => trouble, refused });
    return await work({ config, keys: keys.value, store: patientStore(store, withinMs) });
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupted);
    await store.close(500);
  }
}

/** The options of a command's session, which is shorter and less patient than that of noded. */
export function commandSession(config: Config, keys: KeyRing): ZooKeeperStoreOptions {
  const options = storeOptions(config, keys);
  return {
    ...options,
    servers: shuffled(options.servers),
    sessionTimeoutMs: config.timing.requesterTimeoutMs,
    connectTimeoutMs: Math.max(config.timing.connectTimeoutMs, 500),
    requestTimeoutMs: 4000,
  };
}

async function connected(
  store: Store,
  config: Config,
  withinMs: number,
  { trouble, refused }: { readonly trouble: () => string; readonly refused: ReadonlyMap<string, string> },
): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (store.session().state !== 'connected') {
    const isRefused = config.zookeeper.servers.every((server) => refused.has(server));
    if (isRefused)
      throw new CommandError(
        exitCodes.unreachable,
        `no ZooKeeper server may be used: ${[...refused.values()].join('; ')}; nodectl config check --connect asks all of them`,
      );
    if (performance.now() > endMs) {
      const { servers, tls } = config.zookeeper;
      const words = tls === undefined ? inOneSentence(await askServers(servers, serversWithinMs)) : null;
      throw new CommandError(
        exitCodes.unreachable,
        `no ZooKeeper server answers within ${withinMs / 1000} s (tried ${servers.join(', ')}${trouble()}); ${[...refused.values(), words ?? 'is there a quorum?'].join('; ')}`,
      );
    }
    await pause(5);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Who asks, for the record. */
export function requester(): string {
  return `${process.env['SUDO_USER'] ?? userInfo().username}@${hostname()}`;
}

/** Unlike noded, a command has no reason to prefer the first server. */
function shuffled(servers: readonly string[]): string[] {
  return servers
    .map((server) => ({ server, key: Math.random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ server }) => server);
}
