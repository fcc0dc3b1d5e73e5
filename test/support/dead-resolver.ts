/**
 * A DNS server that takes every question and answers none, and programs for which it is the only one: they run in a mount
 * namespace of their own with its resolv.conf and with an /etc/hosts that can be changed while they run. Needs root.
 */
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Of this test alone: others may bind port 53 of 127.0.0.1. */
const address = `127.53.${(process.pid >> 8) & 255}.${process.pid & 255}`;
const files = ['hosts', 'resolv.conf', 'nsswitch.conf'];

export class DeadResolver {
  private readonly dir: string;
  private readonly socket: Socket = createSocket('udp4');
  /** The names that it was asked for. */
  readonly asked = new Set<string>();

  constructor(dir: string) {
    this.dir = join(dir, 'etc');
    mkdirSync(this.dir);
    writeFileSync(join(this.dir, 'resolv.conf'), `nameserver ${address}\n`);
    writeFileSync(join(this.dir, 'nsswitch.conf'), 'hosts: files dns\npasswd: files\ngroup: files\n');
    this.hosts([]);
  }

  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.once('error', reject);
      this.socket.on('message', (question) => this.asked.add(nameIn(question)));
      this.socket.bind(53, address, () => resolve());
    });
  }

  /** The names that /etc/hosts has from now on, all of them this machine's; the lookup of every other one hangs. */
  hosts(names: readonly string[]): void {
    writeFileSync(join(this.dir, 'hosts'), `127.0.0.1 ${['localhost', ...names].join(' ')}\n`);
  }

  /** The words that run `words` with this resolver. */
  around(...words: readonly string[]): [string, ...string[]] {
    const mounts = files.map((file) => `mount --bind "${this.dir}/${file}" /etc/${file}`);
    return ['unshare', '--mount', 'sh', '-ec', `${mounts.join('; ')}; exec "$@"`, 'sh', ...words];
  }

  stop(): Promise<void> {
    return new Promise((resolve) => this.socket.close(() => resolve()));
  }
}

/** Of the first question of a DNS message: labels from its 13th byte on (RFC 1035, 4.1.2). */
function nameIn(message: Buffer): string {
  const labels: string[] = [];
  for (let at = 12; (message[at] ?? 0) > 0; at += 1 + (message[at] ?? 0))
    labels.push(message.toString('latin1', at + 1, at + 1 + (message[at] ?? 0)));
  return labels.join('.');
}
