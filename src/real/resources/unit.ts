/** A systemd unit that moves with the role, by `systemctl`. It must not be enabled to start at boot by itself. */
import type { Resource } from '../../environment/resources.ts';
import { run } from '../process/runner.ts';
import { said } from './command.ts';

export interface UnitSettings {
  readonly name: string;
  readonly unit: string;
  readonly startTimeout: number;
  readonly stopTimeout: number;
  readonly statusTimeout: number;
}

export function unitResource({ name, unit, startTimeout, stopTimeout, statusTimeout }: UnitSettings): Resource {
  const status: Resource['status'] = async () => {
    const shown = await run('systemctl', ['show', '--property', 'ActiveState', '--value', '--', unit], {
      deadlineMs: statusTimeout,
    });
    if (shown.kind !== 'exited' || shown.code !== 0) return { status: 'unknown', because: said(shown, statusTimeout) };
    const state = shown.stdout.trim();
    const because = `${unit} is ${state}`;
    if (state === 'active' || state === 'reloading' || state === 'refreshing') return { status: 'running', because };
    if (state === 'inactive' || state === 'failed') return { status: 'stopped', because };
    return { status: 'unknown', because };
  };
  const act = async (
    verb: 'start' | 'stop',
    deadlineMs: number,
    signal: AbortSignal | null,
    wanted: 'running' | 'stopped',
  ) => {
    const done = await run('systemctl', [verb, '--', unit], { deadlineMs, signal });
    if (done.kind !== 'exited' || done.code !== 0)
      return { ok: false, because: said(done, deadlineMs), tookMs: done.tookMs };
    // RES3: its own word counts, not systemctl's exit code.
    const now = await status();
    return { ok: now.status === wanted, because: now.because, tookMs: done.tookMs };
  };
  return {
    name,
    kind: 'unit',
    status,
    start: (_facts, signal) => act('start', startTimeout, signal, 'running'),
    stop: () => act('stop', stopTimeout, null, 'stopped'),
  };
}
