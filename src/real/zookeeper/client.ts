/**
 * One hardened client of node-zookeeper-client: one session's life. Every mend of docs/decisions/0002 is here, numbered
 * as there (M1..M15); each has its test in test/real/zookeeper.
 *
 * Promises: a silent server is noticed within `readTimeoutMs`, a silent handshake within `connectTimeoutMs`; nothing is
 * queued while disconnected; every request settles; after `expired` or `kill` nothing of it ever comes back.
 */
import { lookups } from '../lookup.ts';
import type { LibraryClient, LibraryError } from './library.ts';
import { errorCode, library, managerState } from './library.ts';
import type { ZooKeeperTls } from './tls.ts';
import { underTls } from './tls.ts';

export interface ClientOptions {
  readonly servers: readonly string[];
  readonly sessionTimeoutMs: number;
  readonly connectTimeoutMs: number;
  /** `user:password` of the digest scheme, one for each cluster key that is held. */
  readonly digests: readonly string[];
  /** Null: TCP as it is. */
  readonly tls: ZooKeeperTls | null;
  /** Why a connection by TLS did not come about. */
  readonly onTrouble: (because: string) => void;
  readonly onState: (state: ClientState, because: string) => void;
  /** For tests: the number of the first request; default 1. */
  readonly firstXid?: number | undefined;
}

export type ClientState = 'connected' | 'disconnected' | 'expired' | 'auth-failed';

export type Reply<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly code: number; readonly message: string };

export interface HardenedClient {
  connect(): void;
  isConnected(): boolean;
  /** Address and port of the server that it is connected to. */
  server(): string;
  /** The same as it is configured: host:port. */
  configuredServer(): string;
  /** From now on it connects to these only. */
  setServers(servers: readonly string[]): void;
  sessionId(): string;
  sessionTimeoutMs(): number;
  /** Watches that the library holds, set off or not. */
  heldWatches(): number;
  /** Sends one request; settles within `deadlineMs`. A missed deadline cuts the connection: its reply would be lost. */
  request<T>(
    deadlineMs: number,
    send: (client: LibraryClient, done: (error: LibraryError | null, value: T) => void) => void,
  ): Promise<Reply<T>>;
  /** Proves from now on that these are held, on this connection and on those after it. */
  authenticate(digests: readonly string[]): void;
  /** Requests that are sent and not answered, and those that are not sent yet. */
  requests(): number;
  /** Cuts the connection; the library tries the next server. */
  cut(because: string): void;
  /** Ends everything at once; the session's ephemerals live on until the server expires them. */
  kill(): void;
  /** Ends the session in good order, by force after `deadlineMs`. */
  shutdown(deadlineMs: number): Promise<void>;
}

/** Makes a client; it does nothing before `connect`. */
export function hardenedClient(options: ClientOptions): HardenedClient {
  const client = library.createClient(options.servers.join(','), {
    sessionTimeout: options.sessionTimeoutMs,
    spinDelay: Math.min(1000, options.connectTimeoutMs),
    retries: 0, // M12: a retried create makes a second sequential node
  });
  const life = { killed: false, cutBecause: '', server: '' };
  harden(client, options, life);
  for (const digest of options.digests) client.addAuthInfo('digest', Buffer.from(digest)); // M12: before connect
  const manager = client.connectionManager;
  if (options.tls !== null) underTls(manager, options.tls, options.onTrouble);
  const isConnected = () => !life.killed && manager.state === managerState.connected && life.cutBecause === '';

  const cut = (because: string) => {
    if (life.killed || life.cutBecause !== '') return;
    life.cutBecause = because;
    if (manager.state === managerState.connected) options.onState('disconnected', because);
    manager.socket?.destroy();
  };
  const kill = () => {
    if (life.killed) return;
    life.killed = true;
    manager.connect = () => undefined; // M9: nothing may bring it back
    failQueued(client);
    manager.setState(managerState.closing);
    if (manager.connectTimeoutHandler !== null) clearTimeout(manager.connectTimeoutHandler);
    manager.socket?.destroy();
  };
  return {
    connect: () => client.connect(),
    isConnected,
    server: () => `${manager.socket?.remoteAddress ?? '?'}:${manager.socket?.remotePort ?? '?'}`,
    configuredServer: () => life.server,
    setServers: (servers) => {
      manager.servers = servers.map(hostAndPort);
      manager.serverAttempts = 0; // the library compares it with the number of servers
    },
    sessionId: () => client.getSessionId().toString('hex'),
    sessionTimeoutMs: () => client.getSessionTimeout(),
    heldWatches: () => heldWatches(manager),
    request: (deadlineMs, send) => oneRequest(client, isConnected, cut, deadlineMs, send),
    authenticate: (digests) => authenticate(client, digests),
    requests: () => manager.pendingQueue.length + manager.packetQueue.queue.length,
    cut,
    kill,
    shutdown: (deadlineMs) => shutdown(client, isConnected, kill, deadlineMs),
  };
}

interface Life {
  killed: boolean;
  /** Why the connection is being cut; '' while it is not. */
  cutBecause: string;
  /** The one that it connects to, or is connected to, as configured. */
  server: string;
}

function harden(client: LibraryClient, options: ClientOptions, life: Life): void {
  const manager = client.connectionManager;
  // The library shuffles the servers; the operator's order is kept: the nearest one first.
  manager.servers = options.servers.map(hostAndPort);
  const findNextServer = manager.findNextServer.bind(manager);
  manager.findNextServer = (found) =>
    findNextServer((server) => {
      life.server = `${server.host}:${server.port}`;
      found({ ...server, lookup: lookups.for('zookeeper') });
    });
  numberRequests(manager, options.firstXid ?? 1);

  const updateTimeout = manager.updateTimeout.bind(manager);
  manager.updateTimeout = (sessionTimeoutMs) => {
    updateTimeout(sessionTimeoutMs);
    manager.connectTimeout = options.connectTimeoutMs; // M3
    manager.pingTimeout = Math.round(sessionTimeoutMs / 9); // so that silence of a third of the timeout means something
  };
  manager.updateTimeout(options.sessionTimeoutMs);

  const onSocketConnected = manager.onSocketConnected.bind(manager);
  manager.onSocketConnected = () => {
    if (life.killed) return void manager.socket?.destroy();
    onSocketConnected();
    watchSilence(client, options, life); // M2
  };

  const onSocketData = manager.onSocketData.bind(manager);
  manager.onSocketData = (data) => {
    if (life.killed || life.cutBecause !== '') return;
    try {
      onSocketData(data);
    } catch (error) {
      // M7: an unparsable answer must not end the process; the connection is worth nothing any more.
      manager.pendingBuffer = null;
      life.cutBecause = `the server's answer could not be understood (${String(error)})`;
      manager.socket?.destroy();
    }
  };

  manager.on('state', (state) => {
    if (life.killed) return;
    if (state === managerState.disconnected) {
      manager.pendingBuffer = null; // M4: half a reply must not be glued to the next connection's first bytes
      failQueued(client); // M4, M5: nothing from before is sent later
      const because = life.cutBecause === '' ? 'the connection to the server was lost' : life.cutBecause;
      life.cutBecause = '';
      options.onState('disconnected', because);
    } else if (state === managerState.connected) {
      options.onState('connected', '');
    } else if (state === managerState.expired) {
      options.onState('expired', 'the server says that the session is over');
    } else if (state === -4) {
      options.onState('auth-failed', 'the server refuses the authentication');
    }
  });
}

function hostAndPort(server: string): { host: string; port: number } {
  const [host = '', port = '2181'] = server.split(':');
  return { host, port: Number(port) };
}

function heldWatches({ watcherManager }: LibraryClient['connectionManager']): number {
  const { dataWatchers, childWatchers, existenceWatchers } = watcherManager;
  return [dataWatchers, childWatchers, existenceWatchers].reduce((sum, held) => sum + Object.keys(held).length, 0);
}

/** The largest int32 is not used either: ZooKeeper's own Java client goes back to 1 here. */
const xidMax = 2 ** 31 - 2;

/**
 * M1: the server never counts request 0 as answered. M15: the library counts requests without end and writes the number as an
 * int32, so that every request of a session throws after 2^31 of them. The numbers go back to 1, as in ZooKeeper's own client: -1,
 * -2, -4 and -8 mean notification, ping, authentication and watches, so no number may be negative. The server answers in order
 * and only repeats the number, so that one which was used 2^31 requests ago means nothing any more; the session goes on.
 */
function numberRequests(manager: LibraryClient['connectionManager'], first: number): void {
  let next = first;
  Object.defineProperty(manager, 'xid', {
    get: () => next,
    set: (number: number) => (next = number > xidMax ? 1 : number),
  });
}

/** A connection that is just being made has sent its proofs already, and begins anew. */
function authenticate(client: LibraryClient, digests: readonly string[]): void {
  const manager = client.connectionManager;
  const held = manager.credentials.map(({ auth }) => auth.toString());
  const fresh = digests.filter((digest) => !held.includes(digest));
  const credentials = digests.map((digest) => ({ scheme: 'digest', auth: Buffer.from(digest) }));
  if (manager.state === managerState.connected)
    for (const digest of fresh) client.addAuthInfo('digest', Buffer.from(digest));
  else manager.socket?.destroy();
  manager.credentials = credentials;
}

/** Within a limit of silence it is looked this often whether the limit is reached. */
const looksPerLimit = 16;
const lookLeastMs = 20;

/** M2: cuts a connection on which nothing came in for too long: the handshake or any later answer. */
function watchSilence(client: LibraryClient, options: ClientOptions, life: Life): void {
  const manager = client.connectionManager;
  const socket = manager.socket;
  if (socket === undefined) return;
  let lastDataMs = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const look = (dueMs: number, pauseMs: number) => {
    const now = performance.now();
    const paused = now - dueMs > 2 * pauseMs; // our own pause: answers may wait in the kernel; look once more
    const connected = manager.state === managerState.connected;
    const limitMs = connected ? readTimeoutMs(client) : options.connectTimeoutMs;
    if (paused || now - lastDataMs <= limitMs) {
      lookLater(limitMs);
      return;
    }
    if (life.cutBecause === '') {
      life.cutBecause = `the server said nothing for ${Math.round(now - lastDataMs)} ms`;
      if (connected) options.onState('disconnected', life.cutBecause);
    }
    socket.destroy();
  };
  const lookLater = (limitMs: number) => {
    const pauseMs = Math.max(lookLeastMs, Math.round(limitMs / looksPerLimit));
    timer = setTimeout(look, pauseMs, performance.now() + pauseMs, pauseMs);
    timer.unref();
  };
  socket.on('data', () => (lastDataMs = performance.now()));
  socket.once('close', () => clearTimeout(timer));
  lookLater(options.connectTimeoutMs);
}

/** A third of the negotiated session timeout: late enough for pings (a ninth), early enough to try the other servers. */
function readTimeoutMs(client: LibraryClient): number {
  return Math.round(client.getSessionTimeout() / 3);
}

/** M4: takes every unsent request out of the library's queue and fails it, which the library never does. */
function failQueued(client: LibraryClient): void {
  const queued = client.connectionManager.packetQueue.queue.splice(0);
  const lost = Object.assign(new Error('the connection was lost before this was sent'), {
    code: errorCode.connectionLoss,
  });
  for (const packet of queued) packet.callback?.(lost);
}

function oneRequest<T>(
  client: LibraryClient,
  isConnected: () => boolean,
  cut: (because: string) => void,
  deadlineMs: number,
  send: (client: LibraryClient, done: (error: LibraryError | null, value: T) => void) => void,
): Promise<Reply<T>> {
  if (!isConnected()) {
    // M5: the library would queue it and send it some time later, a write from the past
    return Promise.resolve({ ok: false, code: errorCode.sessionExpired, message: 'not connected; nothing was sent' });
  }
  return new Promise((resolve) => {
    let settled = false;
    const settle = (reply: Reply<T>) => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      resolve(reply);
    };
    const timer = setTimeout(() => {
      settle({ ok: false, code: errorCode.connectionLoss, message: `no answer within ${deadlineMs} ms` });
      cut(`a request was not answered within ${deadlineMs} ms`); // M6
    }, deadlineMs);
    try {
      send(client, (error, value) => {
        if (!error) settle({ ok: true, value });
        else settle({ ok: false, code: error.code, message: error.message });
      });
    } catch (error) {
      settle({ ok: false, code: 0, message: String(error) });
    }
  });
}

/** M9, M10: `close()` is only called on a healthy connection; it hangs on a frozen one and revives a dead one. */
async function shutdown(
  client: LibraryClient,
  isConnected: () => boolean,
  kill: () => void,
  deadlineMs: number,
): Promise<void> {
  const socket = client.connectionManager.socket;
  if (!isConnected() || socket === undefined) {
    kill();
    return;
  }
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, deadlineMs);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    client.close();
  });
  kill();
}
