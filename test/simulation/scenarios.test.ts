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
