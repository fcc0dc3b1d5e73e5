/**
 * When a declared pause is over. Its age is counted by the store's own clock on both sides (the time of the record's last
 * change against that of a keepalive just written), never by two machines' clocks (S5).
 */
export interface MaintenanceFacts {
  readonly on: boolean;
  readonly reason: string;
  /** How long it was declared for; null: until it is switched off. */
  readonly forMs: number | null;
  /** Store time of the declaration. */
  readonly declaredStoreMs: number;
  /** Store time now; null: not known, so that nothing ends. */
  readonly nowStoreMs: number | null;
}

/** The reason of a maintenance that stands; null: there is none (any more). */
export function standingMaintenance(facts: MaintenanceFacts): string | null {
  if (!facts.on) return null;
  if (facts.forMs !== null && facts.nowStoreMs !== null && facts.nowStoreMs - facts.declaredStoreMs >= facts.forMs)
    return null;
  return facts.reason === '' ? 'no reason given' : facts.reason;
}
