/**
 * Both ends of a graceful transfer before and after the hand-over itself: the holder judges what is asked and closes what
 * is over; the target says whether it is ready. The hand-over is agent/primary/primary.ts.
 */
import { inWords } from '../../core/decision.ts';
import { bestOther } from '../../core/contention.ts';
import { inTheWay } from '../../core/transfer.ts';
import { printRecord } from '../../records/record.ts';
import type { TransferRecord } from '../../records/transfer.ts';
import { tree } from '../../records/tree.ts';
import type { Surveyed } from './candidates.ts';
import { ownHindrance, survey } from './candidates.ts';
import type { Context } from '../context.ts';
import type { Peers } from '../peers.ts';
import type { PrimaryFile } from './primary-file.ts';
import type { ResourceKeeper } from './resource-keeper.ts';
import type { OpenTransfer } from './transfers.ts';
import { keptMax, moveTransfer, openTransfers, trimTransfers } from './transfers.ts';

/** Why the holder itself wants to be rid of the role. */
export interface Wish {
  readonly reason: string;
  /** Whether it takes the role back when the target cannot start. */
  readonly mayReturn: boolean;
}

export class TransferDesk {
  private readonly context: Context;
  private readonly peers: Peers;
  private readonly keeper: ResourceKeeper;
  private readonly onHint: () => void;
  private readonly over = new Set<string>();
  /** Since when (own monotonic clock) each open transfer is in the state in which we last saw it. */
  private readonly since = new Map<string, { readonly mark: string; readonly ms: number }>();
  private toldNobody = '';

  constructor(context: Context, peers: Peers, keeper: ResourceKeeper, onHint: () => void) {
    this.context = context;
    this.peers = peers;
    this.keeper = keeper;
    this.onHint = onHint;
  }

  /** The others that could be primary right now. */
  async others(): Promise<Surveyed[]> {
    const found = await survey(this.context, this.peers);
    return found.filter((node) => node.hindrance === null && node.name !== this.context.self.name);
  }

  /** Nothing is under way, and nobody could have the role. */
  async isNobodyElse(): Promise<boolean> {
    const open = await openTransfers(this.context, this.onHint, this.over);
    return open?.length === 0 && (await this.others()).length === 0;
  }

  /** The holder's side. Returns the transfer that is prepared and has to be carried out now; null: none. */
  async asHolder(file: PrimaryFile, wish: Wish | null): Promise<OpenTransfer | null> {
    const open = await openTransfers(this.context, this.onHint, this.over);
    if (open === null) return null;
    for (const id of this.since.keys()) if (!open.some((transfer) => transfer.id === id)) this.since.delete(id);
    if (this.over.size > keptMax) await trimTransfers(this.context);
    const [first, ...rest] = open;
    if (first === undefined) {
      if (wish !== null) await this.ask(file, wish);
      return null;
    }
    // While the first is only asked for it may yet be refused; then the next one has its turn.
    const underWay = first.record.state !== 'asked';
    for (const other of underWay ? rest : [])
      if (other.record.state === 'asked')
        await moveTransfer(this.context, other, 'refuse', `the transfer ${first.id} is under way; one at a time`);
    return this.goOn(file, first);
  }

  /** The side of everybody else: the target of a transfer says whether it is ready. */
  async asOther(): Promise<void> {
    const open = await openTransfers(this.context, this.onHint, this.over);
    const { self } = this.context;
    const mine = (open ?? []).filter(
      ({ record }) => record.to === self.name && record.toIncarnation === self.incarnation,
    );
    // What was prepared for a transfer that came to nothing is taken back.
    if (open !== null && mine.length === 0 && this.keeper.heldEpoch !== null) await this.keeper.journalHeld(null);
    for (const transfer of mine) {
      const { state, to, toIncarnation } = transfer.record;
      if (state === 'preparing' && to === self.name && toIncarnation === self.incarnation) await this.prepare(transfer);
    }
  }

  private async goOn(file: PrimaryFile, transfer: OpenTransfer): Promise<OpenTransfer | null> {
    const { context } = this;
    const { self, config, env } = context;
    const { state, from, to, fromIncarnation } = transfer.record;
    const mine = from === self.name && fromIncarnation === self.incarnation;
    const mark = `${state} ${transfer.version}`;
    const seen = this.since.get(transfer.id);
    if (seen?.mark !== mark) this.since.set(transfer.id, { mark, ms: env.clock.monotonicMs() });
    const inStateMs = env.clock.monotonicMs() - (this.since.get(transfer.id)?.ms ?? 0);
    if (state === 'starting' && to === self.name) {
      await moveTransfer(context, transfer, 'started', `${self.name} is primary with epoch ${file.record.epoch}`, {
        awayMs: this.away(transfer.record),
      });
    } else if (state === 'handing-back') {
      await moveTransfer(
        context,
        transfer,
        'startFailed',
        `${self.name} is primary again, with epoch ${file.record.epoch}`,
      );
    } else if (!mine && state === 'asked') {
      await moveTransfer(
        context,
        transfer,
        'refuse',
        `it was asked of ${from}, but ${self.name} is primary (epoch ${file.record.epoch})`,
      );
    } else if (!mine || state === 'stopping' || state === 'starting') {
      await moveTransfer(context, transfer, 'holderChanged', `${self.name} is primary with epoch ${file.record.epoch}`);
    } else if (state === 'asked') {
      await this.judge(file, transfer);
    } else if (state === 'preparing') {
      if (inStateMs > config.primary.prepareTimeout)
        await moveTransfer(
          context,
          transfer,
          'giveUp',
          `${to ?? '?'} did not prepare within ${inWords(config.primary.prepareTimeout)}; nothing was touched`,
        );
    } else if (state === 'prepared') return transfer;
    return null;
  }

  private away(record: TransferRecord): Record<string, number> {
    return Object.fromEntries(
      this.keeper.list.flatMap(({ name }) => {
        const before = record.stoppedForMs[name];
        const after = this.keeper.startedAfterMs.get(name);
        return before === undefined || after === undefined ? [] : [[name, Math.round((before + after) * 10) / 10]];
      }),
    );
  }

  /** Refused with everything that is in the way, or accepted with a target. */
  private async judge(file: PrimaryFile, transfer: OpenTransfer): Promise<void> {
    const { context } = this;
    const { record } = transfer;
    const stale = this.stale(record);
    if (stale !== null) {
      await moveTransfer(context, transfer, 'refuse', stale);
      return;
    }
    const nodes = await survey(context, this.peers);
    const hindrances = inTheWay({
      holder: file.record.holder,
      recordState: file.record.state,
      target: record.to,
      nodes,
      epochSeen: record.epoch,
      epoch: file.record.epoch,
      blocked: null,
      underWay: null,
    });
    const fit = nodes.filter((node) => node.hindrance === null);
    const target = record.to === null ? bestOther(context.self.name, fit) : fit.find((node) => node.name === record.to);
    if (hindrances.length > 0 || target === null || target === undefined) {
      await moveTransfer(context, transfer, 'refuse', hindrances.join('; ') || 'there is no other candidate');
      return;
    }
    const changes = { to: target.name, toIncarnation: target.incarnation };
    await moveTransfer(context, transfer, 'accept', `${target.name} is asked to prepare`, changes);
  }

  /** The age of a request in our own keepalives, of which a primary writes one in each renewal: no wall clock is needed. */
  private stale(record: TransferRecord): string | null {
    const { board, config } = this.context;
    const beats = (board.lastBeat?.sequence ?? 0) - record.sequenceSeen;
    const ageMs = beats * config.timing.renewalMs;
    if (ageMs <= record.goodForMs) return null;
    return `it was asked for about ${inWords(ageMs)} ago and was good for ${inWords(record.goodForMs)}`;
  }

  /** A transfer of our own accord. */
  private async ask(file: PrimaryFile, wish: Wish): Promise<void> {
    const { context } = this;
    const { env, self, config, board } = context;
    const target = bestOther(self.name, await this.others());
    if (target === null) {
      if (this.toldNobody !== wish.reason)
        context.history.happened(
          'transfer',
          `${self.name} would hand the role on (${wish.reason}), but there is no other candidate`,
          { node: self.name },
        );
      this.toldNobody = wish.reason;
      return;
    }
    this.toldNobody = '';
    await trimTransfers(context);
    const record: TransferRecord = {
      schema: 1,
      state: 'preparing',
      from: self.name,
      fromIncarnation: self.incarnation,
      to: target.name,
      toIncarnation: target.incarnation,
      by: self.name,
      reason: wish.reason,
      epoch: file.record.epoch,
      sequenceSeen: board.lastBeat?.sequence ?? 0,
      goodForMs: config.primary.handOverTimeout,
      mayReturn: wish.mayReturn,
      steps: [
        {
          wallMs: env.clock.wallMs(),
          by: self.name,
          what: 'preparing',
          because: `${wish.reason}: ${target.name} is asked to prepare`,
        },
      ],
      stoppedForMs: {},
      awayMs: {},
    };
    await env.store.create(`${tree.transfers}/t-`, printRecord(record), 'persistent-sequential');
  }

  private async prepare(transfer: OpenTransfer): Promise<void> {
    const { context } = this;
    const { self } = context;
    const hindrance = ownHindrance(context);
    if (hindrance !== null) {
      await moveTransfer(
        context,
        transfer,
        'refuse',
        `${self.name} cannot be primary: ${hindrance}; nothing was touched`,
      );
      return;
    }
    const found = await Promise.all(
      this.keeper.list.map(async (resource) => ({ name: resource.name, status: (await resource.status()).status })),
    );
    const running = found.find(({ status }) => status === 'running');
    if (running !== undefined) {
      const because = `${running.name} already runs on ${self.name}, which is not primary: stop it there first; nothing was touched`;
      await moveTransfer(context, transfer, 'refuse', because);
      return;
    }
    const noted = await this.keeper.journalHeld({
      epoch: transfer.record.epoch + 1,
      peer: transfer.record.from,
      isPromised: true,
    });
    if (!noted.ok) {
      const because = `${self.name} cannot be primary: ${noted.because}; nothing was touched`;
      await moveTransfer(context, transfer, 'refuse', because);
      return;
    }
    await moveTransfer(context, transfer, 'ready', `${self.name} is ready`);
  }
}
