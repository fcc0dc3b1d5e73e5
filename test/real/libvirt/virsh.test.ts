/** Texts of libvirt 9.0.0 (Debian 12), as it printed them; garbage is never "off". */
import type { Half } from '../../../src/core/guest-list.ts';
import { guestInWords, guestOf, wholeList } from '../../../src/core/guest-list.ts';
import { readDomainXml } from '../../../src/real/libvirt/domain-xml.ts';
import {
  parseDomState,
  parseJobInfo,
  parseNames,
  parseStates,
  parseUuids,
} from '../../../src/real/libvirt/virsh-output.ts';
import { guestXml } from '../../../src/lab/guest.ts';

const names = `11111111-1111-4111-8111-111111111111 a b
22222222-1111-4111-8111-111111111111 it's "odd"; rm
33333333-1111-4111-8111-111111111111 nk  
`;
const states = `Domain: 'a b'
  state.state=1
  state.reason=1

Domain: 'it's "odd"; rm'
  state.state=5
  state.reason=2

Domain: 'nk  '
  state.state=6
  state.reason=1
`;
const half = <T>(value: T[] | null): Half<T> =>
  value === null ? { ok: false, because: 'garbage' } : { ok: true, value };
const whole = (namesText: string, statesText: string) =>
  wholeList(half(parseNames(namesText)), half(parseStates(statesText)));

it('a list of guests, with names as people give them', () => {
  const listed = whole(names, states);
  expect(listed.ok && [...listed.value]).toEqual([
    ['11111111-1111-4111-8111-111111111111', { power: 'running', reason: 'booted' }],
    ['22222222-1111-4111-8111-111111111111', { power: 'off', reason: 'destroyed' }],
    ['33333333-1111-4111-8111-111111111111', { power: 'crashed', reason: 'panicked' }],
  ]);
  const none = whole('', '');
  expect(none.ok && none.value.size).toBe(0);
});

it.each([
  ['names without states', names, ''],
  ['states without names: what virsh printed when its connection was cut at the list, with exit code 0', '', states],
  ['one name too few', names.replace(/^.*a b\n/, ''), states],
  ['one state too few', names, states.replace(/Domain: 'a b'\n.*\n.*\n\n/, '')],
  ['a guest without its state', names, states.replace('  state.state=1\n', '')],
  ['a guest without its reason', names, states.replace(/ +state.reason=1\s*$/, '')],
  ['states cut off in the middle', names, states.slice(0, -10)],
  ['an error instead of names', 'error: something', states],
  ['an error instead of states', names, 'error: something'],
  ['two guests of one name', names.replace('nk  ', 'a b'), states.replace('nk  ', 'a b')],
])('HV2, HV6: %s: no list', (_what, namesText, statesText) => {
  expect(whole(namesText, statesText).ok).toBe(false);
});

it.each(['error: something', 'Domain without quotes', 'state.state=1 and more'])('HV2: %j is no list', (text) => {
  expect(parseNames(text)).toBeNull();
  expect(parseStates(text)).toBeNull();
  expect(parseUuids(text)).toBeNull();
});

it('S2: of all states of libvirt only "shut off" is off, by number and in words alike', () => {
  const inWords = ['no state', 'running', 'idle', 'paused', 'in shutdown', 'shut off', 'crashed', 'pmsuspended'];
  const powers = inWords.map((words, state) => [guestInWords(words, '')?.power, guestOf(state, 0).power]);
  const both = ['unknown', 'running', 'running', 'paused', 'running', 'off', 'crashed', 'paused'];
  expect(powers).toEqual(both.map((power) => [power, power]));
  for (const state of [8, 99]) expect(guestOf(state, 0).power).toBe('unknown');
});

it.each<[string, { power: string; reason: string } | null]>([
  ['running (booted)\n', { power: 'running', reason: 'booted' }],
  ['paused (migration)', { power: 'paused', reason: 'migration' }],
  ['shut off (destroyed)', { power: 'off', reason: 'destroyed' }],
  ['in shutdown (user)', { power: 'running', reason: 'user' }],
  ['no state', { power: 'unknown', reason: 'no state' }],
  ['crashed (panicked)', { power: 'crashed', reason: 'panicked' }],
  ['pmsuspended (unknown)', { power: 'paused', reason: 'suspended' }],
  ['', null],
])('domstate %j', (text, wanted) => {
  expect(parseDomState(text)).toEqual(wanted);
});

it('the progress of a migration', () => {
  const text =
    'Job type:         Unbounded   \nTime elapsed:     245          ms\nData processed:   1.500 MiB\nData remaining:   512.000 KiB\nData total:       65.000 MiB\n';
  expect(parseJobInfo(text)).toEqual({
    isActive: true,
    isMigration: true,
    totalBytes: 65 * 2 ** 20,
    leftBytes: 512 * 1024,
    copiedBytes: 1.5 * 2 ** 20,
  });
  expect(parseJobInfo('Job type:         None        \n')).toEqual({
    isActive: false,
    isMigration: false,
    totalBytes: null,
    leftBytes: null,
    copiedBytes: null,
  });
  const operation = (what: string) =>
    parseJobInfo(`Job type:         Unbounded\nOperation:        ${what}\n`)?.isMigration;
  expect([operation('Outgoing migration'), operation('Incoming migration'), operation('Backup')]).toEqual([
    true,
    true,
    false,
  ]);
  expect(parseJobInfo('error: Timed out')).toBeNull();
});

describe('the XML of a domain', () => {
  it('what is taken from it', () => {
    expect(readDomainXml(guestXml('vm1', 64))).toMatchObject({
      ok: true,
      domain: { name: 'vm1', memoryMiB: 64, vcpus: 1 },
    });
    expect(readDomainXml(guestXml('vm1').replace("<memory unit='MiB'>64", '<memory>65537'))).toMatchObject({
      domain: { memoryMiB: 65 },
    });
    expect(readDomainXml(guestXml('vm1').replace("unit='MiB'>64", "unit='GiB'>2"))).toMatchObject({
      domain: { memoryMiB: 2048 },
    });
  });

  it.each<[string, (xml: string) => string, RegExp]>([
    ['another root', () => '<network/>', /root is <network>/],
    ['no name', (xml) => xml.replace(/<name>.*<\/name>/, ''), /no <name>/],
    ['a name in a comment only', (xml) => xml.replace(/<name>.*<\/name>/, '<!-- <name>x</name> -->'), /no <name>/],
    ['a blank name', (xml) => xml.replace('<name>vm1', '<name>  '), /not one that libvirt takes/],
    [
      'a UUID of another form',
      (xml) => xml.replace(/<uuid>.*<\/uuid>/, '<uuid>42</uuid>'),
      /expected the form 8-4-4-4-12/,
    ],
    ['no memory', (xml) => xml.replace(/<memory.*<\/memory>/, ''), /no <memory>/],
    ['memory in furlongs', (xml) => xml.replace("'MiB'", "'furlong'"), /no <memory>/],
    ['half a processor', (xml) => xml.replace('<vcpu>1', '<vcpu>0.5'), /not a number of processors/],
    ['a tag that is not closed', (xml) => xml.replace('</domain>', ''), /not XML/],
  ])('%s is refused', (_what, spoil, because) => {
    expect(readDomainXml(spoil(guestXml('vm1')))).toMatchObject({
      ok: false,
      because: expect.stringMatching(because) as string,
    });
  });
});
