/** nodectl key move: gives what stands in the store to the new cluster key. Only when no node can be left behind by it. */
import { sealContext } from '../../../records/device.ts';
import { parseRecord } from '../../../records/record.ts';
import { Registration } from '../../../records/registration.ts';
import { tree } from '../../../records/tree.ts';
import { moveOwnership } from '../../../real/zookeeper/ownership.ts';
import type { Command } from '../../command.ts';
import type { Connected } from '../../connect.ts';
import { withStore } from '../../connect.ts';
import { CommandError, exitCodes } from '../../exit-codes.ts';
import { nextStep, sealer, standing, withTreeAccess } from './keys.ts';

const tries = 5;

export const move: Command = {
  usage: 'move',
  describe:
    'Give all records in the store to the first key of the key file, and seal the fence devices with it. Refused while a node writes with another one.',
  options: {
    without: {
      type: 'array',
      string: true,
      default: [],
      describe: 'nodes that do not count: they are down, and get the new key file before they start again',
    },
  },
  examples: [['nodectl key move', 'may be repeated; noded goes on everywhere meanwhile']],
  run: (args, output) =>
    withStore(args, (connected) =>
      withTreeAccess(connected, async (access) => {
        const without = args['without'] as readonly string[];
        const { held, nodes, step } = await standing(connected, access, without);
        if (step.kind === 'learn' || step.kind === 'turn')
          throw new CommandError(exitCodes.refused, `nothing was moved; ${nextStep(step)}`);
        const moved = await moveOwnership(access.session, access.root, access.owners);
        let sealed = 0;
        for (const name of [...nodes.map((node) => node.name), ...without])
          if (await sealAnew(connected, name)) sealed += 1;
        output.line(`${moved} records now belong to ${held[0]}; the devices of ${sealed} nodes were sealed with it`);
        output.line(`Next: ${nextStep((await standing(connected, access, without)).step)}`);
        return exitCodes.done;
      }),
    ),
};

/** Whether it had to be. */
async function sealAnew({ store, keys }: Connected, name: string): Promise<boolean> {
  const path = tree.node(name);
  for (let attempt = 0; attempt < tries; attempt += 1) {
    const read = await store.read(path);
    const parsed = read.ok ? parseRecord(Registration, read.text) : null;
    if (!read.ok || parsed?.ok !== true || parsed.record.devicesSealed === null) return false;
    const { devicesSealed } = parsed.record;
    const by = sealer(keys, devicesSealed, name);
    const plain = by?.open(devicesSealed, sealContext(name)) ?? null;
    if (by === null || by.name === keys.first.name || plain === null) return false;
    // As it stands, also what a newer noded wrote that this version does not know.
    const record = { ...(JSON.parse(read.text) as object), devicesSealed: keys.seal(plain, sealContext(name)) };
    const written = await store.write(path, JSON.stringify(record), read.version);
    if (written.ok) return true;
    if (written.code !== 'bad-version') throw new CommandError(exitCodes.failed, written.because);
  }
  throw new CommandError(exitCodes.failed, `${path} is changed by somebody else all the time`);
}
