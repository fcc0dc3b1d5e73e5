/** Chance. RANDOM1 in the simulator all of it comes from the seed. */
export interface Random {
  /** A number from 0 (included) to 1 (excluded). */
  fraction(): number;
  /** A new unique id of 16 hex digits. */
  id(): string;
}
