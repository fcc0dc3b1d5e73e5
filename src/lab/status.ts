/** nodectl on the management side of the lab. */
import { spawn } from 'node:child_process';
import { run } from '../real/process/runner.ts';
import type { Lab } from './lab.ts';

export interface StatusNode {
  readonly name: string;
  readonly state: string;
  readonly incarnation: string | null;
}

/** The words of a nodectl call: in the lab's network, on the machine's own files. */
export function nodectl(lab: Lab, args: readonly string[]): [string, string[]] {
  const [, inside] = lab.inside();
  const pid = inside[1] ?? '';
  const main = `${lab.repository}/dist/cli/launch.cjs`;
  return ['nsenter', ['-t', pid, '-n', '--', process.execPath, main, ...args]];
}

/** What `nodectl status --json` says of the nodes; empty while the store is away. */
export async function readStatus(lab: Lab): Promise<StatusNode[]> {
  const result = await ask(lab, ['status', '--json']);
  return result === null ? [] : (result as { nodes: StatusNode[] }).nodes;
}

/** A JSON answer of nodectl; null when it failed. */
export async function ask(lab: Lab, args: readonly string[], deadlineMs = 20_000): Promise<unknown> {
  const [program, words] = nodectl(lab, args);
  const result = await run(program, words, {
    deadlineMs,
    env: { NODEKEEPER_CONFIG: lab.path('conf', 'config.yaml') },
  });
  if (result.kind !== 'exited' || result.code !== 0) return null;
  return JSON.parse(result.stdout) as unknown;
}

/** Runs a command with our own terminal; resolves to its exit code. */
export function passThrough(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, ...env } });
    const ignore = () => undefined; // Ctrl-C reaches the child by the terminal; we wait for its end
    process.on('SIGINT', ignore);
    child.on('error', () => resolve(127));
    child.on('close', (code, signal) => resolve(code ?? (signal === null ? 1 : 130)));
  });
}
