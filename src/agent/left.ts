/** Whether this node was told to stay out of the cluster (`nodectl leave`). */
import { LeftMark } from '../records/left.ts';
import { parseRecord } from '../records/record.ts';
import { tree } from '../records/tree.ts';
import type { Context } from './context.ts';

/** Null: the store did not answer. Garbage is no mark: a node that nobody sent away stays. */
export async function readLeft(context: Context): Promise<{ readonly left: boolean; readonly because: string } | null> {
  const read = await context.env.store.read(tree.left(context.self.name));
  if (!read.ok) return read.code === 'no-node' ? { left: false, because: '' } : null;
  const parsed = read.text === '' ? null : parseRecord(LeftMark, read.text);
  if (parsed?.ok === false) {
    const because = `${tree.left(context.self.name)} cannot be read: ${parsed.because}; it is no order to leave`;
    context.history.happened('record-unreadable', because, { node: context.self.name });
  }
  if (parsed?.ok !== true) return { left: false, because: '' };
  const { left, by, reason } = parsed.record;
  return { left, because: `by ${by}${reason === '' ? '' : `: ${reason}`}` };
}
