/** nodectl vm: guests of libvirt that the cluster keeps. */
import type { Command } from '../../command.ts';
import { define, modify, undefine } from './define.ts';
import { migrate, move, unmigrate } from './move.ts';
import { disable, restart, shutdown, start, stop } from './run-state.ts';
import { flushLocks, list, show } from './show.ts';

export const vm: Command = {
  usage: 'vm',
  describe: 'Define, run, move and look at VMs.',
  commands: [
    list,
    show,
    define,
    undefine,
    modify,
    start,
    shutdown,
    stop,
    restart,
    disable,
    migrate,
    unmigrate,
    move,
    flushLocks,
  ],
};
