/** `cluster-id` in the tree, made once at random; and what each node remembers of it on its own disk (S12). */
import * as z from 'zod';
import type { ShownId } from '../core/one-store.ts';
import { parseRecord } from './record.ts';

const id = z.string().regex(/^[\w.:-]{1,80}$/);

export const ClusterId = z.object({
  schema: z.literal(1),
  id,
  /** Ids that it replaced, the newest first. */
  before: z.array(id).max(16),
  by: z.string().max(100),
  madeWallMs: z.number(),
});
export type ClusterId = z.output<typeof ClusterId>;

export const KnownStoreFile = z.object({
  schema: z.literal(1),
  id,
  before: z.array(id).max(16),
  servers: z.array(z.string().max(300)).max(100),
});
export type KnownStoreFile = z.output<typeof KnownStoreFile>;

export const knownStoreFile = 'cluster-id.json';

type Read =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly code: string; readonly because: string };

/** What a server shows in the place of the cluster id. */
export function shownId(read: Read): ShownId {
  if (!read.ok) return read.code === 'no-node' ? { kind: 'none' } : { kind: 'no-answer', because: read.because };
  const parsed = parseRecord(ClusterId, read.text);
  if (!parsed.ok) return { kind: 'unreadable', because: parsed.because };
  return { kind: 'id', id: parsed.record.id, before: parsed.record.before };
}
