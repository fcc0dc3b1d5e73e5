/** `zookeeper-restart`: the restart of a ZooKeeper server that was begun last. Whoever begins the next one writes over this version. */
import * as z from 'zod';

export const serverRestartStates = {
  running: 'the command runs, or its noded has ended meanwhile',
  ran: 'the command has ended; the server does not serve yet',
  over: 'the server serves again, or nothing was run',
} as const;

export const ServerRestart = z.object({
  schema: z.literal(1),
  server: z.string().max(300),
  node: z.string().max(100),
  incarnation: z.string().max(120),
  state: z.enum(['running', 'ran', 'over']),
  because: z.string().max(1000),
  /** When each server was restarted last, by the wall clock of its own machine. */
  restartedWallMs: z.record(z.string().max(300), z.number()),
});
export type ServerRestart = z.output<typeof ServerRestart>;
