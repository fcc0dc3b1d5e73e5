/**
 * Who started us (systemd). SUPERVISOR1 no call blocks or throws; SUPERVISOR2 `alive` is called only from a completed
 * keepalive beat: it proves the loop, not a timer.
 */
export interface Supervisor {
  ready(status: string): void;
  alive(status: string): void;
  stopping(status: string): void;
}
