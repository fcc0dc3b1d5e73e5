/**
 * When a declared pause is over. Who sees its record for the first time reads its age from the store (the time of the record's last change
 * against that of a keepalive just written), never from two machines' clocks; from then on its own monotonic clock counts (S5): the
 * store's time is that of whichever server leads, and an election may change it by hours.
 */
export interface MaintenanceFacts {
  readonly on: boolean;
  readonly reason: string;
  /** How much of it is left; null: it stands until it is switched off. */
  readonly leftMs: number | null;
}

/** The reason of a maintenance that stands; null: there is none (any more). */
export function standingMaintenance({ on, reason, leftMs }: MaintenanceFacts): string | null {
  if (!on || (leftMs !== null && leftMs <= 0)) return null;
  return reason === '' ? 'no reason given' : reason;
}

/** When (own monotonic clock) a maintenance ends that is seen for the first time; `ageMs`: by the store's clock. */
export function endsAtMs(nowMs: number, forMs: number, ageMs: number): number {
  return nowMs + forMs - Math.min(forMs, Math.max(0, ageMs));
}
