/** Questions to every coordinator itself, over the API: for what must be known also when the store is away. */
import type { Config } from '../config/load.ts';
import type { Asked } from '../environment/peer-api.ts';
import type { ApiQuestion } from '../records/api.ts';
import { readClusterKeys } from '../real/config-file.ts';
import { askNoded } from '../real/http/ask.ts';
import { readCluster } from './cluster-view.ts';
import type { Arguments } from './command.ts';
import { text } from './command.ts';
import { loadedConfig, withStore } from './connect.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { askLocalNoded } from './local-noded.ts';
import { durationOption } from './seconds.ts';

const localMs = 1000;

export interface Asking<Kind extends ApiQuestion['kind']> {
  readonly node: string;
  readonly asked: Asked<Kind>;
}

/** Options: `--node` (only this one) and `--timeout` (of each). An answer of another node than the one that was asked does not count. */
export async function askAll<Kind extends 'status' | 'debug' | 'leave-election' | 'quorum'>(
  args: Arguments,
  questionTo: (node: string) => Extract<ApiQuestion, { kind: Kind }>,
): Promise<Asking<Kind>[]> {
  const { config } = loadedConfig(args);
  const key = readClusterKeys(config);
  if (!key.ok) throw new CommandError(exitCodes.usage, key.message);
  const deadlineMs = durationOption(args, 'timeout');
  const wanted = text(args, 'node');
  const found = (await coordinators(args, config)).filter(({ name }) => wanted === undefined || name === wanted);
  if (found.length === 0)
    throw new CommandError(
      exitCodes.usage,
      wanted === undefined ? 'no coordinator has registered' : `there is no coordinator "${wanted}"`,
    );
  return Promise.all(
    found.map(async ({ name, apiAddress }) => ({
      node: name,
      asked:
        apiAddress === null
          ? ({ ok: false, code: 'refused', because: 'its API is switched off' } as const)
          : ofNode<Kind>(
              name,
              await askNoded<Kind>({ address: apiAddress, key: key.value.first.apiKey }, questionTo(name), deadlineMs),
            ),
    })),
  );
}

function ofNode<Kind extends ApiQuestion['kind']>(name: string, asked: Asked<Kind>): Asked<Kind> {
  if (!asked.ok || !('node' in asked.answer) || asked.answer.node === name) return asked;
  return { ok: false, code: 'failed', because: `${asked.answer.node} answers at the API address of ${name}` };
}

/** Whom to ask: from the store; when it is away, as the noded of this machine knows them. */
async function coordinators(args: Arguments, config: Config): Promise<{ name: string; apiAddress: string | null }[]> {
  try {
    const { nodes } = await withStore(args, ({ store }) => readCluster(store, config));
    return nodes.filter((node) => node.role === 'coordinator').map(({ name, apiAddress }) => ({ name, apiAddress }));
  } catch (error) {
    if (!(error instanceof CommandError) || error.code !== exitCodes.unreachable) throw error;
    const local = await askLocalNoded(config, { kind: 'debug' }, localMs);
    if (!local.ok)
      throw new CommandError(
        exitCodes.unreachable,
        `${error.message}; and the noded of this machine does not answer either (${local.because})`,
      );
    process.stderr.write(
      'nodectl: the store is away; the coordinators are those that the noded of this machine knows\n',
    );
    return local.answer.coordinators;
  }
}
