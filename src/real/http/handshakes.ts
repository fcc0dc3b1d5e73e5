/**
 * At most so many connections to a TLS server that have not finished their handshake, and each for so long only: whoever has no key
 * costs little. When one more comes, the oldest is closed, so that those who stay silent keep nobody else out.
 */
import type { Server, Socket } from 'node:net';

export const handshakeLimits = { most: 64, withinMs: 5000 } as const;

export function limitHandshakes(server: Server, { most, withinMs }: { most: number; withinMs: number }): void {
  /** The oldest first. */
  const unfinished = new Map<Socket, NodeJS.Timeout>();
  /** By the two ends: the TLS socket that is told of at the end is another object than the one that came in. */
  const byEnds = new Map<string, Socket>();
  const finish = (socket: Socket) => {
    clearTimeout(unfinished.get(socket));
    unfinished.delete(socket);
  };
  server.on('connection', (socket: Socket) => {
    const ends = endsOf(socket);
    unfinished.set(
      socket,
      setTimeout(() => socket.destroy(), withinMs),
    );
    byEnds.set(ends, socket);
    socket.once('close', () => {
      finish(socket);
      if (byEnds.get(ends) === socket) byEnds.delete(ends);
    });
    const [oldest] = unfinished.keys();
    if (unfinished.size > most) oldest?.destroy();
  });
  server.on('secureConnection', (secure: Socket) => {
    const socket = byEnds.get(endsOf(secure));
    if (socket !== undefined) finish(socket);
  });
}

function endsOf({ remoteAddress, remotePort, localPort }: Socket): string {
  return `${remoteAddress ?? '?'} ${remotePort ?? '?'} ${localPort ?? '?'}`;
}
