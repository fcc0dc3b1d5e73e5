/**
 * The store, as decisions may use it. Promises (test/compliance/store.test.ts, on the simulator and on ZooKeeper):
 *   STORE1 every write that rests on a read carries that read's version; there is no unconditional write (S6);
 *   STORE2 nothing is queued: without a live session every call fails at once with `not-connected`;
 *   STORE3 every call ends within the request timeout; an unanswered write is `unclear`: it may have happened;
 *   STORE4 a read sees every write that this session had acknowledged before it was sent (first in, first out);
 *   STORE5 a commit happens as a whole or not at all;
 *   STORE6 ephemerals vanish with their session, and only with it (or when they are removed);
 *   STORE7 `lastAckSentMs` is the sending time of the last acknowledged write, on the Clock of this environment: reads and pings are no evidence;
 *   STORE8 a watch fires at most once, is a hint only, and may be lost with the session;
 *   STORE9 `exposure` says whether everybody who reaches the store may change our tree: then a record is nobody's word;
 *   STORE10 a server that shows what the store then refuses, again and again, is left for the next one (core/contradiction.ts);
 *   STORE11 no request goes over a new connection, and the session is not `connected`, before the gate has let its server in (S12);
 *   STORE12 `abandon` ends the session with all its ephemerals, and a new one is made: the generation grows.
 */
import type { ServerShape } from '../core/ensemble-shape.ts';

export type StoreFailureCode =
  | 'not-connected' // no live session: nothing was sent
  | 'unclear' // sent, no answer: a write may or may not have happened
  | 'no-node'
  | 'node-exists'
  | 'bad-version'
  | 'not-empty'
  | 'no-auth' // the store's ACLs refuse us: another cluster key
  | 'too-large'
  | 'refused'; // anything else the store said

export interface StoreFailure {
  readonly ok: false;
  readonly code: StoreFailureCode;
  readonly because: string;
}

export type StoreResult<T> = ({ readonly ok: true } & T) | StoreFailure;

export interface StoredValue {
  readonly text: string;
  readonly version: number;
  /** The store's own wall time of the last change; for people only. */
  readonly modifiedWallMs: number;
  /** Id of the session that owns an ephemeral; null for a persistent node. */
  readonly owner: string | null;
}

export type CreateMode = 'persistent' | 'ephemeral' | 'persistent-sequential' | 'ephemeral-sequential';

export type Operation =
  | { readonly kind: 'create'; readonly path: string; readonly text: string; readonly mode: CreateMode }
  | { readonly kind: 'write'; readonly path: string; readonly text: string; readonly version: number }
  | { readonly kind: 'remove'; readonly path: string; readonly version: number }
  | { readonly kind: 'check'; readonly path: string; readonly version: number };

/** connecting: never connected yet · connected · suspended: cut off, may come back · lost: over, a new one is made */
export type SessionState = 'connecting' | 'connected' | 'suspended' | 'lost';

export interface SessionView {
  readonly state: SessionState;
  /** Grows by one with every new session: what was owned under an older one is void. */
  readonly generation: number;
  readonly id: string | null;
  /** As negotiated with the server; 0 before the first connection. */
  readonly timeoutMs: number;
  readonly lastAckSentMs: number | null;
}

/** A connection that was just made, before anything else is done over it. */
export interface NewConnection {
  /** As configured. */
  readonly server: string;
  readonly servers: readonly string[];
  /** What the server tells of itself and its ensemble; never waits long. */
  shape(): Promise<ServerShape>;
  read(path: string): Promise<StoreResult<StoredValue>>;
  create(path: string, text: string): Promise<StoreResult<object>>;
  write(path: string, text: string, version: number): Promise<StoreResult<object>>;
  /** Reads `path` from every configured server, each over a connection of its own. */
  readFromAll(path: string): Promise<readonly { readonly server: string; readonly read: StoreResult<StoredValue> }[]>;
}

/** Null: the server is let in; else why not, and whether that lasts: then the others are used without asking it again at once. */
export type Gate = (
  connection: NewConnection,
) => Promise<{ readonly because: string; readonly isLasting: boolean } | null>;

export interface Store {
  /** Asked about each new connection from now on (STORE11). Set before the first one is made. */
  guard(gate: Gate): void;
  session(): SessionView;
  /** Called after each change of the session's state; must not block. Returns the way to stop it. */
  onSession(listener: (view: SessionView) => void): () => void;
  /** Called with a sentence when the store contradicts itself (STORE10); must not block. Returns the way to stop it. */
  onContradiction(listener: (because: string) => void): () => void;
  read(path: string, onChange?: () => void): Promise<StoreResult<StoredValue>>;
  /** Names of the children, sorted. */
  list(path: string, onChange?: () => void): Promise<StoreResult<{ readonly names: string[] }>>;
  /** The path tells the number that a sequential node got. */
  create(path: string, text: string, mode: CreateMode): Promise<StoreResult<{ readonly path: string }>>;
  write(path: string, text: string, version: number): Promise<StoreResult<{ readonly version: number }>>;
  remove(path: string, version: number): Promise<StoreResult<object>>;
  /** All of the operations or none of them. */
  commit(operations: readonly Operation[]): Promise<StoreResult<object>>;
  /** Where and how everybody may change the tree, e.g. "/nodes: world:anyone may read, write"; null: nowhere. */
  exposure(): Promise<StoreResult<{ readonly where: string | null }>>;
  /** How many requests, watches and listeners its client holds right now, by name; for people, and for the test of long lives. */
  counts?(): Record<string, number>;
  /** Ends the session, and goes on with a new one. */
  abandon(because: string): Promise<void>;
  /** Ends the session in good order within `deadlineMs`: its ephemerals are gone when it worked. */
  close(deadlineMs: number): Promise<void>;
}
