/**
 * What people change under a cluster that is in trouble: other hardware gets a node's name, a maintenance is declared for some time while
 * ZooKeeper is led by a server whose clock is wrong, the ledger of fences is emptied, a node is put into maintenance while it is powered on.
 * By a chance of its own, so that the other faults of a seed stay what they are.
 */
interface Dice {
  is(probability: number): boolean;
  between(low: number, high: number): number;
  pick<T>(items: readonly T[]): T;
}

type Add = (atMs: number, command: string) => void;

/** From `fromMs` to `untilMs`, when the story would be repaired. In a seventh of the stories. */
export function changes(dice: Dice, names: readonly string[], [fromMs, untilMs]: [number, number], put: Add): void {
  if (!dice.is(0.15)) return;
  const add = (atMs: number, command: string) => put(Math.min(atMs, untilMs - 1), command);
  const node = dice.pick(names);
  const atMs = dice.between(fromMs, untilMs - 1);
  switch (dice.pick(['replaced', 'replaced', 'clock', 'ledger', 'opened', 'opened'] as const)) {
    case 'replaced':
      if (dice.is(0.6)) add(atMs, `bmc ${node} down`);
      add(
        atMs,
        dice.pick([`freeze ${node}`, `freeze ${node}`, `power ${node} off`, `stop ${node}`, `cut ${node} --all`]),
      );
      add(atMs + dice.between(500, 20_000), `replace ${node}`);
      return;
    case 'clock':
      add(atMs, `maintenance ${node} work for=${dice.pick(['5s', '30s', '600s'])}`);
      add(atMs + dice.between(0, 12_000), `store clock ${dice.pick(['fast', 'slow'])} 3h`);
      add(atMs + dice.between(0, 8000), dice.pick([`freeze ${node}`, `power ${node} off`]));
      return;
    case 'ledger':
      add(atMs, `bmc ${node} down`);
      add(atMs, `freeze ${node}`);
      add(atMs + dice.between(3000, 25_000), 'vandalise /fencing');
      return;
    case 'opened':
      add(atMs, `freeze ${node}`);
      // Its BMC falls silent between the order to power off and the one to power on.
      add(atMs + dice.between(3000, 5500), `bmc ${node} down`);
      add(atMs + dice.between(6000, 9000), `maintenance ${dice.pick([node, node, 'cluster'])} opened`);
      add(atMs + dice.between(10_000, 25_000), `bmc ${node} ok`);
      return;
  }
}
