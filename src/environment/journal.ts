/**
 * A few small texts on the machine's own disk, or (`Environment.memory`) in its memory, where they survive the process alone. JOURNAL1
 * what an acknowledged write wrote survives the process and the machine; JOURNAL2 a reader sees a whole text, the old or the new, never
 * a mixture; JOURNAL3 a name that was never written reads as null; what cannot be read or written is said, and never throws. JOURNAL4
 * the one in memory answers at once, whatever the disk does; there is none where its files would lie on a disk.
 */
export interface Journal {
  read(name: string): Promise<string | null>;
  /** Null: it is on the disk; else why not. */
  write(name: string, text: string): Promise<string | null>;
}
