/**
 * What this node has promised to commands on this machine: "you are primary until then". S1: the role is given away only when
 * every promise has ended, and every command that relied on one has ended too. The guard of a command (cli/guard) ends it by
 * its own clock; this is the second one that does: a command whose guard is stopped, killed or slow is ended from here as soon
 * as its promise has run out, and what cannot be ended keeps the role on this node.
 *
 * The cgroups are noted while their commands run, in memory where that is possible (a disk that hangs must not hide them): the next run of
 * noded ends what this one leaves.
 */
import { inWords } from '../../core/decision.ts';
import { HoldsJournal, holdsFile } from '../../records/journal.ts';
import { parseRecord, printRecord } from '../../records/record.ts';
import type { Context } from '../context.ts';

/** SIGKILL ends a process in milliseconds, unless it hangs in the kernel. */
const endWithinMs = 1000;
/** More commands at once are a mistake of the caller (one started in a loop). */
const holdsMax = 200;

export interface HoldRequest {
  readonly id: string;
  /** Where the command runs; null: the asker ends everything itself (a program of another version). */
  readonly cgroup: string | null;
  /** The name of a `once`, of which only one may run; null: none. */
  readonly once: string | null;
}

interface Hold extends HoldRequest {
  readonly sinceMs: number;
  readonly untilMs: number;
}

export class Holds {
  private readonly context: Context;
  private readonly holds = new Map<string, Hold>();
  private readonly waiters = new Set<() => void>();
  private readonly ending = new Map<string, Promise<string | null>>();
  private promisedUntilMs = 0;
  private saving: Promise<string | null> = Promise.resolve(null);

  constructor(context: Context) {
    this.context = context;
  }

  /** How many commands hold the role, and how many questions wait for a change: for SIGQUIT and tests. */
  get sizes(): { readonly holds: number; readonly waiters: number } {
    return { holds: this.holds.size, waiters: this.waiters.size };
  }

  /** `is-leader --for`: no one gives this back. */
  promise(forMs: number): void {
    this.promisedUntilMs = Math.max(this.promisedUntilMs, this.nowMs() + forMs);
  }

  knows(id: string): boolean {
    return this.holds.has(id);
  }

  /** `run`: a new command will rely on the role. Null: it may start; else why not. */
  async admit(request: HoldRequest, untilMs: number): Promise<string | null> {
    await this.endLapsed();
    if (this.holds.size >= holdsMax) return `${holdsMax} commands run under the role already; no more are started`;
    const same = [...this.holds.values()].find((hold) => hold.once !== null && hold.once === request.once);
    if (same !== undefined)
      return `"${same.once ?? ''}" runs on this machine since ${inWords(this.nowMs() - same.sinceMs)}`;
    if (request.cgroup !== null && !(await this.context.env.commands.sees(request.cgroup)))
      return `noded does not see the cgroup ${request.cgroup} of the command, so it could not end it`;
    this.holds.set(request.id, { ...request, sinceMs: this.nowMs(), untilMs });
    const trouble = request.cgroup === null ? null : await this.save();
    if (trouble === null) return null;
    this.holds.delete(request.id);
    return `what runs under the role could not be noted: ${trouble}`;
  }

  /** The promise is longer now. False: the hold has ended, and so has its command. */
  renew(id: string, untilMs: number): boolean {
    const hold = this.holds.get(id);
    if (hold === undefined) return false;
    this.holds.set(id, { ...hold, untilMs: Math.max(hold.untilMs, untilMs) });
    return true;
  }

  /** The command has ended, says its guard; that is made sure of. */
  async release(id: string): Promise<void> {
    const hold = this.holds.get(id);
    if (hold === undefined) return;
    if ((await this.end(hold)) === null) this.changed();
  }

  /** Wakes all that wait in a `hold`: the role is about to go. */
  changed(): void {
    for (const wake of [...this.waiters]) wake();
  }

  /** Resolves after `ms`, or as soon as something changed. */
  async change(ms: number): Promise<void> {
    const waiting = new AbortController();
    const wake = () => waiting.abort();
    this.waiters.add(wake);
    await this.context.env.clock.sleep(ms, waiting.signal);
    this.waiters.delete(wake);
  }

  /** How long until nothing relies on the role any more; 0: nothing does. */
  leftMs(): number {
    return Math.max(0, Math.max(this.promisedUntilMs, ...this.untils()) - this.nowMs());
  }

  /** Before the role is given away. Null: no promise is left, every command has ended; else what could not be ended. */
  async drained(): Promise<string | null> {
    this.changed();
    for (let left = this.leftMs(); left > 0; left = this.leftMs()) await this.change(left);
    return this.endLapsed();
  }

  /** After the role was lost: `is-leader` promised no more than the lease, so only the commands are waited for. */
  async ended(): Promise<string | null> {
    this.changed();
    const left = () => Math.max(0, ...this.untils()) - this.nowMs();
    for (let leftMs = left(); leftMs > 0; leftMs = left()) await this.change(leftMs);
    return this.endLapsed();
  }

  /** Ends each command whose promise has run out. Null: none of them is left. */
  async endLapsed(): Promise<string | null> {
    const lapsed = [...this.holds.values()].filter((hold) => hold.untilMs <= this.nowMs());
    const ends = await Promise.all(lapsed.map((hold) => this.end(hold)));
    return ends.find((because) => because !== null) ?? null;
  }

  /** What a previous run of noded on this machine left running. Null: nothing of it is left. */
  async endFormer(): Promise<string | null> {
    const { env, history, self } = this.context;
    const text = await (env.memory ?? env.journal).read(holdsFile);
    const parsed = text === null ? null : parseRecord(HoldsJournal, text);
    const cgroups = parsed?.ok === true ? parsed.record.cgroups : [];
    if (parsed?.ok === false) env.log.error('journal not readable', { because: `${holdsFile}: ${parsed.because}` });
    for (const cgroup of cgroups) {
      const ran = await env.commands.sees(cgroup);
      const because = await env.commands.end(cgroup, endWithinMs);
      if (because !== null) return `a command of nodectl primary run could not be ended: ${because}`;
      const told = `${self.name}: ended a command that ran under the role of the previous run of noded (${cgroup})`;
      if (ran) history.happened('resource', told, { node: self.name });
    }
    if (cgroups.length > 0) await this.save();
    return null;
  }

  /** One try at a time for each. */
  private end(hold: Hold): Promise<string | null> {
    const underWay = this.ending.get(hold.id);
    if (underWay !== undefined) return underWay;
    const ends = this.endNow(hold).finally(() => this.ending.delete(hold.id));
    this.ending.set(hold.id, ends);
    return ends;
  }

  private async endNow(hold: Hold): Promise<string | null> {
    const { env, history, self } = this.context;
    if (hold.cgroup !== null) {
      const isLate = hold.untilMs <= this.nowMs() && (await env.commands.sees(hold.cgroup));
      const because = await env.commands.end(hold.cgroup, endWithinMs);
      if (because !== null) return `a command of nodectl primary run could not be ended: ${because}`;
      const told = `${self.name} ended a command whose guard had not renewed its hold in time (${hold.cgroup})`;
      if (isLate && this.holds.has(hold.id)) history.happened('resource', told, { node: self.name });
    }
    if (this.holds.delete(hold.id) && hold.cgroup !== null) void this.save();
    return null;
  }

  private untils(): number[] {
    return [...this.holds.values()].map((hold) => hold.untilMs);
  }

  private nowMs(): number {
    return this.context.env.clock.monotonicMs();
  }

  /** One after another: the newest list is the last one written. */
  private save(): Promise<string | null> {
    const { journal, memory, log } = this.context.env;
    this.saving = this.saving.then(async () => {
      const cgroups = [...this.holds.values()].flatMap(({ cgroup }) => (cgroup === null ? [] : [cgroup]));
      const trouble = await (memory ?? journal).write(holdsFile, printRecord({ schema: 1, cgroups }));
      if (trouble !== null) log.error('journal not written', { because: trouble });
      return trouble;
    });
    return this.saving;
  }
}
