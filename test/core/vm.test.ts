import { step } from '../../src/core/machine.ts';
import { commandVm } from '../../src/core/vm-command.ts';
import type { VmStanding } from '../../src/core/vm-command.ts';
import type { GuestFacts, VmEvent, VmState } from '../../src/core/vm.ts';
import { judgeGuest, movingStates, runningStates, vmEvents, vmHealth, vmStates, vmTable } from '../../src/core/vm.ts';

const states = Object.keys(vmStates) as VmState[];
const events = Object.keys(vmEvents) as VmEvent[];
const running = { power: 'running', reason: 'booted' } as const;
const crashed = { power: 'crashed', reason: 'panicked' } as const;
const unknown = { power: 'unknown', reason: 'no state' } as const;
const off = (reason: string) => ({ power: 'off', reason }) as const;
const facts: GuestFacts = {
  self: 'node1',
  state: 'start',
  node: 'node1',
  active: true,
  move: null,
  guest: running,
  isOld: null,
  mayNotStart: null,
  starts: 0,
  startsMax: 3,
  shutdownForMs: null,
  shutdownTimeoutMs: 10_000,
};

describe('the table', () => {
  it('S2: only a moving VM may be recorded as moved, and a forced live migration never shuts down', () => {
    for (const state of states) {
      const isMoving = movingStates.includes(state);
      expect({ state, moved: 'to' in vmTable[state].moved }).toEqual({ state, moved: isMoving });
      expect({ state, handed: 'to' in vmTable[state].handedOver }).toEqual({
        state,
        handed: isMoving && state !== 'migrate-live',
      });
    }
  });

  it('whatever happens to its node, a VM that shall not run does not begin to run by that', () => {
    for (const state of states.filter((one) => !runningStates.includes(one)))
      for (const event of ['recovered', 'stranded'] as const) {
        const moved = step(vmTable, state, event);
        expect(moved.kind === 'move' && runningStates.includes(moved.to)).toBe(false);
      }
  });

  it('from every state an operator gets a VM running again, or off, by commands alone', () => {
    const asked: readonly VmEvent[] = ['start', 'shutdown', 'stop', 'isOff', 'stayed', 'accepted'];
    for (const wanted of ['start', 'stop'] as const)
      for (const from of states) {
        const seen = new Set([from]);
        for (let grown = true; grown;) {
          const before = seen.size;
          for (const state of [...seen])
            for (const event of asked) {
              const cell = vmTable[state][event];
              if ('to' in cell) seen.add(cell.to);
            }
          grown = seen.size > before;
        }
        expect({ from, reaches: seen.has(wanted) }).toEqual({ from, reaches: true });
      }
  });

  it('answers every event in every state', () => {
    for (const state of states) expect(Object.keys(vmTable[state]).sort()).toEqual([...events].sort());
  });
});

describe('what a node does', () => {
  it.each<[string, Partial<GuestFacts>, string]>([
    ['it runs as it shall', {}, 'nothing'],
    ['it runs, and the record does not say so', { active: false }, 'take-up'],
    ['it shall run and libvirt does not know it', { active: false, guest: null }, 'start'],
    ['it crashed', { guest: off('crashed') }, 'start'],
    ['it crashed too often', { guest: off('crashed'), starts: 3 }, 'give-up'],
    ['it shut itself down', { guest: off('shutdown') }, 'record-stopped-by-itself'],
    ['somebody destroyed it', { guest: off('destroyed') }, 'record-stopped-by-itself'],
    ['it was destroyed before it was started at all', { active: false, guest: off('destroyed') }, 'start'],
    ['nothing may start here right now', { active: false, guest: null, mayNotStart: 'the store is away' }, 'nothing'],
    ['S2: it panicked and is kept: its QEMU lives', { guest: crashed }, 'nothing'],
    ['S2: it panicked and is kept, and the record does not say so', { active: false, guest: crashed }, 'take-up'],
    ['S2: it panicked and is kept, and shall not run', { state: 'stop', guest: crashed }, 'switch-off'],
    ['it panicked and is kept, and shall be restarted', { state: 'restart', guest: crashed }, 'switch-off'],
    ['S2: libvirt knows it and does not say how it is', { guest: unknown }, 'nothing'],
    ['S2: libvirt does not say how it is, and it shall not run', { state: 'stop', guest: unknown }, 'switch-off'],
    ['it shall be off and runs', { state: 'stop' }, 'switch-off'],
    ['it shall be off and is, as recorded', { state: 'stop', active: false, guest: null }, 'nothing'],
    [
      'it shall be off, and what is left of it is forgotten',
      { state: 'stop', active: false, guest: off('destroyed') },
      'record-off',
    ],
    ['it shall shut down', { state: 'shutdown' }, 'shut-down'],
    ['it does not listen', { state: 'shutdown', shutdownForMs: 10_000 }, 'switch-off'],
    ['it has shut down', { state: 'restart', guest: off('shutdown') }, 'record-off'],
    ['it is defined', { state: 'provision', active: false, guest: null }, 'check'],
    ['it moves', { state: 'migrate', move: { target: 'node2', phase: 'asked' } }, 'move'],
    ['S2: its home is another node', { node: 'node2' }, 'remove-foreign'],
    ['its home is another node and nothing is here', { node: 'node2', guest: null }, 'nothing'],
    [
      'it wants to come here',
      { node: 'node2', guest: null, state: 'migrate', move: { target: 'node1', phase: 'asked' } },
      'prepare',
    ],
    [
      'S2: it is on its way here',
      { node: 'node2', state: 'migrate', move: { target: 'node1', phase: 'moving' } },
      'nothing',
    ],
    [
      'S2: it is on its way elsewhere, and a copy is here',
      { node: 'node2', state: 'migrate', move: { target: 'node3', phase: 'moving' } },
      'remove-foreign',
    ],
  ])('%s', (_what, more, verdict) => {
    expect(judgeGuest({ ...facts, ...more }).verdict).toBe(verdict);
  });

  it('S2: only a guest that is off is started or recorded as off', () => {
    for (const state of states)
      for (const guest of [running, crashed, unknown, { power: 'paused', reason: 'user' } as const])
        for (const active of [true, false]) {
          const { verdict } = judgeGuest({ ...facts, state, guest, active });
          expect(['start', 'record-off', 'record-stopped-by-itself', 'give-up']).not.toContain(verdict);
        }
  });

  it('S2: whatever else is so, a node that is not its home never starts it', () => {
    for (const state of states)
      for (const guest of [null, running, off('crashed')])
        for (const active of [true, false])
          expect(judgeGuest({ ...facts, node: 'node2', state, guest, active }).verdict).not.toBe('start');
  });
});

describe('commands', () => {
  const vm: VmStanding = {
    name: 'vm1',
    state: 'start',
    node: 'node1',
    active: true,
    cameFrom: null,
    limit: [],
    antiAffinity: [],
    migrationMethod: 'live',
    move: null,
  };
  const migrate = (target: string | null, forceLive = false) =>
    ({ kind: 'migrate', target, forceLive, moveId: 'm1' }) as const;
  it.each<[string, Partial<VmStanding>, Parameters<typeof commandVm>[1], RegExp]>([
    ['to itself', {}, migrate('node1'), /does not migrate to itself/],
    ['with only its own node allowed', { limit: ['node1'] }, migrate(null), /there is nowhere to go/],
    ['to a node that is not allowed', { limit: ['node1', 'node3'] }, migrate('node2'), /may run on node1, node3 only/],
    ['live by force, against its method', { migrationMethod: 'shutdown' }, migrate('node2', true), /cannot be forced/],
    ['live by force while it is off', { state: 'stop', active: false }, migrate('node2', true), /cannot migrate live/],
    ['back, when it never left', {}, { kind: 'unmigrate', moveId: 'm1' }, /was not migrated/],
    ['back to where it is', { cameFrom: 'node1' }, { kind: 'unmigrate', moveId: 'm1' }, /does not migrate to itself/],
    ['a move when one is under way', { state: 'migrate' }, migrate('node2'), /moving already/],
    [
      'another home while a guest may run',
      { state: 'stop' },
      { kind: 'move', target: 'node2', moveId: 'm1' },
      /may still run on node1/,
    ],
    ['to call off what does not move', {}, { kind: 'cancel', by: 'me' }, /not moving/],
  ])('R14: %s is refused', (_what, more, command, because) => {
    const changed = commandVm({ ...vm, ...more }, command, 'me', []);
    expect(changed).toMatchObject({ ok: false, because: expect.stringMatching(because) as string });
  });

  const db2 = { name: 'db2', nodes: ['node2'], memoryMiB: 1, vcpus: 1, antiAffinity: ['db'] };
  it.each<[string, Partial<VmStanding>, Parameters<typeof commandVm>[1]]>([
    ['a move to it', {}, migrate('node2')],
    ['the way back to it', { cameFrom: 'node2' }, { kind: 'unmigrate', moveId: 'm1' }],
    ['a start beside it', { node: 'node2', state: 'stop', active: false }, { kind: 'start' }],
    ['a home beside it', { state: 'stop', active: false }, { kind: 'move', target: 'node2', moveId: 'm1' }],
  ])('R29: %s is refused where one of its anti-affinity group is, and only there', (_what, more, command) => {
    const standing = { ...vm, antiAffinity: ['db'], ...more };
    expect(commandVm(standing, command, 'me', [db2])).toMatchObject({
      ok: false,
      because: expect.stringMatching(/db2 is there \(anti-affinity "db"\)/) as string,
    });
    expect(commandVm(standing, command, 'me', [{ ...db2, antiAffinity: ['web'] }]).ok).toBe(true);
    expect(commandVm(standing, command, 'me', [{ ...db2, nodes: ['node3'] }]).ok).toBe(true);
  });

  it('migrate remembers where it came from, move does not; what is off only gets another home', () => {
    expect(commandVm(vm, migrate('node2', true), 'me', [])).toMatchObject({
      ok: true,
      state: 'migrate-live',
      move: { remembers: true, target: 'node2', phase: 'asked' },
    });
    expect(commandVm(vm, { kind: 'move', target: 'node2', moveId: 'm' }, 'me', [])).toMatchObject({
      move: { remembers: false },
    });
    const isOff = { ...vm, state: 'stop', active: false } as const;
    expect(commandVm(isOff, { kind: 'move', target: 'node2', moveId: 'm' }, 'me', [])).toMatchObject({
      node: 'node2',
      move: null,
    });
  });
});

it('S2: after a restore a node claims what it has of a guest, but not what is on its way or unknown', () => {
  const verdict = (guest: GuestFacts['guest'], more: Partial<GuestFacts> = {}) =>
    judgeGuest({ ...facts, node: 'node2', isOld: 'restored', guest, ...more }).verdict;
  const paused = (reason: string) => ({ power: 'paused', reason }) as const;
  for (const guest of [running, crashed, paused('I/O error'), paused('user')]) expect(verdict(guest)).toBe('claim');
  for (const guest of [null, off('shutdown'), unknown, paused('migration'), paused('starting up'), paused('post-copy')])
    expect(verdict(guest)).toBe('nothing');
  expect(verdict(running, { node: 'node1' })).toBe('nothing');
  expect(verdict(crashed, { node: 'node1', state: 'stop' })).toBe('claim');
});

it('health is never called ok or off when it is not known', () => {
  for (const state of states.filter((one) => one !== 'fail'))
    expect(vmHealth({ state, active: true, guest: 'unknown' }).health).toBe('unknown');
});
