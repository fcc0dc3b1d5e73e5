/**
 * How a record is read from the store: JSON, its schema version, its shape. What does not parse is a value that says so;
 * callers treat it as unknown, never as healthy and never as dead.
 */
import * as z from 'zod';

/** No record of ours comes near this; a larger one is not even parsed. */
export const recordBytesMax = 256 * 1024;

export type Parsed<T> = { readonly ok: true; readonly record: T } | { readonly ok: false; readonly because: string };

/** Schema, then text -> what it parsed to. Null: nothing is remembered. */
let remembered: WeakMap<z.ZodType, Map<string, Parsed<unknown>>> | null = null;
const rememberedMax = 500;

/**
 * For a process in which many agents read the same few records, as in the simulator: each text is parsed once. What comes out is frozen
 * then, so that an agent that changed a record which it has read would throw.
 */
export function rememberParsed(): void {
  remembered ??= new WeakMap();
}

/** Parses one record; never throws. `charsMax`: for what is kept on the own disk, and larger than any record of the store. */
export function parseRecord<T>(schema: z.ZodType<T>, text: string, charsMax = recordBytesMax): Parsed<T> {
  if (remembered === null || text.length > charsMax) return parseAnew(schema, text, charsMax);
  let known = remembered.get(schema) as Map<string, Parsed<T>> | undefined;
  if (known === undefined) remembered.set(schema, (known = new Map<string, Parsed<T>>()));
  let parsed = known.get(text);
  if (parsed === undefined) {
    parsed = frozen(parseAnew(schema, text, charsMax));
    if (known.size >= rememberedMax) known.clear();
    known.set(text, parsed);
  }
  return parsed;
}

function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  for (const part of Object.values(value)) frozen(part);
  return Object.freeze(value);
}

function parseAnew<T>(schema: z.ZodType<T>, text: string, charsMax: number): Parsed<T> {
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
