/** Every command of nodectl, in the order of --help. */
import type { Command } from '../command.ts';
import { bundle } from './bundle.ts';
import { config } from './config.ts';
import { debug } from './debug.ts';
import { drill } from './drill/drill.ts';
import { election } from './election.ts';
import { events } from './events.ts';
import { fenceCheck } from './fence-check.ts';
import { explain } from './fence/explain.ts';
import { fence } from './fence/fence.ts';
import { key } from './key/key.ts';
import { keygen } from './keygen.ts';
import { maintenance } from './maintenance.ts';
import { join, leave } from './membership.ts';
import { node } from './node.ts';
import { primary } from './primary/primary.ts';
import { quorum } from './quorum.ts';
import { simulate } from './simulate/simulate.ts';
import { status } from './status.ts';
import { token } from './token.ts';
import { version } from './version.ts';
import { vm } from './vm/vm.ts';
import { wait } from './wait.ts';

export const commands: readonly Command[] = [
  status,
  node,
  vm,
  primary,
  election,
  quorum,
  maintenance,
  leave,
  join,
  wait,
  fenceCheck,
  fence,
  explain,
  simulate,
  drill,
  events,
  bundle,
  config,
  keygen,
  key,
  token,
  version,
  ...(process.env['NODEKEEPER_DEBUG'] === '1' ? [debug] : []),
];
