/**
 * The order in which scripts/test begins its files: those that take minutes first, the longest ahead, so that the last one to end does not
 * run alone. Jest knows that only on a machine that has run them before; the other files go by size, as it does.
 */
import { statSync } from 'node:fs';

const minutes = [
  ...['fencing', 'role', 'vms', 'restraint', 'main-job', 'systemd', 'matrix', 'keys'].map((name) => `lab/${name}`),
  ...['cli/fence-words', 'cli/primary-run'],
  ...['mutations', 'scenarios', 'vms', 'swarm', 'role', 'disk'].map((name) => `simulation/${name}`),
];

function weight({ path }) {
  const place = minutes.findIndex((name) => path.endsWith(`/${name}.test.ts`));
  return place < 0 ? statSync(path).size : 1e9 * (minutes.length - place);
}

/** What jest asks of a sequencer; nothing is kept between runs. */
export default class LongestFirst {
  sort(tests) {
    return [...tests].sort((a, b) => weight(b) - weight(a));
  }
  shard(tests) {
    return tests;
  }
  allFailedTests(tests) {
    return tests;
  }
  cacheResults() {
    return undefined;
  }
}
