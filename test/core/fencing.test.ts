import { afterFenced, fenceStates, fenceTable, forbidsRejoin, isConfirmedOff } from '../../src/core/fencing.ts';
import type { FenceEvent, FenceState } from '../../src/core/fencing.ts';
import { ImpossibleEvent, step } from '../../src/core/machine.ts';

const states = Object.keys(fenceStates) as FenceState[];
const events = Object.keys(fenceTable.none) as FenceEvent[];

it('every state answers every event, with a sentence where nothing happens', () => {
  for (const state of states) {
    for (const event of events) {
      const cell = fenceTable[state][event];
      if ('ignored' in cell) expect(cell.ignored.length).toBeGreaterThan(10);
      if ('impossible' in cell) expect(() => step(fenceTable, state, event)).toThrow(ImpossibleEvent);
    }
  }
});

it("S4, S1c: the only ways into fenced are a power reading of off, a watchdog's bound, an operator's word", () => {
  const ways: string[] = [];
  for (const state of states) {
    for (const event of events) {
      const cell = fenceTable[state][event];
      if ('to' in cell && cell.to === 'fenced') ways.push(`${state} ${event}`);
    }
  }
  // A word is taken wherever a fence has come to, in one step: an intent before it could be gone on with by commands.
  const words = states.filter((state) => state !== 'restoring').map((state) => `${state} operatorConfirms`);
  expect(ways.sort()).toEqual([...words, 'intent powerReadsOff', 'intent watchdogCertain'].sort());
});

it('F2: out of intent lead off, failed, and the ways of a node that lives while no command was sent, or that is another one', () => {
  const cancelling = events.filter((event) => {
    const cell = fenceTable.intent[event];
    return 'to' in cell && cell.to === 'cancelled';
  });
  expect(cancelling.sort()).toEqual(['aliveUntouched', 'anotherIncarnation', 'fencerGone', 'operatorCancels']);
  const others = events.filter((event) => !cancelling.includes(event));
  const targets = others.flatMap((event) => {
    const cell = fenceTable.intent[event];
    return 'to' in cell ? [cell.to] : [];
  });
  expect([...new Set(targets)].sort()).toEqual(['failed', 'fenced', 'intent']);
});

it('F3: nothing that happens after fenced makes the node uncertain again, short of a new verdict, or of power that reads on', () => {
  for (const state of states.filter(isConfirmedOff)) {
    for (const event of events.filter((name) => name !== 'verdict' && name !== 'readsOnAgain')) {
      const cell = fenceTable[state][event];
      if ('to' in cell) expect({ state, event, off: isConfirmedOff(cell.to) }).toEqual({ state, event, off: true });
    }
  }
  expect(fenceTable.fenced.readsOnAgain).toMatchObject({ to: 'failed' });
});

it('a node may not rejoin while the shot may still be fired', () => {
  expect(states.filter(forbidsRejoin)).toEqual(['intent']);
});

it('the loop guard: after too many fences within an hour the node stays off, and says so', () => {
  expect(
    afterFenced({ action: 'reboot', level: 'ipmi', fencesInLastHour: 3, maxFencesPerHour: 3, keptOff: null }).event,
  ).toBe('orderPowerOn');
  const fourth = afterFenced({
    action: 'reboot',
    level: 'ipmi',
    fencesInLastHour: 4,
    maxFencesPerHour: 3,
    keptOff: null,
  });
  expect(fourth).toEqual({
    event: 'leaveOff',
    because: 'the node was fenced 4 times within an hour (limit 3): it stays off and waits for a person',
  });
  expect(
    afterFenced({ action: 'off', level: 'ipmi', fencesInLastHour: 1, maxFencesPerHour: 3, keptOff: null }).event,
  ).toBe('leaveOff');
  expect(
    afterFenced({
      action: 'reboot',
      level: 'ipmi',
      fencesInLastHour: 1,
      maxFencesPerHour: 3,
      keptOff: 'the node is in maintenance (disk)',
    }),
  ).toEqual({ event: 'leaveOff', because: 'the node is in maintenance (disk): it stays off' });
});
