/** The storage's side of a fence in the simulator: it works, fails, or hangs until its timeout. */
import type { StorageFence } from '../environment/storage-fence.ts';
import type { SimProcess } from './process.ts';
import type { ResourceMode } from './resources.ts';

export interface SimStorageFenceOptions {
  readonly process: SimProcess;
  readonly timeoutMs: number;
  readonly mode: () => ResourceMode;
  readonly onCutOff: (node: string, fenceId: string) => void;
}

export function simStorageFence({ process, timeoutMs, mode, onCutOff }: SimStorageFenceOptions): StorageFence {
  return {
    async cutOff({ node, fenceId }) {
      const now = mode();
      await process.sleep(now === 'start-hangs' ? timeoutMs : 30);
      if (now === 'start-hangs') return { ok: false, because: 'no end in time; killed' };
      if (now === 'start-fails') return { ok: false, because: 'exit code 1' };
      onCutOff(node, fenceId);
      return { ok: true, because: 'exit code 0' };
    },
  };
}
