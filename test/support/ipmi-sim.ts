/** A real BMC simulator (OpenIPMI's ipmi_sim) on loopback, RMCP+ and all, with accounts of every level. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IpmiDevice } from '../../src/records/device.ts';
import { Ipmitool } from '../../src/real/power/ipmitool.ts';
import { until } from './zookeeper.ts';

export const bmcPassword = 'sesame-open-1234';

export class IpmiSim {
  private readonly dir = mkdtempSync(join(tmpdir(), 'nk-bmc-'));
  private process: ChildProcess | null = null;
  port = 0;

  static async start(): Promise<IpmiSim> {
    const sim = new IpmiSim();
    sim.port = await freeUdpPort();
    sim.write();
    sim.process = spawn('ipmi_sim', ['-c', 'lan.conf', '-f', 'cmd.emu', '-s', 'state', '-n', '-p'], {
      cwd: sim.dir,
      stdio: 'ignore',
    });
    const power = new Ipmitool();
    await until(
      'the BMC answers',
      10_000,
      async () => (await power.read(sim.reference('operator'), 2000)).power !== 'unknown',
    );
    return sim;
  }

  reference(username: string, more: Partial<IpmiDevice> = {}): IpmiDevice {
    return {
      kind: 'ipmi',
      name: 'ipmi',
      delayMs: 0,
      retries: 3,
      address: '127.0.0.1',
      port: this.port,
      username,
      password: bmcPassword,
      cipherSuites: [17, 3],
      privilege: 'operator',
      commandTimeoutMs: 3000,
      ...more,
    };
  }

  setPower(on: boolean): void {
    writeFileSync(join(this.dir, 'power'), on ? '1' : '0');
  }

  /** How long it takes with each reading and each order of power; what it says of itself is quick all the same. */
  setSlow(ms: number): void {
    writeFileSync(join(this.dir, 'slow'), String(ms / 1000));
  }

  /** What was ordered so far, e.g. "power 0". */
  orders(): string[] {
    return readFileSync(join(this.dir, 'orders'), 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  }

  stop(): void {
    this.process?.kill('SIGKILL');
    rmSync(this.dir, { recursive: true, force: true });
  }

  private write(): void {
    const file = (name: string, text: string) => writeFileSync(join(this.dir, name), text);
    mkdirSync(join(this.dir, 'state'));
    file('orders', '');
    this.setPower(true);
    this.setSlow(0);
    file(
      'chassis',
      `#!/bin/sh\ncd ${this.dir}\nsleep $(cat slow)\ncase $1 in get) echo power:$(cat power) ;; set) shift; echo "$@" >> orders; [ "$1" = power ] && printf %s "$2" > power ;; esac\nexit 0\n`,
    );
    chmodSync(join(this.dir, 'chassis'), 0o755);
    const user = (id: number, name: string, level: string) =>
      `  user ${id} true "${name}" "${bmcPassword}" ${level} 10 none md2 md5 straight`;
    const auths = ['callback', 'user', 'operator', 'admin'].map(
      (level) => `    allowed_auths_${level} none md2 md5 straight`,
    );
    const lines = [
      'name "test"',
      'set_working_mc 0x20',
      '  startlan 1',
      `    addr 127.0.0.1 ${this.port}`,
      '    priv_limit admin',
      ...auths,
      '    guid a123456789abcdefa123456789abcde1',
      '  endlan',
      `  chassis_control "${join(this.dir, 'chassis')}"`,
      '  user 1 true "" "" user 10 none md2 md5 straight',
      user(2, 'administrator', 'admin'),
      user(3, 'operator', 'operator'),
      user(4, 'viewer', 'user'),
    ];
    file('lan.conf', `${lines.join('\n')}\n`);
    file(
      'cmd.emu',
      'mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\nsel_enable 0x20 1000 0x0a\nmc_enable 0x20\n',
    );
  }
}

function freeUdpPort(): Promise<number> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1', () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}
