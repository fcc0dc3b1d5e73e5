import { isSameMachine } from '../../src/core/same-machine.ts';
import { levelsFor } from '../../src/core/levels.ts';

it('S1: a name goes on to another life of the same machine alone', () => {
  const guid = '4c4c4544-0042-3510-8053-b4c04f4a3232';
  const own = { machineId: 'a', systemGuid: guid };
  expect(isSameMachine(own, { machineId: 'a', systemGuid: guid.toUpperCase() })).toBe(true);
  expect(isSameMachine(own, { machineId: 'a', systemGuid: null })).toBe(true);
  expect(isSameMachine(own, { machineId: 'a' })).toBe(true);
  expect(isSameMachine(own, { machineId: 'b', systemGuid: guid })).toBe(false);
  // A copied disk.
  expect(isSameMachine(own, { machineId: 'a', systemGuid: '00000000-0042-3510-8053-b4c04f4a3232' })).toBe(false);
});

it('S4: what shall be off is switched off, and its watchdog waited for only when nothing else is left', () => {
  const levels = [['watchdog'], ['pdu-a', 'pdu-b'], ['ipmi'], ['manual']];
  expect(levelsFor('reboot', levels)).toEqual(['watchdog', 'pdu-a+pdu-b', 'ipmi']);
  expect(levelsFor('off', levels)).toEqual(['pdu-a+pdu-b', 'ipmi', 'watchdog']);
});
