/**
 * A noded lives for years: nodes come and go, records are corrupt for a while, operators ask for what is refused. Nothing of it is
 * kept for ever. What is counted is what SIGQUIT shows, so a list that is added later is counted here too.
 */
import { Keepalive } from '../../src/records/keepalive.ts';
import { Registration } from '../../src/records/registration.ts';
import { tree } from '../../src/records/tree.ts';
import { simCluster } from '../../src/sim/cluster.ts';
import { World } from '../../src/sim/world.ts';

/** By then every list that is bounded by a number is full (the longest holds 200). */
const full = 220;
const strangers = full + 380;
const atOnce = 20;
const set = { 'keepalive.interval': '1s', 'fencing.earlyEvidence': true };

function parsedAt<T>(world: World, path: string, parse: (value: unknown) => T): T {
  const read = world.ensemble.read(path);
  if (!read.ok) throw new Error(`${path}: ${read.code}`);
  return parse(JSON.parse(read.value.text));
}

it('nodes that come and go leave nothing behind in a noded that stays', async () => {
  const world = new World({ seed: 1, nodes: simCluster({ nodes: 3, set }) });
  world.powerAll();
  await world.run(20_000);
  const registration = parsedAt(world, tree.node('node3'), (value) => Registration.parse(value));
  const keepalive = parsedAt(world, tree.keepalive('node3'), (value) => Keepalive.parse(value));
  const { ensemble } = world;
  const remove = (path: string) => {
    const read = ensemble.read(path);
    if (read.ok) ensemble.remove(path, read.value.version);
  };
  const counts = () => world.agents.get('node1')?.counts() ?? {};
  const comeAndGo = async (from: number) => {
    const names = Array.from({ length: atOnce }, (_, at) => `other${from + at}`);
    for (const name of names) {
      const incarnation = `boot-${name}:life`;
      const own = { ...registration, name, role: 'worker', incarnation, apiAddress: null };
      ensemble.create('s0', tree.node(name), JSON.stringify(own), 'persistent');
      ensemble.create('s0', tree.keepalive(name), JSON.stringify({ ...keepalive, incarnation }), 'persistent');
    }
    await world.run(1500);
    for (const name of names) {
      const read = ensemble.read(tree.keepalive(name));
      if (read.ok) ensemble.write(tree.keepalive(name), `corrupt ${name}`, read.value.version);
    }
    await world.run(1500);
    for (const name of names) {
      remove(tree.keepalive(name));
      remove(tree.node(name));
    }
    await world.run(3000);
  };
  for (let from = 0; from < full; from += atOnce) await comeAndGo(from);
  const before = counts();
  for (let from = full; from < strangers; from += atOnce) await comeAndGo(from);
  const after = counts();
  // The verifier's own maps (src/agent/prover.ts) have an owner of their own, and a test there.
  const grown = Object.entries(after).filter(
    ([path, count]) =>
      count > (before[path] ?? 0) + 2 * atOnce && !/^verifier\.prover\.|^board\.(proofs|provedOn)$/.test(path),
  );
  expect(Object.keys(after).length).toBeGreaterThan(8);
  expect(grown).toEqual([]);
});
