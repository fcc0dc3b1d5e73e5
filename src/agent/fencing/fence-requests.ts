/**
 * What operators ask of the fencing loop: fences and words that a node is off. Equal requests are one (rule 10 of the field):
 * a fence that is under way, or a moment old, answers those that come to the same.
 */
import { isConfirmedOff } from '../../core/fencing.ts';
import { alreadyFenced } from '../../core/guards.ts';
import { parseRecord } from '../../records/record.ts';
import type { FenceRequest } from '../../records/request.ts';
import { OperatorRequest } from '../../records/request.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import { readFence } from './fence-file.ts';
import type { Asking } from './fence-intent.ts';
import type { Refusals } from './refusals.ts';

/**
 * A node that was powered on this recently is given the time to boot before it is fenced again for a person: by the clock of this
 * coordinator since it saw the finished fence (S5). One that has just started has seen it for no time, and answers for so long.
 */
const toleranceMs = 60_000;

/**
 * A request that is older than this life may be that of somebody who is gone, with this very machine for instance: two nodes
 * were told to fence each other, one was shot, came back, and shot the other one (found by the lab). It is taken when it has
 * outlived so many session timeouts of nodectl.
 */
const orphanSessions = 2;

export class FenceRequests {
  private readonly context: Context;
  private readonly refusals: Refusals;
  /** For how long this coordinator has seen that fence of a node as finished; 0: it has not seen it yet. */
  private readonly finishedForMs: (node: string, fenceId: string) => number;
  /** Requests that a fence record answers already: each is carried out once. */
  private readonly answered = new Set<string>();
  /** Requests that found a fence of their node under way, and which. */
  private readonly merged = new Map<string, string>();
  /** Requests that were there before this life, and until when (own monotonic clock) they wait. Null: not looked yet. */
  private old: ReadonlyMap<string, number> | null = null;
  /** Requests that were seen over a connection before. */
  private known: ReadonlySet<string> = new Set();
  /** A new connection may lead to a store that was restored from an old copy: what is new there may be old. */
  private isNewConnection = false;

  constructor(context: Context, refusals: Refusals, finishedForMs: (node: string, fenceId: string) => number) {
    this.context = context;
    this.refusals = refusals;
    this.finishedForMs = finishedForMs;
    const stopListening = context.env.store.onSession(({ state }) => {
      if (state === 'connected') this.isNewConnection = true;
    });
    context.duties.addEventListener('abort', stopListening, { once: true });
  }

  /** A fence record names this request: it is carried out, once. */
  carriesOut(id: string): void {
    this.answered.add(id);
  }

  /**
   * Whether the operator who asked for a fence that was left is still there: then it is carried out on a living node too. Null: that
   * is not known yet, for the request was there before this life (or before a restore of the store).
   */
  async stands(id: string): Promise<boolean | null> {
    const untilMs = this.old?.get(id);
    if (this.old === null || (untilMs !== undefined && this.context.env.clock.monotonicMs() < untilMs)) return null;
    const read = await this.context.env.store.read(`${tree.requests}/${id}`);
    if (!read.ok) return read.code === 'no-node' ? false : null;
    // A word that a node is off asks for no command, and what cannot be read for nothing: neither may what an operator's fence may.
    const parsed = parseRecord(OperatorRequest, read.text);
    return parsed.ok && parsed.record.kind === 'fence';
  }

  /** The requests that are due now. Those for a node that is `busy` wait; nobody is asked to fence itself. */
  async take(
    busy: (node: string) => boolean,
    onHint: () => void,
  ): Promise<{ readonly node: string; readonly trigger: Asking }[]> {
    const { store } = this.context.env;
    const listed = await store.list(tree.requests, onHint);
    if (!listed.ok) return [];
    for (const id of this.answered) if (!listed.names.includes(id)) this.answered.delete(id);
    for (const id of this.merged.keys()) if (!listed.names.includes(id)) this.merged.delete(id);
    const nowMs = this.context.env.clock.monotonicMs();
    const orphanedMs = nowMs + orphanSessions * this.context.config.timing.requesterTimeoutMs;
    if (this.old === null || this.isNewConnection) {
      const unknown = listed.names.filter((id) => !this.known.has(id));
      const waiting = [...(this.old ?? [])].filter(([id, untilMs]) => listed.names.includes(id) && untilMs > nowMs);
      this.old = new Map([...unknown.map((id) => [id, orphanedMs] as const), ...waiting]);
      this.isNewConnection = false;
    }
    this.known = new Set(listed.names);
    const due: { readonly node: string; readonly trigger: Asking }[] = [];
    /** The first request of each kind: equal ones wait for what becomes of it. */
    const first = new Map<string, string>();
    for (const id of listed.names.filter((name) => !this.answered.has(name) && nowMs >= (this.old?.get(name) ?? 0))) {
      const read = await store.read(`${tree.requests}/${id}`);
      if (!read.ok) continue;
      const parsed = parseRecord(OperatorRequest, read.text);
      if (!parsed.ok) continue;
      const { record } = parsed;
      if (record.kind === 'verify' || record.refusal !== null) continue;
      if (busy(record.node) || record.node === this.context.self.name) continue;
      const asked = { id, version: read.version } as const;
      if (record.kind === 'confirm')
        due.push({ node: record.node, trigger: { kind: 'word', ...asked, request: record } });
      else {
        const twin = first.get(`${record.node} ${record.action}`);
        first.set(`${record.node} ${record.action}`, twin ?? id);
        if (await this.isAnsweredByAnother(record, asked, twin ?? null)) continue;
        due.push({ node: record.node, trigger: { kind: 'request', ...asked, request: record } });
      }
    }
    return due;
  }

  /** A fence of that node that was under way when the request was first seen answers it, if it comes to the same. */
  private async isAnsweredByAnother(
    request: FenceRequest,
    { id, version }: { readonly id: string; readonly version: number },
    twin: string | null,
  ): Promise<boolean> {
    const file = await readFence(this.context, request.node);
    if (file === null) return true;
    const { record } = file;
    const asking = { kind: 'request', id, version, request } as const;
    // Requests are numbered: one that is older than the one carried out last has had its turn, or has lost it.
    if (record.requestId !== null && record.requestId > id) {
      const because = `a later request (${record.requestId}) has been carried out meanwhile: ${record.reason}`;
      await this.refusals.refuse(asking, { guard: alreadyFenced, because }, `fence of ${request.node}: ${because}`);
      return true;
    }
    const isUnfinished = record.state === 'intent' || record.state === 'fenced' || record.state === 'restoring';
    // Off, or powered on a moment ago and not back yet: a request for the same adds nothing.
    const isFresh =
      record.state === 'finished' &&
      (record.action === 'off' || this.finishedForMs(request.node, record.id) < toleranceMs);
    // A person's word that it is off switches nothing: it answers no request to do so.
    const isByWord = record.level === 'manual';
    const isGoingOn = (isUnfinished || isFresh) && !isByWord;
    if (isGoingOn && record.action === request.action && record.requestId !== id) this.merged.set(id, record.id);
    if (twin !== null) return true;
    if (this.merged.get(id) !== record.id || record.requestId === id) return false;
    if (isUnfinished) return true;
    this.merged.delete(id);
    if (!isConfirmedOff(record.state)) return false;
    const because = `it was being fenced already (by ${record.fencer}: ${record.reason}), and that is done`;
    await this.refusals.refuse(asking, { guard: alreadyFenced, because }, `fence of ${request.node}: ${because}`);
    return true;
  }
}

/** A person waits for an answer to their word that this node is off. */
export async function wordWaits({ env }: Context, node: string): Promise<boolean> {
  const listed = await env.store.list(tree.requests);
  for (const id of listed.ok ? listed.names : []) {
    const read = await env.store.read(`${tree.requests}/${id}`);
    const parsed = read.ok ? parseRecord(OperatorRequest, read.text) : null;
    if (parsed?.ok !== true) continue;
    const { record } = parsed;
    if (record.kind === 'confirm' && record.node === node && record.refusal === null) return true;
  }
  return false;
}
