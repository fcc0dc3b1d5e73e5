/** The resources and hooks that the configuration asks for. */
import type { Config } from '../../config/load.ts';
import { statusOfExitCode } from '../../core/resources.ts';
import type { PrimaryResources, Resource } from '../../environment/resources.ts';
import { run } from '../process/runner.ts';
import { addressResource } from './address.ts';
import { environmentOf, runCommand, said } from './command.ts';
import { unitResource } from './unit.ts';

type ResourceSettings = Config['primary']['resources'][number];

export function realResources(primary: Config['primary']): PrimaryResources {
  return {
    list: primary.resources.map(resourceOf),
    async runHooks(kind, facts, signal) {
      let tookMs = 0;
      for (const hook of primary.hooks[kind]) {
        const env = environmentOf(facts, { NODEKEEPER_HOOK: kind });
        const done = await runCommand(hook.command, hook.timeout, env, signal);
        tookMs += done.tookMs;
        if (!done.ok) return { ...done, because: `${hook.command.join(' ')}: ${done.because}`, tookMs };
      }
      return { ok: true, because: 'all hooks succeeded', tookMs };
    },
  };
}

function resourceOf(settings: ResourceSettings): Resource {
  if (settings.type === 'address') return addressResource(settings);
  if (settings.type === 'unit') return unitResource(settings);
  return commandResource(settings);
}

function commandResource(settings: Extract<ResourceSettings, { type: 'command' }>): Resource {
  const { name, start, stop, status, startTimeout, stopTimeout, statusTimeout } = settings;
  const own = (action: string) => ({ NODEKEEPER_RESOURCE: name, NODEKEEPER_ACTION: action });
  return {
    name,
    kind: 'command',
    start: (facts, signal) => runCommand(start, startTimeout, environmentOf(facts, own('start')), signal),
    stop: (facts) => runCommand(stop, stopTimeout, environmentOf(facts, own('stop')), null),
    async status() {
      const [program = '', ...args] = status;
      const asked = await run(program, args, { deadlineMs: statusTimeout, env: own('status') });
      const because = said(asked, statusTimeout);
      if (asked.kind !== 'exited') return { status: 'unknown', because };
      return { status: statusOfExitCode(asked.code), because };
    },
  };
}
