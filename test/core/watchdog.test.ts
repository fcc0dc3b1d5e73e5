import type { WatchdogFacts } from '../../src/core/watchdog.ts';
import { judgeWatchdog } from '../../src/core/watchdog.ts';

const masked = { covered: true, because: 'the machine cannot sleep: sleep.target is masked' };
const sleeps = { covered: false, because: 'Software Watchdog may stand still while the machine sleeps' };
const facts: Extract<WatchdogFacts, { opened: true }> = {
  opened: true,
  countsMs: 10_000,
  askedMs: 10_000,
  feedMs: 250,
  boundMs: 15_000,
  sleep: masked,
};

it.each([
  ['exact', {}, 'rely', 15_000, /^armed$/],
  ['fixed at 60 s', { countsMs: 60_000 }, 'rely', 65_000, /^armed: device timeout is 60 s, configured 10 s$/],
  ['rounded down', { countsMs: 9000 }, 'rely', 14_000, /device timeout is 9 s, configured 10 s/],
  ['too short to be fed', { countsMs: 999 }, 'close', null, /^not armed: .*999 ms, configured 10 s, too short/],
  ['stands still in sleep', { sleep: sleeps }, 'feed', null, /no bound is published.*stand still/],
  ['of a node that runs VMs', { boundMs: null, sleep: sleeps }, 'rely', null, /^armed$/],
] as const)('S1c: a watchdog that is %s', (_what, change, verdict, boundMs, because) => {
  const judged = judgeWatchdog({ ...facts, ...change });
  expect(judged).toMatchObject({ verdict, boundMs });
  expect(judged.because).toMatch(because);
});

it('S1c: what is not open is not relied upon', () => {
  expect(judgeWatchdog({ opened: false, because: 'there is no device' })).toMatchObject({
    verdict: 'none',
    boundMs: null,
  });
});
