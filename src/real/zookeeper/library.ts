/**
 * node-zookeeper-client as we use it: the parts of its inside that the hardening reaches into, with types, and a check at
 * start that they are what we think (fail closed: another version may have other faults). Nothing but client.ts imports
 * this.
 */
import { createRequire } from 'node:module';
import type { LookupFunction, Socket } from 'node:net';

const require = createRequire(import.meta.url);

/** The one version whose source was read and whose faults are mended here. */
export const supportedVersion = '1.1.3';

export interface LibraryError extends Error {
  readonly code: number;
}

export interface LibraryStat {
  readonly version: number;
  /** Version of its ACL. */
  readonly aversion: number;
  /** 8 bytes, ms since 1970. */
  readonly mtime: Buffer;
  /** 8 bytes; all zero for a persistent node. */
  readonly ephemeralOwner: Buffer;
}

export interface Packet {
  readonly callback?: (error: LibraryError) => void;
}

/** The connection manager's states, as numbers. */
export const managerState = {
  disconnected: 0,
  connecting: 1,
  connected: 2,
  closing: -1,
  closed: -2,
  expired: -3,
} as const;

export interface ConnectionManager {
  xid: number;
  servers: { host: string; port: number }[];
  /** Connections that were tried since the last one that was made. */
  serverAttempts: number;
  /** Sent anew after each handshake. */
  credentials: { scheme: string; auth: Buffer }[];
  state: number;
  socket?: Socket;
  connectTimeout: number;
  pingTimeout: number;
  pendingBuffer: Buffer | null;
  packetQueue: { queue: Packet[] };
  /** Sent and not answered. */
  pendingQueue: Packet[];
  connectTimeoutHandler: NodeJS.Timeout | null;
  /** By path. */
  readonly watcherManager: Readonly<Record<'dataWatchers' | 'childWatchers' | 'existenceWatchers', object>>;
  connect(): void;
  /** What it calls back with goes to `net.connect` as it is. */
  findNextServer(callback: (server: { host: string; port: number; lookup?: LookupFunction }) => void): void;
  onSocketConnectTimeout(): void;
  onSocketDrain(): void;
  onSocketClosed(hadError: boolean): void;
  onSocketError(error: Error): void;
  setState(state: number): void;
  updateTimeout(sessionTimeoutMs: number): void;
  onSocketConnected(): void;
  onSocketData(data: Buffer): void;
  on(event: 'state', listener: (state: number) => void): void;
}

export interface TransactionOperation {
  version?: number;
}

export interface Transaction {
  readonly ops: TransactionOperation[];
  create(path: string, data: Buffer, acls: readonly object[], mode: number): Transaction;
  check(path: string, version: number): Transaction;
  setData(path: string, data: Buffer, version: number): Transaction;
  remove(path: string, version: number): Transaction;
  /** The results tell which operation was refused: the first whose `err` is not 0. */
  commit(callback: (error: LibraryError | null, results?: readonly { readonly err?: number }[]) => void): void;
}

export interface LibraryAcl {
  readonly permission: number;
  readonly id: { readonly scheme: string; readonly id: string };
}

export interface LibraryClient {
  readonly connectionManager: ConnectionManager;
  connect(): void;
  close(): void;
  addAuthInfo(scheme: string, auth: Buffer): void;
  getSessionId(): Buffer;
  getSessionTimeout(): number;
  on(event: string, listener: () => void): void;
  create(
    path: string,
    data: Buffer,
    acls: readonly object[],
    mode: number,
    callback: (error: LibraryError | null, path: string) => void,
  ): void;
  getData(
    path: string,
    watcher: (() => void) | undefined,
    callback: (error: LibraryError | null, data: Buffer | null | undefined, stat: LibraryStat) => void,
  ): void;
  getChildren(
    path: string,
    watcher: (() => void) | undefined,
    callback: (error: LibraryError | null, names: string[]) => void,
  ): void;
  getACL(
    path: string,
    callback: (error: LibraryError | null, acl: readonly LibraryAcl[], stat: LibraryStat) => void,
  ): void;
  setACL(
    path: string,
    acls: readonly object[],
    version: number,
    callback: (error: LibraryError | null, stat: LibraryStat) => void,
  ): void;
  setData(
    path: string,
    data: Buffer,
    version: number,
    callback: (error: LibraryError | null, stat: LibraryStat) => void,
  ): void;
  remove(path: string, version: number, callback: (error: LibraryError | null) => void): void;
  transaction(): Transaction;
}

interface Library {
  createClient(servers: string, options: object): LibraryClient;
  readonly ACL: new (permission: number, id: object) => object;
  readonly Id: { readonly ANYONE_ID_UNSAFE: object } & (new (scheme: string, id: string) => object);
  readonly Permission: { readonly ALL: number; readonly READ: number; readonly CREATE: number };
  readonly CreateMode: Record<'PERSISTENT' | 'EPHEMERAL' | 'PERSISTENT_SEQUENTIAL' | 'EPHEMERAL_SEQUENTIAL', number>;
}

export const library = require('node-zookeeper-client') as Library;

/** The library's error codes that we tell apart. */
export const errorCode = {
  connectionLoss: -4,
  operationTimeout: -7,
  noNode: -101,
  noAuth: -102,
  badVersion: -103,
  nodeExists: -110,
  notEmpty: -111,
  sessionExpired: -112,
  authFailed: -115,
  /** ZooKeeper with enforce.auth.enabled and a client that did not prove itself; unknown to the library. */
  sessionClosedRequireAuth: -124,
} as const;

/**
 * Makes the library's error factory tolerant: with an unknown code it throws inside the socket handler, which ends the
 * process. Patched once for the module.
 */
function tolerateUnknownCodes(): void {
  const exception = require('node-zookeeper-client/lib/Exception.js') as {
    create: (code: number, path?: string) => LibraryError;
    nodekeeperTolerant?: boolean;
  };
  if (exception.nodekeeperTolerant === true) return;
  const original = exception.create;
  exception.create = (code, path) => {
    try {
      return original(code, path);
    } catch {
      return Object.assign(new Error(`ZooKeeper error code ${code}`), { code });
    }
  };
  exception.nodekeeperTolerant = true;
}

/** Why this library may not be used, or null. Run before the first client is made. */
export function checkLibrary(): string | null {
  const found = (require('node-zookeeper-client/package.json') as { version: string }).version;
  if (found !== supportedVersion) {
    return `node-zookeeper-client ${supportedVersion} is required (its faults are known and mended), found ${found}`;
  }
  const manager = library.createClient('localhost:1', {}).connectionManager as unknown as Record<string, unknown>;
  const methods = [
    ...['connect', 'findNextServer', 'setState', 'updateTimeout', 'on'],
    ...[
      'onSocketConnected',
      'onSocketConnectTimeout',
      'onSocketData',
      'onSocketDrain',
      'onSocketClosed',
      'onSocketError',
    ],
  ];
  const missing = methods.filter((name) => typeof manager[name] !== 'function');
  if (typeof manager['packetQueue'] !== 'object') missing.push('packetQueue');
  if (typeof manager['watcherManager'] !== 'object') missing.push('watcherManager');
  for (const name of ['servers', 'credentials']) if (!Array.isArray(manager[name])) missing.push(name);
  if (missing.length > 0) return `node-zookeeper-client lacks what the hardening needs: ${missing.join(', ')}`;
  tolerateUnknownCodes();
  return null;
}
