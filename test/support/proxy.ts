/** A TCP proxy before a ZooKeeper server that can lose, hold and mutilate what passes. */
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';

/** pass · swallow both ways · lose the answers only · cut in the middle of the next answer · answer garbage */
export type ProxyMode = 'pass' | 'blackhole' | 'lose-answers' | 'cut-mid-answer' | 'garbage';

export class Proxy {
  mode: ProxyMode = 'pass';
  /** Connections accepted so far. */
  accepted = 0;
  private readonly target: string;
  private readonly sockets = new Set<Socket>();
  private server: Server | null = null;

  constructor(target: string) {
    this.target = target;
  }

  async listen(host = '127.0.0.1'): Promise<string> {
    const server = createServer((client) => this.accept(client));
    this.server = server;
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    return `${host}:${(server.address() as { port: number }).port}`;
  }

  /** Whether a connection passes through right now. */
  inUse(): boolean {
    return this.sockets.size > 0;
  }

  cutAll(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cutAll();
    const { server } = this;
    this.server = null;
    if (server !== null) await new Promise((resolve) => server.close(resolve));
  }

  private accept(client: Socket): void {
    this.accepted += 1;
    const [host = '', port = ''] = this.target.split(':');
    const server = connect(Number(port), host);
    for (const socket of [client, server]) {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
    client.on('data', (data) => {
      if (this.mode !== 'blackhole') server.write(data);
    });
    server.on('data', (data) => this.answer(client, data));
  }

  private answer(client: Socket, data: Buffer): void {
    if (this.mode === 'pass') client.write(data);
    if (this.mode === 'garbage') client.write(Buffer.from('0000001400000001ffffffffffffffff0000000000000000', 'hex'));
    if (this.mode === 'cut-mid-answer') {
      this.mode = 'pass';
      client.write(data.subarray(0, Math.max(1, Math.floor(data.length / 2))), () => client.destroy());
    }
  }
}
