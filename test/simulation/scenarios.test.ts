/** Every folder of test/scenarios: the same agents as in production, under virtual time, to the millisecond, and every safety rule. */
import { logOf, unmet } from '../../src/proof/keep.ts';
import { runPlan } from '../../src/sim/swarm/run.ts';
import { expectedLog, readScenario, scenarioNames, scenarioReadme } from '../support/scenarios.ts';

it.each(scenarioNames())('%s', async (name) => {
  const scenario = readScenario(name);
  const outcome = await runPlan(scenario);
  const log = logOf(outcome.world.trace);
  expect(log).toBe(expectedLog(name, outcome));
  expect({ findings: outcome.findings, unmet: unmet(scenario.expect ?? [], log) }).toEqual({ findings: [], unmet: [] });
  expect(scenarioReadme(name).split('\n').length).toBeGreaterThanOrEqual(3);
});

it('an expectation with blanks as the log has them is met by its line, and not met where it is denied', () => {
  const log = '    30.000 node3    guest 0001 | running (booted)\n';
  expect(unmet(['node3    guest 0001', 'not node2    guest'], log)).toEqual([]);
  expect(unmet(['node2    guest', 'not node3    guest'], log)).toEqual(['node2    guest', 'not node3    guest']);
});
