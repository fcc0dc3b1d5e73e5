/**
 * How a record is read from the store: JSON, its schema version, its shape. What does not parse is a value that says so;
 * callers treat it as unknown, never as healthy and never as dead.
 */
import * as z from 'zod';

/** No record of ours comes near this; a larger one is not even parsed. */
export const recordBytesMax = 256 * 1024;

export type Parsed<T> = { readonly ok: true; readonly record: T } | { readonly ok: false; readonly because: string };

/** Parses one record; never throws. `charsMax`: for what is kept on the own disk, and larger than any record of the store. */
export function parseRecord<T>(schema: z.ZodType<T>, text: string, charsMax = recordBytesMax): Parsed<T> {
  if (text.length > charsMax) return { ok: false, because: `it is ${text.length} characters long (limit ${charsMax})` };
  if (text === '') return { ok: false, because: 'it is empty' };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, because: `it is not JSON (begins ${JSON.stringify(text.slice(0, 24))})` };
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return { ok: true, record: parsed.data };
  const first = parsed.error.issues[0];
  const path = first === undefined || first.path.length === 0 ? 'record' : first.path.map(String).join('.');
  return { ok: false, because: `${path}: ${first?.message ?? 'wrong shape'}` };
}

/** For a process that uses each schema once or twice: zod compiles a schema for speed, which takes longer than that. */
export function parseWithoutCompiling(): void {
  z.config({ jitless: true });
}

/** The text of a record. */
export function printRecord(record: object): string {
  return JSON.stringify(record);
}
