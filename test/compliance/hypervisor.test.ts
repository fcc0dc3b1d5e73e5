/** The promises of environment/hypervisor.ts: in the simulator, and by virsh with a virsh that answers as libvirt 9 does, or hangs. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import { VirshHypervisor } from '../../src/real/libvirt/hypervisor.ts';
import { VirtualTime } from '../../src/sim/clock.ts';
import type { LibvirtMode } from '../../src/sim/hypervisor.ts';
import { SimHypervisor, usualTimes } from '../../src/sim/hypervisor.ts';
import { SimMachine } from '../../src/sim/machine.ts';
import { SimProcess } from '../../src/sim/process.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { until } from '../support/zookeeper.ts';

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
      times: () => usualTimes,
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

  it('HV6: a list of which one half fails is none, whatever the other says', async () => {
    const names = `list) echo "${uuid} vm1";;`;
    const states = `domstats) printf "Domain: 'vm1'\n  state.state=1\n  state.reason=1\n";;`;
    virsh(`case $1 in ${names} ${states} esac`);
    const listed = await hypervisor().list();
    expect(listed.ok && [...listed.value]).toEqual([[uuid, { power: 'running', reason: 'booted' }]]);
    for (const [list, stats] of [
      ['list) exit 1;;', states],
      [names, 'domstats) exit 1;;'],
      ['list) ;;', states],
      [names, 'domstats) ;;'],
    ] as const) {
      virsh(`case $1 in ${list} ${stats} esac`);
      expect((await hypervisor().list()).ok).toBe(false);
    }
  });

  it('HV6: a list that is too long to be kept whole is none', async () => {
    const line = `echo ${uuid} vm$n`;
    virsh(
      `n=0; case $1 in list) while [ $n -lt 6000 ]; do n=$((n+1)); ${line}; done;; domstats) while [ $n -lt 6000 ]; do n=$((n+1)); printf "Domain: 'vm$n'\n  state.state=1\n  state.reason=1\n\n"; done;; domstate) echo "error: failed to get domain" >&2; exit 1;; esac`,
    );
    expect(await new VirshHypervisor({ ...settings('9s'), commandTimeout: 9000 }).list()).toEqual({
      ok: false,
      because: 'virsh list: its answer is too long, and was not read to its end',
    });
  });

  it('HV6: a guest that came between the two halves: they are asked once more', async () => {
    virsh(
      `case $1 in list) [ -e ${dir}/came ] && echo "${uuid} vm1"; touch ${dir}/came;; domstats) printf "Domain: 'vm1'\n  state.state=1\n  state.reason=1\n";; esac`,
    );
    const listed = await hypervisor().list();
    expect(listed.ok && listed.value.size).toBe(1);
  });

  it.each(['crashed (panicked)', 'paused (user)', 'pmsuspended (unknown)', 'no state'])(
    'HV7: a guest that is %s is neither started nor removed',
    async (state) => {
      virsh(`case $1 in domstate) echo "${state}";; esac`);
      expect((await hypervisor().start(uuid, '<domain/>')).ok).toBe(false);
      expect((await hypervisor().switchOff(uuid)).ok).toBe(false);
      expect((await hypervisor().remove(uuid)).ok).toBe(false);
    },
  );

  it('HV2: what libvirt does not know is told apart from what it does not say', async () => {
    const unknown = `domstate) echo "error: failed to get domain '${uuid}'" >&2; exit 1;;`;
    virsh(`case $1 in ${unknown} list) echo ${uuid.replaceAll('1', '2')};; esac`);
    expect(await hypervisor().guestAt('node2', uuid)).toEqual({ ok: true, value: null });
    // virsh says the same when its connection was cut in the middle of the question (recorded from libvirt 9.0.0).
    for (const listed of [`echo ${uuid}`, 'exit 1', 'echo garbage']) {
      virsh(`case $1 in ${unknown} list) ${listed};; esac`);
      expect((await hypervisor().guestAt('node2', uuid)).ok).toBe(false);
      expect((await hypervisor().remove(uuid)).ok).toBe(false);
    }
  });

  it('HV3: what is so already is success; what does not go off is not called off', async () => {
    virsh(
      'case $1 in destroy) echo "error: Requested operation is not valid: domain is not running" >&2; exit 1;; domstate) echo "shut off (destroyed)";; esac',
    );
    expect((await hypervisor().switchOff(uuid)).ok).toBe(true);
    virsh('case $1 in destroy) exit 0;; domstate) echo "running (booted)";; esac');
    expect(await hypervisor().switchOff(uuid)).toEqual({ ok: false, because: 'it is still running' });
    expect((await hypervisor().remove(uuid)).ok).toBe(false);
    // Undefined while it was being started: it runs on, and libvirt forgets it when it ends.
    virsh(
      `case $1 in undefine) touch ${dir}/undefined;; domstate) [ -e ${dir}/undefined ] && echo "running (booted)" || echo "shut off (shutdown)";; esac`,
    );
    expect(await hypervisor().remove(uuid)).toEqual({ ok: false, because: 'it is running (booted)' });
  });

  it('HV4: no shell sees a name, and the definition never lies on a disk', async () => {
    const unknown = 'domstate) echo "error: failed to get domain" >&2; exit 1;;';
    virsh(`case $1 in define) cp "$3" ${dir}/seen; printf '%s' "$*" > ${dir}/defined;; ${unknown} esac`);
    const xml = `<domain><name>$(touch /tmp/x); "quoted"</name><!--${'x'.repeat(300_000)}--></domain>`;
    const temporary = process.env['TMPDIR'];
    process.env['TMPDIR'] = join(dir, 'no-such-folder');
    try {
      expect(await hypervisor().check(uuid, xml)).toEqual({ ok: true, value: null });
    } finally {
      if (temporary === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = temporary;
    }
    expect(readFileSync(join(dir, 'seen'), 'utf8')).toBe(xml);
    expect(readFileSync(join(dir, 'defined'), 'utf8')).toBe('define --validate /dev/stdin');
  });

  it('HV1: a definition ends in time, with every process of it, whether virsh hangs or does not read', async () => {
    virsh(`echo $$ > ${dir}/pid; trap "" TERM; sleep 100 & wait; sleep 100`);
    const startMs = performance.now();
    expect(await hypervisor().check(uuid, 'x'.repeat(300_000))).toEqual({
      ok: false,
      because: 'virsh define: no answer within 1 s; killed',
    });
    expect(performance.now() - startMs).toBeLessThan(2500);
    const pid = readFileSync(join(dir, 'pid'), 'utf8').trim();
    await until('its processes are gone', 2000, () => !existsSync(`/proc/${pid}`));
  });

  it('HV2: a definition that libvirt refuses says why, without the name of a file', async () => {
    virsh('echo "error: Failed to define domain from $3; unsupported configuration: no such machine" >&2; exit 1');
    expect(await hypervisor().check(uuid, '<domain/>')).toEqual({
      ok: false,
      because: 'virsh define: unsupported configuration: no such machine',
    });
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
