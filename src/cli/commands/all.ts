/** Every command of nodectl, in the order of --help. */
import type { Command } from '../command.ts';
import { config } from './config.ts';
import { events } from './events.ts';
import { fenceCheck } from './fence-check.ts';
import { fence } from './fence.ts';
import { keygen } from './keygen.ts';
import { node } from './node.ts';
import { status } from './status.ts';
import { version } from './version.ts';

export const commands: readonly Command[] = [status, node, fenceCheck, fence, events, config, keygen, version];
