/** A program as a person starts it; optionally with Ctrl-C after a while. */
import { spawn } from 'node:child_process';

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Where {
  readonly cwd: string;
  /** SIGINT after so long. */
  readonly interruptAfterMs?: number | undefined;
}

/** The NODEKEEPER_ variables of whoever runs the tests are not passed on. */
export function runProgram(program: string, args: readonly string[], { cwd, interruptAfterMs }: Where): Promise<Ended> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('NODEKEEPER_')));
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd, env });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (text) => (stdout += String(text)));
    child.stderr.on('data', (text) => (stderr += String(text)));
    child.on('close', (code) => resolve({ code, stdout, stderr }));
    if (interruptAfterMs !== undefined) setTimeout(() => child.kill('SIGINT'), interruptAfterMs);
  });
}
