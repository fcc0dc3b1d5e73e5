/**
 * The words for what a node is, each with the sentence that says what it means, and the one function that derives the
 * state people see from the facts in the store. Nothing is fenced or recovered by these words: decisions rest on
 * detection.ts, guards.ts and fencing.ts; this is what `nodectl status` shows.
 */

/** What a noded says of itself, in its keepalive. */
export const daemonStates = {
  starting: 'noded runs and publishes keepalives, but has not finished starting; it holds nothing yet',
  run: 'noded works normally',
  shutdown: 'noded was told to stop and is handing over what it holds; a promise with a deadline',
  stop: 'noded stopped in good order and holds nothing; its silence means nothing',
} as const;
export type DaemonState = keyof typeof daemonStates;

/** What an operator sees of a node. */
export const nodeStates = {
  starting: daemonStates.starting,
  run: daemonStates.run,
  shutdown: daemonStates.shutdown,
  stop: daemonStates.stop,
  dead: 'the verdict is dead, but nothing has been done about it (yet): a guard holds, or the fence is about to begin',
  fencing: 'this node is being fenced',
  fenced:
    'it is recorded as off, by a reading of its power, its watchdog, or the word of a person; it has not come back since',
  'fence-failed': 'it could not be made sure that this node is off; nothing of it is recovered; it is tried again',
  unknown: 'there is no readable keepalive, or it is old and nobody is left to judge it',
} as const;
export type NodeState = keyof typeof nodeStates;

export type NodeRole = 'coordinator' | 'worker';

/** How a fence stands, as far as a node's displayed state needs to know. */
export type FenceStanding = 'none' | 'under-way' | 'fenced' | 'failed';

export interface NodeFacts {
  /** What the node's last readable keepalive says; null when there is none. */
  readonly keepalive: { readonly state: DaemonState; readonly incarnation: string } | null;
  /** The fence record, already bound to the incarnation that it is about; null when there is none. */
  readonly fence: { readonly standing: FenceStanding; readonly incarnation: string } | null;
  /** Whether any live observer holds the node for dead. */
  readonly heldForDead: boolean;
  /** Whether the keepalive is older than the whole detection time while no observer counts throws against it. */
  readonly stale: boolean;
}

/** The state shown to people. A fence speaks only of the incarnation that it was about. */
export function displayedState(facts: NodeFacts): NodeState {
  const { keepalive, fence } = facts;
  if (fence !== null && (keepalive === null || keepalive.incarnation === fence.incarnation)) {
    if (fence.standing === 'under-way') return 'fencing';
    if (fence.standing === 'fenced') return 'fenced';
    if (fence.standing === 'failed') return 'fence-failed';
  }
  if (keepalive === null) return 'unknown';
  if (keepalive.state === 'stop') return 'stop';
  if (facts.heldForDead) return 'dead';
  if (facts.stale) return 'unknown';
  return keepalive.state;
}

/** Whether what a node's last keepalive says of itself holds now: in the other states nothing is known, or it holds nothing. */
export function speaksForItself(state: NodeState): boolean {
  return state === 'starting' || state === 'run' || state === 'shutdown';
}

/** Node names travel into paths, records and commands: letters, digits, dot and hyphen, as in host names. */
export const nodeNamePattern = /^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/;
