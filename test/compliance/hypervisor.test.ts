/** The promises of environment/hypervisor.ts: in the simulator, and by virsh with a virsh that answers as libvirt 9 does, or hangs. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import { VirshHypervisor } from '../../src/real/libvirt/hypervisor.ts';
import { VirtualTime } from '../../src/sim/clock.ts';
import type { LibvirtMode } from '../../src/sim/hypervisor.ts';
import { SimHypervisor } from '../../src/sim/hypervisor.ts';
import { SimMachine } from '../../src/sim/machine.ts';
import { SimProcess } from '../../src/sim/process.ts';
import { SeededRandom } from '../../src/sim/random.ts';

const uuid = '11111111-1111-4111-8111-111111111111';

describe('in the simulator', () => {
  const set = () => {
    const time = new VirtualTime();
    const machine = new SimMachine({
      name: 'node1',
      time,
      bootMs: 60_000,
      restartMs: 1000,
      start: () => Promise.resolve(),
      onPower: () => undefined,
    });
    machine.powerOn();
    let mode: LibvirtMode = 'ok';
    const process = new SimProcess(time);
    const hypervisor = new SimHypervisor({
      machine,
      process,
      random: new SeededRandom(1),
      timeoutMs: 2000,
      modeOf: () => mode,
      machineAt: () => null,
      onGuest: () => undefined,
    });
    const settle = async <T>(work: Promise<T>): Promise<{ value: T; tookMs: number }> => {
      const startMs = time.nowMs;
      const done: { value: T; tookMs: number }[] = [];
      void work.then((value) => done.push({ value, tookMs: time.nowMs - startMs }));
      for (;;) {
        await time.runUntil(time.nowMs + 10);
        const [first] = done;
        if (first !== undefined) return first;
      }
    };
    return { hypervisor, machine, settle, hang: () => (mode = 'hangs') };
  };

  it('HV2, HV3: start, switch-off and remove may be repeated; a guest that runs is not removed', async () => {
    const { hypervisor, settle } = set();
    for (let times = 0; times < 2; times += 1) expect((await settle(hypervisor.start(uuid))).value.ok).toBe(true);
    expect((await settle(hypervisor.remove(uuid))).value.ok).toBe(false);
    for (let times = 0; times < 2; times += 1) expect((await settle(hypervisor.switchOff(uuid))).value.ok).toBe(true);
    for (let times = 0; times < 2; times += 1) expect((await settle(hypervisor.remove(uuid))).value.ok).toBe(true);
    const listed = (await settle(hypervisor.list())).value;
    expect(listed.ok && listed.value.size).toBe(0);
  });

  it('HV1, HV2: one that hangs says nothing, within its deadline', async () => {
    const { hypervisor, settle, hang } = set();
    hang();
    const { value, tookMs } = await settle(hypervisor.list());
    expect(value.ok).toBe(false);
    expect(tookMs).toBeLessThanOrEqual(3000);
  });
});

describe('by virsh', () => {
  const dir = mkdtempSync(join(tmpdir(), 'nk-virsh-'));
  const path = process.env['PATH'];
  const settings = (startTimeout: string) => {
    const text = `cluster: {name: c}\nzookeeper: {servers: ['a:2181']}\nvms: {enabled: true, commandTimeout: 1s, startTimeout: ${startTimeout}, address: node1}\n`;
    const loaded = loadConfig(text);
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.errors));
    return loaded.config.vms;
  };
  const virsh = (body: string) => {
    writeFileSync(join(dir, 'virsh'), `#!/bin/bash\nprintf '%s\\n' "$@" > ${dir}/words\nshift 3\n${body}\n`);
    chmodSync(join(dir, 'virsh'), 0o755);
  };
  beforeAll(() => {
    process.env['PATH'] = `${dir}:${path ?? ''}`;
  });
  afterAll(() => {
    process.env['PATH'] = path;
    rmSync(dir, { recursive: true, force: true });
  });
  const hypervisor = (startTimeout = '1s') => new VirshHypervisor(settings(startTimeout));

  it('HV1, HV2: one that hangs and ignores SIGTERM is ended, and is no list', async () => {
    virsh('trap "" TERM; sleep 100 & wait; sleep 100');
    const startMs = performance.now();
    expect(await hypervisor().list()).toEqual({ ok: false, because: 'virsh list: no answer within 1 s; killed' });
    expect(performance.now() - startMs).toBeLessThan(2000);
  });

  it.each(['echo nonsense', 'echo "error: failed to connect" >&2; exit 1', 'exit 0'])(
    'HV2: "%s" is never a guest that is off',
    async (body) => {
      virsh(body);
      const there = await hypervisor().guestAt('node2', uuid);
      expect(there.ok && there.value?.power === 'off').toBe(false);
      expect(there.ok && there.value === null).toBe(false);
    },
  );

  it('HV2: what libvirt does not know is told apart from what it does not say', async () => {
    virsh(`echo "error: failed to get domain '${uuid}'" >&2; exit 1`);
    expect(await hypervisor().guestAt('node2', uuid)).toEqual({ ok: true, value: null });
  });

  it('HV3: what is so already is success; what does not go off is not called off', async () => {
    virsh(
      'case $1 in destroy) echo "error: Requested operation is not valid: domain is not running" >&2; exit 1;; domstate) echo "shut off (destroyed)";; esac',
    );
    expect((await hypervisor().switchOff(uuid)).ok).toBe(true);
    virsh('case $1 in destroy) exit 0;; domstate) echo "running (booted)";; esac');
    expect(await hypervisor().switchOff(uuid)).toEqual({ ok: false, because: 'it is still running' });
    expect((await hypervisor().remove(uuid)).ok).toBe(false);
  });

  it('HV4: no shell sees a name, and the definition lies in a file of its own that is gone afterwards', async () => {
    virsh(
      'case $1 in define) cp "$3" ' +
        dir +
        '/seen; stat -c %a "$3" > ' +
        dir +
        '/mode;; domstate) echo "error: failed to get domain" >&2; exit 1;; esac',
    );
    const xml = '<domain><name>$(touch /tmp/x); "quoted"</name></domain>';
    expect((await hypervisor().check(uuid, xml)).ok).toBe(true);
    expect(readFileSync(join(dir, 'seen'), 'utf8')).toBe(xml);
    expect(readFileSync(join(dir, 'mode'), 'utf8').trim()).toBe('600');
  });

  // By a lab story on a busy machine: libvirt asks QEMU what it can before it takes the first definition.
  it('a definition may take as long as a start', async () => {
    virsh('case $1 in define) sleep 1.5;; domstate) echo "error: failed to get domain" >&2; exit 1;; esac');
    expect(await hypervisor('5s').check(uuid, '<domain/>')).toEqual({ ok: true, value: null });
    expect((await hypervisor('1s').check(uuid, '<domain/>')).ok).toBe(false);
  });

  it("libvirt's own words are told when it refuses", async () => {
    virsh(
      'case $1 in define) echo "error: Failed to define domain from $3" >&2; echo "error: unsupported configuration: toaster" >&2; exit 1;; esac',
    );
    expect(await hypervisor().check(uuid, '<domain/>')).toEqual({
      ok: false,
      because: 'virsh define: unsupported configuration: toaster',
    });
  });

  it('HV5: a migration that virsh reports as done has moved; a call to end it ends it', async () => {
    virsh('case $1 in migrate) exit 0;; *) echo "Job type:         None";; esac');
    expect(await hypervisor().migrate(uuid, 'node2', () => undefined, new AbortController().signal)).toEqual({
      ok: true,
      value: null,
    });
    virsh('case $1 in migrate) sleep 30; exit 0;; *) exit 0;; esac');
    const ending = new AbortController();
    setTimeout(() => ending.abort(), 200);
    const startMs = performance.now();
    expect((await hypervisor().migrate(uuid, 'node2', () => undefined, ending.signal)).ok).toBe(false);
    expect(performance.now() - startMs).toBeLessThan(8000);
  });
});
