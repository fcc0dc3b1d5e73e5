/** The operator's command that cuts a fenced node from the storage. */
import type { Config } from '../../config/load.ts';
import type { StorageFence } from '../../environment/storage-fence.ts';
import { runCommand } from './command.ts';

/** Null: none is configured. */
export function realStorageFence({ storageFence }: Config['vms']): StorageFence | null {
  if (storageFence === undefined) return null;
  const { command, timeout } = storageFence;
  return {
    async cutOff({ node, fenceId }) {
      const env = { NODEKEEPER_HOOK: 'storage-fence', NODEKEEPER_NODE: node, NODEKEEPER_FENCE_ID: fenceId };
      const done = await runCommand(command, timeout, env, null);
      return done.ok ? done : { ok: false, because: `${command.join(' ')}: ${done.because}` };
    },
  };
}
