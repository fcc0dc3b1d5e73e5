/** What ipmitool says, as recorded: with ipmitool 1.8.19 (Debian 12) against OpenIPMI's ipmi_sim 2.0.33, and as reported by users of other BMCs. */
import { test as property, fc } from '@fast-check/jest';
import {
  faultOf,
  guidOf,
  isEnoughPrivilege,
  powerOf,
  privilegeOf,
  quote,
} from '../../../src/real/power/ipmitool-output.ts';

it.each([
  ['Chassis Power is on', 'on'],
  ['Chassis Power is off', 'off'],
  ['chassis power is OFF\n', 'off'],
  ['power is on\r\n', 'on'],
  ['Chassis Power is unknown', 'unknown'],
  ['Chassis Power is on\nChassis Power is off', 'unknown'],
  ['Chassis Power is offline?', 'unknown'],
  ['', 'unknown'],
  ['\0\x01garbage', 'unknown'],
  ['Power off policy: always', 'unknown'],
])('power in %j is %s', (text, power) => {
  expect(powerOf(text)).toBe(power);
});

it.each([
  [
    'RAKP 2 HMAC is invalid\nError: Unable to establish IPMI v2 / RMCP+ session',
    'wrong-credentials',
    'ipmi_sim, wrong password (-v)',
  ],
  [
    'RAKP 2 message indicates an error : unauthorized name\nError: Unable to establish IPMI v2 / RMCP+ session',
    'wrong-credentials',
    'ipmi_sim, unknown user (-v)',
  ],
  [
    'Error in open session response message : invalid authentication algorithm\n\nError: Unable to establish IPMI v2 / RMCP+ session',
    'cipher-refused',
    'ipmi_sim, -C 17',
  ],
  ['Error in open session response message : no matching cipher suite', 'cipher-refused', 'OpenBMC'],
  [
    'Set Chassis Power Control to Down/Off failed: Insufficient privilege level',
    'privilege-too-low',
    'ipmi_sim, USER account',
  ],
  [
    'RAKP 2 message indicates an error : unauthorized role or privilege level requested',
    'privilege-too-low',
    'many BMCs, -L ADMINISTRATOR',
  ],
  ['Set Session Privilege Level to ADMINISTRATOR failed', 'privilege-too-low', 'warewulf issue 656'],
  ['Error: Unable to establish IPMI v2 / RMCP+ session', 'no-answer', 'closed port'],
  ['Address lookup for no.such.host failed\nCould not open socket!', 'no-answer', 'unknown name'],
  ['Error in open session response message : insufficient resources for session', 'no-session', 'openbmc issue 1241'],
  [
    'Set Chassis Power Control to Cycle failed: Command not supported in present state',
    'refused-now',
    'fence-agents issue 596',
  ],
  ['Get HPM.x Capabilities request failed, compcode = d4\nsomething new', 'other', 'nothing that we know'],
] as const)('%j means %s (%s)', (text, fault, from) => {
  expect({ from, fault: faultOf(text) }).toEqual({ from, fault });
});

it('the privilege limit of the own account is found among the others', () => {
  const list = [
    'ID  Name\t     Callin  Link Auth\tIPMI Msg   Channel Priv Limit',
    '1                    true    false      true       USER',
    '2   admin            true    false      true       ADMINISTRATOR',
    '3   oper             true    false      true       OPERATOR',
    '4   a name with gaps true    false      true       NO ACCESS',
  ].join('\n');
  expect(privilegeOf(list, 'oper')).toBe('OPERATOR');
  expect(privilegeOf(list, 'a name with gaps')).toBe('NO ACCESS');
  expect(privilegeOf(list, 'nobody')).toBeNull();
  expect(privilegeOf('', 'oper')).toBeNull();
  expect(
    ['OPERATOR', 'ADMINISTRATOR', 'OEM', 'USER', 'CALLBACK', 'NO ACCESS', 'Unknown (0x00)'].map(isEnoughPrivilege),
  ).toEqual([true, true, true, false, false, false, false]);
});

it('a GUID is read; placeholders of firmwares are none', () => {
  expect(guidOf('System GUID   : e1cdab89-6745-23a1-efcd-ab89674523a1\nGUID Encoding : IPMI')).toBe(
    'e1cdab89-6745-23a1-efcd-ab89674523a1',
  );
  expect(guidOf('System GUID  : 00000000-0000-0000-0000-000000000000')).toBeNull();
  expect(guidOf('System GUID  : ffffffff-ffff-ffff-ffff-ffffffffffff')).toBeNull();
  expect(guidOf('no such thing')).toBeNull();
});

property.prop([fc.string()])('no output crashes, and none but "power is off" reads as off', (text) => {
  if (!/power is off/i.test(text)) expect(powerOf(text)).not.toBe('off');
  expect(typeof faultOf(text)).toBe('string');
  expect(quote(text).length).toBeLessThanOrEqual(200);
});
