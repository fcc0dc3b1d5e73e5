/** What is kept of the peers on the disk is read again, whatever the size of the cluster. */
import { knownCharsMax, knownPeersMax, parseKnown, printKnown } from '../../src/records/known.ts';
import { Registration } from '../../src/records/registration.ts';
import { recordBytesMax } from '../../src/records/record.ts';

const registration = (at: number, role: 'coordinator' | 'worker', sealedChars = 1500): Registration =>
  Registration.parse({
    schema: 1,
    name: `node${at}`,
    role,
    priority: 0,
    incarnation: `boot-${at}:life`,
    bootId: 'b',
    machineId: 'm',
    hostname: `node${at}.example.org`,
    pid: 1,
    version: '1',
    intervalMs: 5000,
    action: 'reboot',
    apiAddress: `node${at}.example.org:7777`,
    leaseMs: 1,
    stopBoundMs: 1,
    systemGuid: null,
    levels: [['ipmi']],
    devices: [{ name: 'ipmi', kind: 'ipmi', where: `10.0.0.${at}` }],
    devicesSealed: 'x'.repeat(sealedChars),
    watchdogBoundMs: null,
  });
const some = (count: number, sealedChars?: number) =>
  Array.from({ length: count }, (_, at) => registration(at, at < count - 3 ? 'worker' : 'coordinator', sealedChars));

it.each([3, 300, knownPeersMax])('%i nodes: all of them are written, and read again', (count) => {
  const peers = some(count);
  const { text, left } = printKnown(peers, { node1: 'it is in maintenance: disk' }, {});
  expect(left).toEqual([]);
  const parsed = parseKnown(text);
  expect(parsed).toMatchObject({ ok: true, record: { excused: { node1: 'it is in maintenance: disk' } } });
  const names = parsed.ok ? parsed.record.registrations.map(({ name }) => name) : [];
  expect(names.sort()).toEqual(peers.map(({ name }) => name).sort());
  if (count >= 300) expect(text.length).toBeGreaterThan(recordBytesMax); // where it was unreadable
});

it.each([
  [knownPeersMax + 5, 100],
  [500, 60_000],
])(
  '%i nodes with %i characters of devices: what finds no room is named, coordinators come first, it is read again',
  (count, chars) => {
    const peers = some(count, chars);
    const { text, left } = printKnown(peers, {}, {});
    expect(text.length).toBeLessThanOrEqual(knownCharsMax);
    const parsed = parseKnown(text);
    const kept = parsed.ok ? parsed.record.registrations : [];
    expect(kept.slice(0, 3).map(({ role }) => role)).toEqual(['coordinator', 'coordinator', 'coordinator']);
    expect(kept.length + left.length).toBe(count);
    expect(left.length).toBeGreaterThan(0);
  },
);
