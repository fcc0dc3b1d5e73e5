/**
 * Who started us (systemd). SUPERVISOR1 no call blocks or throws; SUPERVISOR2 `alive` is called only from a completed
 * keepalive beat: it proves the loop, not a timer; SUPERVISOR3 after `stopping` the supervisor waits for as long as `alive`
 * goes on, at most `withinMs`, and then kills.
 */
export interface Supervisor {
  ready(status: string): void;
  alive(status: string): void;
  /** `withinMs`: what the stop may take at most, by noded's own deadlines. */
  stopping(status: string, withinMs: number): void;
}
