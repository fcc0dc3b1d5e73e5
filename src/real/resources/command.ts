/** Commands of the operator's: resources of the type `command`, and hooks. What they are told travels in their environment. */
import { inWords } from '../../core/decision.ts';
import type { ResourceOutcome, TenureFacts } from '../../environment/resources.ts';
import type { RunResult } from '../process/runner.ts';
import { run } from '../process/runner.ts';

/** RES5: what a command may know. The epoch is the fencing token: refuse whatever comes with an older one. */
export function environmentOf(facts: TenureFacts, more: Readonly<Record<string, string>>): Record<string, string> {
  return {
    NODEKEEPER_NODE: facts.node,
    NODEKEEPER_EPOCH: String(facts.epoch),
    NODEKEEPER_PEER: facts.peer ?? '',
    NODEKEEPER_REASON: facts.reason.replace(/[\0\n]/g, ' '),
    ...more,
  };
}

/** Runs one command to its exit. Exit code 0 is success; its last line of output is the reason otherwise. */
export async function runCommand(
  words: readonly string[],
  deadlineMs: number,
  env: Readonly<Record<string, string>>,
  signal: AbortSignal | null,
): Promise<ResourceOutcome> {
  const [program = '', ...args] = words;
  const result = await run(program, args, { deadlineMs, env, signal, mayLeave: true });
  return {
    ok: result.kind === 'exited' && result.code === 0,
    because: said(result, deadlineMs),
    tookMs: result.tookMs,
  };
}

/** What came of a run, in a few words. */
export function said(result: RunResult, deadlineMs: number): string {
  if (result.kind === 'timed-out') return `no end within ${inWords(deadlineMs)}; killed with its process group`;
  if (result.kind !== 'exited') return result.because;
  const last = `${result.stdout}\n${result.stderr}`.trim().split('\n').at(-1)?.slice(0, 200) ?? '';
  return `exit code ${result.code}${last === '' ? '' : `: ${last}`}`;
}
