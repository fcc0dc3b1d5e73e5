/** Texts of libvirt 9.0.0 (Debian 12), as it printed them; garbage is never "off". */
import { readDomainXml } from '../../../src/real/libvirt/domain-xml.ts';
import { parseDomState, parseJobInfo, parseList } from '../../../src/real/libvirt/virsh-output.ts';
import { guestXml } from '../../../src/lab/guest.ts';

const listed = `11111111-1111-4111-8111-111111111111 a b
22222222-1111-4111-8111-111111111111 it's "odd"; rm

Domain: 'a b'
  state.state=1
  state.reason=1

Domain: 'it's "odd"; rm'
  state.state=5
  state.reason=2

Domain: 'came meanwhile'
  state.state=1
  state.reason=1
`;

it('a list of guests, with names as people give them', () => {
  expect([...(parseList(listed) ?? [])]).toEqual([
    ['11111111-1111-4111-8111-111111111111', { power: 'running', reason: 'booted' }],
    ['22222222-1111-4111-8111-111111111111', { power: 'off', reason: 'destroyed' }],
  ]);
  expect(parseList('')?.size).toBe(0);
});

it.each(['error: something', 'Domain without quotes', 'state.state=1 and more'])('HV2: %j is no list', (text) => {
  expect(parseList(text)).toBeNull();
});

it.each<[string, { power: string; reason: string } | null]>([
  ['running (booted)\n', { power: 'running', reason: 'booted' }],
  ['paused (migration)', { power: 'paused', reason: 'migration' }],
  ['shut off (destroyed)', { power: 'off', reason: 'destroyed' }],
  ['in shutdown (user)', { power: 'running', reason: 'user' }],
  ['no state', null],
  ['', null],
])('domstate %j', (text, wanted) => {
  expect(parseDomState(text)).toEqual(wanted);
});

it('the progress of a migration', () => {
  const text =
    'Job type:         Unbounded   \nTime elapsed:     245          ms\nData processed:   1.500 MiB\nData remaining:   512.000 KiB\nData total:       65.000 MiB\n';
  expect(parseJobInfo(text)).toEqual({
    isActive: true,
    totalBytes: 65 * 2 ** 20,
    leftBytes: 512 * 1024,
    copiedBytes: 1.5 * 2 ** 20,
  });
  expect(parseJobInfo('Job type:         None        \n')).toEqual({
    isActive: false,
    totalBytes: null,
    leftBytes: null,
    copiedBytes: null,
  });
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
