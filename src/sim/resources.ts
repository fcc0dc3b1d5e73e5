/**
 * What a primary runs, in the simulator: it lives on the machine, not in noded's process. It goes on when noded is frozen or
 * killed, and ends with the power. Each can be made to fail or to hang.
 */
import type { HookKind, PrimaryResources, Resource, ResourceOutcome, TenureFacts } from '../environment/resources.ts';
import type { SimMachine } from './machine.ts';
import type { SimProcess } from './process.ts';
import type { SeededRandom } from './random.ts';

/**
 * ok · the command fails · hangs until its timeout · fails to stop · hangs when it stops · dies soon after each start · its status
 * is not told · asking for its status hangs · leaves a pid file behind when it dies
 */
export type ResourceMode =
  | 'ok'
  | 'start-fails'
  | 'start-hangs'
  | 'stop-fails'
  | 'stop-hangs'
  | 'dies'
  | 'status-unknown'
  | 'status-hangs'
  | 'leaves-pid-file';

export interface SimResourcesOptions {
  readonly machine: SimMachine;
  readonly process: SimProcess;
  readonly random: SeededRandom;
  readonly resources: readonly {
    readonly name: string;
    readonly type: Resource['kind'];
    readonly startTimeout: number;
    readonly stopTimeout: number;
    readonly statusTimeout: number;
  }[];
  /** "resource" or "hook takeover", on this machine. */
  readonly modeOf: (what: string) => ResourceMode;
  readonly onChange: (what: string, running: boolean, facts: TenureFacts | null) => void;
  /** Something is about to be done to a resource. */
  readonly onAct: (what: string) => void;
  readonly onHook: (kind: HookKind, facts: TenureFacts) => void;
}

const hookTimeoutMs = 10_000;

export function simResources(options: SimResourcesOptions): PrimaryResources {
  const { process, onHook, modeOf } = options;
  return {
    list: options.resources.map((resource) => simResource(options, resource)),
    async runHooks(kind, facts, signal) {
      const startMs = process.monotonicMs();
      const tookMs = () => process.monotonicMs() - startMs;
      onHook(kind, facts);
      const mode = modeOf(`hook-${kind}`);
      await process.sleep(mode === 'start-hangs' ? hookTimeoutMs : 5, signal ?? undefined);
      if (signal?.aborted === true) return { ok: false, because: 'aborted', tookMs: tookMs() };
      if (mode === 'start-fails') return { ok: false, because: 'exit code 1', tookMs: tookMs() };
      if (mode === 'start-hangs') return { ok: false, because: 'no end within 10 s; killed', tookMs: tookMs() };
      return { ok: true, because: 'exit code 0', tookMs: tookMs() };
    },
  };
}

function simResource(
  options: SimResourcesOptions,
  { name, type, startTimeout, stopTimeout, statusTimeout }: SimResourcesOptions['resources'][number],
): Resource {
  const { machine, process, random, modeOf, onChange, onAct } = options;
  const set = (running: boolean, facts: TenureFacts | null) => {
    if (machine.running.has(name) === running || machine.power === 'off') return;
    if (running) machine.running.add(name);
    else machine.running.delete(name);
    onChange(name, running, facts);
  };
  const dieLater = () => options.machine.later(random.between(200, 2000), () => set(false, null));
  const done = (ok: boolean, because: string, startMs: number): ResourceOutcome => ({
    ok,
    because,
    tookMs: process.monotonicMs() - startMs,
  });
  return {
    name,
    kind: type,
    async start(facts, signal) {
      onAct(name);
      const startMs = process.monotonicMs();
      const mode = modeOf(name);
      if (mode === 'start-hangs') {
        await process.sleep(startTimeout, signal);
        return done(false, signal.aborted ? 'aborted' : 'no end in time; killed', startMs);
      }
      await process.sleep(random.between(2, 8), signal);
      if (signal.aborted) return done(false, 'aborted', startMs);
      if (mode === 'start-fails') return done(false, 'exit code 1', startMs);
      set(true, facts);
      if (mode === 'dies') dieLater();
      return done(true, 'it runs', startMs);
    },
    async stop(facts) {
      onAct(name);
      const startMs = process.monotonicMs();
      const mode = modeOf(name);
      await process.sleep(mode === 'stop-hangs' ? stopTimeout : random.between(2, 8));
      if (mode === 'stop-hangs') return done(false, 'no end in time; killed', startMs);
      if (mode === 'stop-fails') return done(false, 'exit code 1', startMs);
      set(false, facts);
      return done(true, 'it is stopped', startMs);
    },
    async status() {
      const mode = modeOf(name);
      await process.sleep(mode === 'status-hangs' ? statusTimeout : random.between(1, 3));
      if (mode === 'status-hangs') return { status: 'unknown', because: 'no end in time; killed' };
      if (modeOf(name) === 'status-unknown') return { status: 'unknown', because: 'exit code 4' };
      if (machine.running.has(name)) return { status: 'running', because: 'it runs' };
      return modeOf(name) === 'leaves-pid-file'
        ? { status: 'dead', because: 'exit code 1' }
        : { status: 'stopped', because: 'exit code 3' };
    },
  };
}
