/**
 * S11 as code: nobody is switched off without a record that says who, why and from what evidence, and no decision is told without its reason.
 */
import { parseRecord } from '../../records/record.ts';
import { FenceRecord } from '../../records/fence.ts';
import { tree } from '../../records/tree.ts';
import type { World } from '../world.ts';
import { at } from './checker.ts';

/** Lines that tell of a decision. */
const decisions =
  /^(warn: |error: )?(verdict|fence-intent|fenced|role|takeover|deposed|guard-held|self-fence|power-on|transfer)$/;

/** Begins to watch; call the answer for what was found so far. */
export function checkExplained(world: World): () => string[] {
  const found: string[] = [];
  const ordered = world.onOrder;
  world.onOrder = (by, target, power) => {
    ordered(by, target, power);
    if (power === 'on') return;
    const read = world.ensemble.read(tree.fence(target));
    const parsed = read.ok ? parseRecord(FenceRecord, read.value.text) : null;
    const record = parsed?.ok === true ? parsed.record : null;
    if (record?.state !== 'intent' || record.reason === '')
      found.push(at(world, `${by} orders ${target} off, and no record of a fence says that and why`));
  };
  const told = world.trace.onLine;
  world.trace.onLine = (line) => {
    told(line);
    if (decisions.test(line.event) && line.because === '')
      found.push(at(world, `${line.node} tells "${line.event}" without a reason`));
  };
  return () => found;
}
