/**
 * Sealing with the cluster key. SEAL1 `open` gives back what was sealed for the same context, or null (wrong key,
 * changed text, other context). SEAL2 what is sealed can be read only with the key. SEAL3 `keyNames` says which keys are
 * held, the one that seals first; the names tell nothing about the keys.
 */
export interface Secrets {
  seal(plain: string, context: string): string;
  open(sealed: string, context: string): string | null;
  keyNames(): readonly string[];
}
