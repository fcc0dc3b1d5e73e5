/** Every folder of test/scenarios: the same agents as in production, under virtual time, to the millisecond. */
import { expectedLog, logOf, runScenario, scenarioNames, scenarioReadme } from '../support/scenarios.ts';

it.each(scenarioNames())('%s', async (name) => {
  const world = await runScenario(name);
  const log = logOf(world);
  expect(log).toBe(expectedLog(name, log));
  expect(scenarioReadme(name).split('\n').length).toBeGreaterThanOrEqual(3);
});
