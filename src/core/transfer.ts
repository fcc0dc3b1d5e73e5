/**
 * A graceful transfer of the primary role as a complete table. The record of the transfer is written by the two nodes
 * in turn; whoever follows it sees every step. If the target does not prepare, the holder never lets go; if the holder
 * cannot stop, it goes on; if the target cannot start, it hands the role back.
 */
import type { Table } from './machine.ts';

export const transferStates = {
  asked: 'somebody asked for it; nothing has been touched yet',
  preparing: 'the holder has accepted it and waits until the target is ready; the holder goes on as before',
  prepared: 'the target is ready; the holder begins to stop',
  stopping: 'the holder is stopping its resources, in reverse',
  starting: 'the role has been handed over in one write; the new holder is starting the resources',
  'handing-back': 'the new holder could not start them and has stopped what it had started; the old one starts again',
  done: 'the new holder is primary',
  failed: 'it did not come about; the record says who is primary and why',
  refused: 'it may not be done; nothing was touched',
} as const;
export type TransferState = keyof typeof transferStates;

export const transferEvents = {
  accept: 'the holder takes it up',
  refuse: 'something is in the way',
  ready: 'the target has prepared',
  giveUp: 'the target did not prepare, vanished, or the requester took it back',
  stopBegun: 'the holder begins to stop',
  stopFailed: 'the holder could not stop and goes on',
  handedOver: 'one write made the target the holder',
  started: 'the target runs everything',
  startFailed: 'the target could not start and handed the role back',
  holderChanged: 'the role went another way in the meantime (a fence, a deposition)',
} as const;
export type TransferEvent = keyof typeof transferEvents;

const over = { ignored: 'this transfer is over' } as const;
const cannot = (because: string) => ({ impossible: because }) as const;
const failed = { to: 'failed', actions: [] } as const;

export const transferTable: Table<TransferState, TransferEvent, never> = {
  asked: {
    accept: { to: 'preparing', actions: [] },
    refuse: { to: 'refused', actions: [] },
    ready: cannot('the target was not asked yet'),
    giveUp: failed,
    stopBegun: cannot('the target was not asked yet'),
    stopFailed: cannot('nothing was stopped yet'),
    handedOver: cannot('nothing was stopped yet'),
    started: cannot('nothing was handed over'),
    startFailed: cannot('nothing was handed over'),
    holderChanged: failed,
  },
  preparing: {
    accept: { ignored: 'it was accepted already' },
    refuse: failed,
    ready: { to: 'prepared', actions: [] },
    giveUp: failed,
    stopBegun: cannot('the target is not ready'),
    stopFailed: cannot('nothing was stopped yet'),
    handedOver: cannot('the target is not ready'),
    started: cannot('nothing was handed over'),
    startFailed: cannot('nothing was handed over'),
    holderChanged: failed,
  },
  prepared: {
    accept: { ignored: 'it was accepted already' },
    refuse: failed,
    ready: { ignored: 'the target is ready already' },
    giveUp: failed,
    stopBegun: { to: 'stopping', actions: [] },
    stopFailed: cannot('nothing was stopped yet'),
    handedOver: cannot('nothing was stopped yet'),
    started: cannot('nothing was handed over'),
    startFailed: cannot('nothing was handed over'),
    holderChanged: failed,
  },
  stopping: {
    accept: { ignored: 'it was accepted already' },
    refuse: { ignored: 'the holder is stopping already' },
    ready: { ignored: 'the target is ready already' },
    giveUp: failed,
    stopBegun: { ignored: 'the holder is stopping already' },
    stopFailed: failed,
    handedOver: { to: 'starting', actions: [] },
    started: cannot('nothing was handed over'),
    startFailed: cannot('nothing was handed over'),
    holderChanged: failed,
  },
  starting: {
    accept: { ignored: 'it is handed over already' },
    refuse: { ignored: 'it is handed over already' },
    ready: { ignored: 'it is handed over already' },
    giveUp: { ignored: 'it is handed over already' },
    stopBegun: { ignored: 'it is handed over already' },
    stopFailed: cannot('the old holder has stopped'),
    handedOver: { ignored: 'it is handed over already' },
    started: { to: 'done', actions: [] },
    startFailed: { to: 'handing-back', actions: [] },
    holderChanged: failed,
  },
  'handing-back': {
    accept: { ignored: 'it is being handed back' },
    refuse: { ignored: 'it is being handed back' },
    ready: { ignored: 'it is being handed back' },
    giveUp: { ignored: 'it is being handed back' },
    stopBegun: { ignored: 'it is being handed back' },
    stopFailed: cannot('the old holder has stopped'),
    handedOver: { ignored: 'it is being handed back' },
    started: failed,
    startFailed: failed,
    holderChanged: failed,
  },
  done: all(over),
  failed: all(over),
  refused: all(over),
};

function all<Cell>(cell: Cell): { readonly [Event in TransferEvent]: Cell } {
  return Object.fromEntries(Object.keys(transferEvents).map((event) => [event, cell])) as {
    [Event in TransferEvent]: Cell;
  };
}

export function isOver(state: TransferState): boolean {
  return state === 'done' || state === 'failed' || state === 'refused';
}

export interface TransferFacts {
  readonly holder: string | null;
  readonly recordState: string;
  /** The node asked for; null: the best candidate. */
  readonly target: string | null;
  /** Every registered node with the reason why it cannot be primary; null: it can. */
  readonly nodes: readonly { readonly name: string; readonly hindrance: string | null }[];
  /** The epoch that the requester saw; null: it does not matter. */
  readonly epochSeen: number | null;
  readonly epoch: number;
  /** Why no coordinator takes the role now; null: one holds it, or nothing blocks them. */
  readonly blocked: string | null;
  /** A transfer that is under way already; null: none. */
  readonly underWay: string | null;
}

/** What is in the way of a transfer, all of it, before anything is touched. Empty: nothing. */
export function inTheWay(facts: TransferFacts): string[] {
  const { holder, target, nodes } = facts;
  const found: string[] = [];
  if (facts.underWay !== null) found.push(`the transfer ${facts.underWay} is under way; one at a time`);
  if (facts.epochSeen !== null && facts.epochSeen !== facts.epoch)
    found.push(`the role has changed hands since it was asked for (epoch ${facts.epochSeen}, now ${facts.epoch})`);
  if (facts.blocked !== null) found.push(`nobody takes the role: ${facts.blocked}`);
  else if (holder === null)
    found.push('nobody is primary: there is nothing to transfer; the coordinators are contending');
  else if (facts.recordState !== 'primary')
    found.push(`${holder} is in "${facts.recordState}": a switch is under way already`);
  if (target === null) {
    if (!nodes.some((node) => node.name !== holder && node.hindrance === null)) {
      const why = nodes.filter((node) => node.name !== holder).map((node) => `${node.name}: ${node.hindrance ?? ''}`);
      found.push(`no other node can be primary${why.length === 0 ? '' : ` (${why.join('; ')})`}`);
    }
    return found;
  }
  const wanted = nodes.find((node) => node.name === target);
  if (wanted === undefined) found.push(`there is no node "${target}"`);
  else if (target === holder) found.push(`${target} is primary already`);
  else if (wanted.hindrance !== null) found.push(`${target} cannot be primary: ${wanted.hindrance}`);
  return found;
}
