/** A safety rule as code that watches a world. */
import type { World } from '../world.ts';

export interface Checker {
  /** The rule of docs/SAFETY.md. */
  readonly rule: string;
  /** Begins to watch; the answer tells what was found so far, each with the virtual time in s. */
  readonly watch: (world: World) => () => string[];
}

/** "12.345: text" */
export function at(world: World, text: string): string {
  return `${(world.time.nowMs / 1000).toFixed(3)}: ${text}`;
}

/** Calls `look` every `everyMs` for as long as the world runs. */
export function repeat(world: World, everyMs: number, look: () => void): void {
  const again = () => {
    look();
    world.time.after(everyMs, again);
  };
  world.time.after(everyMs, again);
}

/** What a record says, as far as it is one: anybody may write anything into the tree. Null: it is not JSON. */
export function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
