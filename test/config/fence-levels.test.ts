import { fenceLevels } from '../../src/config/fence-levels.ts';
import { loadConfig, printErrors } from '../../src/config/load.ts';

const load = (more: string) => loadConfig(`cluster: { name: c }\nzookeeper: { servers: [zk1:2181] }\n${more}`);
const errorsOf = (more: string): string => {
  const loaded = load(more);
  return loaded.ok ? '' : printErrors('config.yaml', loaded.errors);
};
const levelsOf = (more: string) => {
  const loaded = load(more);
  if (!loaded.ok) throw new Error(printErrors('config', loaded.errors));
  return fenceLevels(loaded.config);
};
const bmc = 'bmc: { address: b, username: u, passwordFile: /p }\n';
const pdu = (name: string, more = '') => `{ name: ${name}, agent: fence_apc_snmp, options: { ip: x }${more} }`;

it('what is configured is used without a word: the BMC, then all further devices together, then the watchdog', () => {
  expect(levelsOf('')).toEqual([]);
  expect(levelsOf(bmc)).toEqual([['ipmi']]);
  const all = `${bmc}node: { watchdog: {} }\nfencing: { devices: [${pdu('a')}, ${pdu('b')}] }\n`;
  expect(levelsOf(all)).toEqual([['ipmi'], ['a', 'b'], ['watchdog']]);
});

it('S2: guests are not covered by a watchdog: with VMs it is no level, and its bound is not published', () => {
  const watched = `${bmc}node: { watchdog: {} }\nvms: { enabled: true }\n`;
  expect(levelsOf(watched)).toEqual([['ipmi']]);
  const loaded = load(watched);
  expect(loaded.ok && loaded.config.timing.watchdogBoundMs).toBeNull();
  expect(errorsOf(`${watched}fencing: { levels: [[ipmi], [watchdog]] }`)).toMatch(
    /guests are not covered by its bound/,
  );
});

it.each([
  [
    'a device that does not exist',
    `${bmc}fencing: { levels: [[ipmi], [pdu]] }`,
    /fencing.levels.1: no device is named "pdu"; there are: ipmi/,
  ],
  ['ipmi without a bmc', 'fencing: { levels: [[ipmi]] }', /the level "ipmi" needs the section bmc/],
  [
    'watchdog without its section',
    `${bmc}fencing: { levels: [[ipmi], [watchdog]] }`,
    /needs the section node.watchdog/,
  ],
  [
    'a device in no level',
    `${bmc}fencing: { devices: [${pdu('a')}], levels: [[ipmi]] }`,
    /"a" is configured but stands in no level/,
  ],
  ['a device in two levels', `${bmc}fencing: { levels: [[ipmi], [ipmi]] }`, /"ipmi" stands in two places/],
  [
    'a watchdog that does not stand alone',
    `${bmc}node: { watchdog: {} }\nfencing: { levels: [[ipmi, watchdog]] }`,
    /"watchdog" stands alone/,
  ],
  ['two devices of one name', `fencing: { devices: [${pdu('a')}, ${pdu('a')}] }`, /two devices are named "a"/],
  ['a name with a meaning', `fencing: { devices: [${pdu('manual')}] }`, /the name "manual" has a meaning of its own/],
  ['an option given twice', `fencing: { devices: [${pdu('a', ', secretFiles: { ip: /x }')}] }`, /"ip" is given twice/],
  [
    'an option that is ours',
    'fencing: { devices: [{ name: a, agent: fence_x, options: { action: reboot } }] }',
    /"action" is set by noded itself/,
  ],
  [
    'an agent that is no agent',
    'fencing: { devices: [{ name: a, agent: rm }] }',
    /the name of a fence agent such as fence_apc_snmp, or an absolute path/,
  ],
  [
    'an option with a line feed',
    'fencing: { devices: [{ name: a, agent: fence_x, options: { ip: "a\\naction=on" } }] }',
    /one line of at most 500/,
  ],
  ['an empty level', `${bmc}fencing: { levels: [[]] }`, /at least one name in each level/],
  [
    'a watchdog that counts half seconds',
    'node: { watchdog: { timeout: 4500ms } }',
    /a watchdog counts whole seconds, got 4.5 s/,
  ],
])('%s is refused, with the place and the reason', (_what, text, reason) => {
  expect(errorsOf(text)).toMatch(reason);
  expect(errorsOf(text)).toMatch(/^config.yaml:\d+:\d+: /);
});

it("the watchdog's bound is the sum of lease, stop, one feeding and its timeout", () => {
  const loaded = load(`${bmc}node: { watchdog: { timeout: 10s } }\n`);
  if (!loaded.ok) throw new Error('not loaded');
  const { leaseMs, stopBoundMs, watchdogBoundMs } = loaded.config.timing;
  expect(watchdogBoundMs).toBe(leaseMs + stopBoundMs + 250 + 10_000);
});
