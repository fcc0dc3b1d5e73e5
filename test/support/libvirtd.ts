/** A real libvirtd with QEMU in namespaces of its own, and a proxy before it that ends a connection at a chosen request. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pause } from './zookeeper.ts';

/** Requests of libvirt's wire protocol (src/remote/remote_protocol.x). */
export const requests = { lookupByName: 23, lookupByUuid: 24, listAllDomains: 273, getAllDomainStats: 344 } as const;
const remoteProgram = 0x20008086;
const headerBytes = 28;

export interface PrivateLibvirtd {
  readonly uri: string;
  readonly socket: string;
  readonly dir: string;
  /** As virsh prints it, errors included. */
  readonly virsh: (...words: string[]) => string;
  readonly end: () => void;
}

const script = `
mount --make-rprivate / && mount -t proc proc /proc
for d in /run /var/lib/libvirt /etc/libvirt /var/log/libvirt /var/cache/libvirt; do mkdir -p $d; mount -t tmpfs none $d; done
mkdir -p /run/libvirt; ip link set lo up
printf 'auth_unix_rw = "none"\\nauth_unix_ro = "none"\\nlisten_tls = 0\\nunix_sock_dir = "%s"\\n' "$1" > /etc/libvirt/libvirtd.conf
printf 'user = "root"\\ngroup = "root"\\ndynamic_ownership = 0\\nremember_owner = 0\\nsecurity_driver = "none"\\ncgroup_controllers = []\\nnamespaces = []\\nstdio_handler = "file"\\nseccomp_sandbox = 0\\n' > /etc/libvirt/qemu.conf
libvirtd --config /etc/libvirt/libvirtd.conf --pid-file /run/libvirtd.pid > "$1/log" 2>&1 &
while :; do sleep 1; done
`;

export async function startLibvirtd(): Promise<PrivateLibvirtd> {
  const dir = mkdtempSync(join(tmpdir(), 'nk-libvirt-'));
  writeFileSync(join(dir, 'run.sh'), script);
  const words = ['--mount', '--net', '--pid', '--fork', '--kill-child', 'bash', join(dir, 'run.sh'), dir];
  const child = spawn('unshare', words, { stdio: 'ignore' });
  const socket = join(dir, 'libvirt-sock');
  const uri = `qemu:///system?socket=${socket}`;
  const call = (...args: string[]) =>
    spawnSync('virsh', ['-q', '-c', uri, ...args], { encoding: 'utf8', timeout: 60_000 });
  const end = () => {
    child.kill('SIGKILL'); // --kill-child: everything in its PID namespace goes with it
    rmSync(dir, { recursive: true, force: true });
  };
  const giveUpMs = performance.now() + 60_000;
  while (call('list').status !== 0) {
    await pause(100);
    if (performance.now() > giveUpMs) {
      end();
      throw new Error('libvirtd did not start within 60 s');
    }
  }
  const virsh = (...args: string[]) => {
    const { stdout, stderr } = call(...args);
    return `${stdout}${stderr}`.trim();
  };
  return { uri, socket, dir, virsh, end };
}

/** Passes everything on, but ends the connection in place of the first `times` requests of `request`. */
export class CuttingProxy {
  readonly uri: string;
  cuts = 0;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private left = 0;
  private request = 0;

  constructor(target: PrivateLibvirtd) {
    const path = join(target.dir, 'proxy-sock');
    this.uri = `qemu:///system?socket=${path}`;
    this.server = createServer((client) => this.accept(client, target.socket)).listen(path);
  }

  cutAt(request: number, times: number): void {
    this.request = request;
    this.left = times;
    this.cuts = 0;
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }

  private accept(client: Socket, path: string): void {
    const server = connect(path);
    for (const socket of [client, server]) {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
    server.on('data', (data) => client.write(data));
    let waiting = Buffer.alloc(0);
    client.on('data', (data) => {
      waiting = Buffer.concat([waiting, data]);
      while (waiting.length >= headerBytes && waiting.length >= waiting.readUInt32BE(0)) {
        const packet = waiting.subarray(0, waiting.readUInt32BE(0));
        waiting = waiting.subarray(packet.length);
        if (this.isCutHere(packet)) {
          client.destroy();
          return;
        }
        server.write(packet);
      }
    });
  }

  private isCutHere(packet: Buffer): boolean {
    const isIt = packet.readUInt32BE(4) === remoteProgram && packet.readUInt32BE(12) === this.request;
    if (!isIt || this.left <= 0) return false;
    this.left -= 1;
    this.cuts += 1;
    return true;
  }
}
