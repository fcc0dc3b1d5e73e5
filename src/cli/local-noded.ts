/** Questions to the noded of this machine, over its socket. */
import type { Config } from '../config/load.ts';
import type { Asked } from '../environment/peer-api.ts';
import type { ApiQuestion } from '../records/api.ts';
import { askNoded } from '../real/http/ask.ts';
import { CommandError, exitCodes } from './exit-codes.ts';

export function askLocalNoded<Kind extends ApiQuestion['kind']>(
  config: Config,
  question: Extract<ApiQuestion, { kind: Kind }>,
  deadlineMs: number,
): Promise<Asked<Kind>> {
  return askNoded<Kind>({ socket: config.api.socket }, question, deadlineMs);
}

/** The answer, or the end of the command: without a noded nothing is known, and unknown is not "no". */
export async function mustAskLocalNoded<Kind extends ApiQuestion['kind']>(
  config: Config,
  question: Extract<ApiQuestion, { kind: Kind }>,
  deadlineMs: number,
  unknown = 'whether this node is primary is not known',
): Promise<Extract<Asked<Kind>, { ok: true }>['answer']> {
  const asked = await askLocalNoded(config, question, deadlineMs);
  if (asked.ok) return asked.answer;
  const socket = config.api.socket;
  throw new CommandError(
    exitCodes.unreachable,
    `the noded of this machine does not answer on ${socket} (${asked.because}); ${unknown}`,
  );
}
