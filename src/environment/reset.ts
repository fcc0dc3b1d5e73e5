/**
 * The last resort (S9): this machine is reset because something on it cannot be stopped otherwise. RESET1 it does not come
 * back when it works; RESET2 it syncs nothing and stops nothing in good order: what runs must end now.
 */
export interface Reset {
  resetMachine(because: string): Promise<void>;
}
