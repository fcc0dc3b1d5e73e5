import type { RestartFacts, SeenServer } from '../../src/core/server-restart.ts';
import { judgeOpinions, judgeOwnServer, restartPauseMs } from '../../src/core/server-restart.ts';

type Health = SeenServer['health'];
const seen = (...healths: Health[]): SeenServer[] =>
  healths.map((health, index) => ({ server: `zk${index + 1}:2181`, health }));
const own = 'zk2:2181';

const facts = (more: Partial<RestartFacts> = {}): RestartFacts => ({
  own,
  seen: seen('serves', 'hangs', 'serves'),
  hangsForMs: 120_000,
  afterMs: 120_000,
  storeLive: true,
  maintenance: null,
  last: null,
  sinceOwnMs: null,
  ...more,
});

it('ZR1: a server that hangs long enough is asked about, and not before', () => {
  expect(judgeOwnServer(facts())).toMatchObject({ verdict: 'ask', because: 'zk2:2181 hangs for 2 min' });
  expect(judgeOwnServer(facts({ hangsForMs: 119_999 })).verdict).toBe('wait');
});

it.each<[string, Partial<RestartFacts>, RegExp]>([
  ['ZR2: this noded is cut off', { storeLive: false }, /no session/],
  ['ZR2: another one is away', { seen: seen('serves', 'hangs', 'away') }, /only 1 of 3/],
  ['ZR2: another one hangs', { seen: seen('hangs', 'hangs', 'serves') }, /only 1 of 3/],
  ['ZR2: half is no majority', { seen: seen('serves', 'hangs', 'serves', 'away') }, /only 2 of 4/],
  ['maintenance', { maintenance: 'upgrade' }, /maintenance: upgrade/],
  [
    'ZR3: another one was restarted and does not serve yet',
    {
      seen: seen('hangs', 'hangs', 'serves', 'serves', 'serves'),
      last: { server: 'zk1:2181', isOver: false },
    },
    /zk1:2181 was restarted and does not serve yet/,
  ],
  ['ZR4: it was restarted, in vain', { last: { server: own, isOver: false } }, /still hangs/],
  ['ZR4: less than an hour ago', { last: { server: own, isOver: true }, sinceOwnMs: restartPauseMs - 1 }, /less than/],
  ['ZR4: the wall clock was set back', { sinceOwnMs: -5 }, /less than/],
])('%s: nothing is restarted', (_, more, because) => {
  const judged = judgeOwnServer(facts(more));
  expect(judged.verdict).toBe('wait');
  expect(judged.because).toMatch(because);
});

it('ZR3, ZR4: another one that serves again, and an hour, are waited for no longer', () => {
  expect(judgeOwnServer(facts({ last: { server: 'zk1:2181', isOver: false } })).verdict).toBe('ask');
  expect(judgeOwnServer(facts({ last: { server: own, isOver: true }, sinceOwnMs: restartPauseMs })).verdict).toBe(
    'ask',
  );
});

it('ZR1: everybody who answers has to see the same, and somebody has to answer', () => {
  const same = { node: 'a', seen: seen('serves', 'hangs', 'serves') };
  expect(judgeOpinions(own, [same, { node: 'b', seen: null }])).toMatchObject({
    verdict: 'restart',
    because: 'the other coordinators see the same (a)',
  });
  expect(judgeOpinions(own, []).verdict).toBe('restart'); // the only coordinator
  const no = (node: string, ...healths: Health[]) => judgeOpinions(own, [same, { node, seen: seen(...healths) }]);
  expect(no('b', 'serves', 'serves', 'serves').because).toMatch(/^b does not agree/);
  expect(no('b', 'serves', 'away', 'serves').verdict).toBe('wait');
  expect(no('b', 'hangs', 'hangs', 'hangs').because).toMatch(/^b: only 0 of 3/);
  expect(no('b', 'serves').because).toMatch(/not among the zookeeper.servers of b/);
  expect(judgeOpinions(own, [{ node: 'b', seen: null }])).toMatchObject({
    verdict: 'wait',
    because: 'no other coordinator answers',
  });
});
