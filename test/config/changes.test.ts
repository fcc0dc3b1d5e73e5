/** What a reload takes up, and what waits. */
import { changesOf } from '../../src/config/changes.ts';
import type { Config } from '../../src/config/load.ts';
import { loadConfig } from '../../src/config/load.ts';

const base = 'cluster: { name: c }\nzookeeper: { servers: [a:2181] }\n';
const load = (more: string): Config => {
  const loaded = loadConfig(base + more);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.errors));
  return loaded.config;
};

it.each([
  ['nothing has changed', '', '', { now: [], later: [] }],
  ['the level of the log', '', 'log: { level: debug }', { now: ['log.level'], later: [] }],
  [
    'a timing: the key itself, not what is derived from it',
    '',
    'keepalive: { interval: 4s }',
    { now: [], later: ['keepalive.interval'] },
  ],
  [
    'a section that appears, and a list that grows',
    '',
    'node: { watchdog: {} }\nfencing: { levels: [[watchdog]] }',
    { now: [], later: ['node.watchdog.device', 'node.watchdog.timeout', 'fencing.levels'] },
  ],
])('%s', (_what, before, after, changes) => {
  expect(changesOf(load(before), load(after))).toEqual(changes);
  const { now, later } = changesOf(load(after), load(before));
  expect({ now, later: later.sort() }).toEqual({ now: changes.now, later: [...changes.later].sort() });
});
