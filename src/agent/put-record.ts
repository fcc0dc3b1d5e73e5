/** Writes a record that only this node writes: by the version that stands there, or anew. */
import type { Environment } from '../environment/environment.ts';

/** True: it is written. False: the store did not take it, or is away; the caller tries again on its own beat. */
export async function putRecord({ store }: Environment, path: string, text: string): Promise<boolean> {
  const read = await store.read(path);
  if (read.ok) return (await store.write(path, text, read.version)).ok;
  return read.code === 'no-node' && (await store.create(path, text, 'persistent')).ok;
}
