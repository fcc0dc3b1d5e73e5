import { test as property, fc } from '@fast-check/jest';
import type { DeviceKnowledge, DeviceNews } from '../../src/core/device-trust.ts';
import {
  clearedOf,
  levelStanding,
  nothingKnown,
  sharedWith,
  standingOf,
  withNews,
} from '../../src/core/device-trust.ts';

const place = { device: 'ipmi', where: 'bmc1:623' };
const facts = { place, sharedWith: [], deviceIsRight: false };
const after = (...news: readonly DeviceNews[]): DeviceKnowledge =>
  news.reduce((known, told) => withNews(known, place, told, 'node2', 1000), nothingKnown);
const standing = (...news: readonly DeviceNews[]) => standingOf({ ...facts, knowledge: after(...news) });

const readOn = { news: 'read-on' } as const;
const wrong = { news: 'wrong-state' } as const;
const disobeyed = { news: 'disobeyed', commands: 4 } as const;
const obeyed = { news: 'obeyed' } as const;
const foreign = { news: 'other-machine', because: 'it reports GUID 2' } as const;

it('a device that was read as on, and that nothing is known against, is used in its turn', () => {
  expect(standing(readOn)).toEqual({ use: 'ordinary', needsOn: false, because: '' });
  expect(standing()).toEqual({ use: 'ordinary', needsOn: true, because: '' });
});

it('D2: what reported off wrongly is not tried while it does, tried last when it reads on again, trusted when it obeyed', () => {
  expect(standing(readOn, wrong)).toMatchObject({ use: 'never', needsOn: true });
  expect(standing(readOn, wrong, readOn)).toMatchObject({
    use: 'last',
    needsOn: true,
    because: 'it reported power off while its node was alive; it reads on again',
  });
  expect(standing(readOn, wrong, readOn, wrong).use).toBe('never');
  expect(standing(readOn, wrong, readOn, obeyed)).toMatchObject({ use: 'ordinary', needsOn: false });
});

it('D3: what disobeyed comes last, with all its commands counted, until one works; reading on changes nothing', () => {
  expect(standing(readOn, disobeyed, disobeyed, readOn)).toMatchObject({
    use: 'last',
    because: '8 power-off commands left power on',
  });
  expect(standing(readOn, disobeyed, obeyed).use).toBe('ordinary');
});

it('D1: what is known to be another machine is never used, unless an operator says that it is right; obeying proves nothing', () => {
  expect(standing(readOn, foreign, obeyed, readOn)).toMatchObject({ use: 'never', because: 'it reports GUID 2' });
  expect(standing(readOn, foreign, { news: 'own-machine' }).use).toBe('ordinary');
  const shared = { ...facts, sharedWith: ['node2', 'node3'], knowledge: after(readOn) };
  expect(standingOf(shared)).toMatchObject({
    use: 'never',
    because: 'node2 and node3 also name bmc1:623: a fence through it can switch off the wrong machine',
  });
  for (const asked of [shared, { ...facts, knowledge: after(readOn, foreign) }])
    expect(standingOf({ ...asked, deviceIsRight: true }).use).toBe('ordinary');
  expect(standingOf({ ...shared, deviceIsRight: true, knowledge: after(readOn, wrong) }).use).toBe('never');
});

it('D4: what cannot be read forbids every use, and no operator overrules that', () => {
  for (const deviceIsRight of [true, false])
    expect(standingOf({ ...facts, deviceIsRight, knowledge: null }).use).toBe('never');
});

it('an operator who clears a wrong state is believed as far as the next reading of on: until then off is not', () => {
  const before = after(readOn, wrong);
  const cleared = { ...before, findings: before.findings.flatMap((one) => clearedOf(one) ?? []) };
  expect(standingOf({ ...facts, knowledge: cleared })).toEqual({ use: 'ordinary', needsOn: true, because: '' });
  const readAgain = withNews(cleared, place, readOn, 'node3', 2000);
  expect(standingOf({ ...facts, knowledge: readAgain })).toEqual({ use: 'ordinary', needsOn: false, because: '' });
  expect(standingOf({ ...facts, knowledge: withNews(cleared, place, wrong, 'node3', 2000) }).use).toBe('never');
});

it('at another place it is another device', () => {
  const moved = { ...place, where: 'bmc9:623' };
  expect(standingOf({ ...facts, place: moved, knowledge: after(readOn, foreign, wrong) })).toMatchObject({
    use: 'ordinary',
    needsOn: true,
  });
});

it('the same BMC, or the same outlet of the same host, under two nodes is shared; a host alone is not an outlet', () => {
  const node = (name: string, kind: 'ipmi' | 'agent', where: string) => ({
    name,
    devices: [{ name: 'd', kind, where }],
  });
  const asked = (kind: 'ipmi' | 'agent', mine: string, theirs: string) =>
    sharedWith([node('a', kind, mine), node('b', kind, theirs)], 'a', { device: 'd', where: mine });
  expect(asked('ipmi', 'x:623', 'x:623')).toEqual(['b']);
  expect(asked('ipmi', 'x:623', 'x:624')).toEqual([]);
  expect(asked('agent', 'fence_apc pdu plug 4', 'fence_apc pdu plug 4')).toEqual(['b']);
  expect(asked('agent', 'fence_apc pdu plug 4', 'fence_apc pdu plug 5')).toEqual([]);
  expect(asked('agent', 'fence_scsi', 'fence_scsi')).toEqual([]);
});

it('a level may be used as its worst device may', () => {
  const good = standing(readOn);
  expect(levelStanding([good, good])).toEqual({ use: 'ordinary', because: '' });
  expect(levelStanding([good, standing(readOn, disobeyed)]).use).toBe('last');
  expect(levelStanding([standing(readOn, disobeyed), standing(foreign)]).use).toBe('never');
});

const anyNews = fc.constantFrom<DeviceNews>(readOn, wrong, disobeyed, obeyed, foreign, { news: 'own-machine' });

property.prop([fc.array(anyNews, { maxLength: 200 })])(
  'knowledge stays small, and only `obeyed` and `own-machine` make it milder',
  (all) => {
    let known = nothingKnown;
    for (const told of all) {
      const next = withNews(known, place, told, 'node2', 1);
      if (told.news !== 'obeyed' && told.news !== 'own-machine')
        expect(next.findings.length).toBeGreaterThanOrEqual(known.findings.length);
      expect(
        withNews(next, place, { ...told, ...(told.news === 'disobeyed' ? { news: 'read-on' } : {}) }, 'node3', 2)
          .findings.length,
      ).toBe(next.findings.length);
      known = next;
    }
    expect(known.findings.length).toBeLessThanOrEqual(3);
    expect(known.seenOn.length).toBeLessThanOrEqual(1);
  },
);
