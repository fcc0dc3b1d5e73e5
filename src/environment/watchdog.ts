/**
 * The watchdog of this machine: it resets it when it is not fed. Promises (test/compliance/watchdog.test.ts):
 *   WATCHDOG1 once armed, the machine is reset within `timeoutMs` after the last `feed`, whatever became of this process;
 *   WATCHDOG2 `feed` waits for nothing and never throws;
 *   WATCHDOG3 only `disarm` ends it in good order: a process that dies in any other way leaves it armed;
 *   WATCHDOG4 `timeoutMs` is what the device itself says; a device that counts otherwise than asked is not called armed.
 */
export type Armed =
  { readonly armed: true; readonly timeoutMs: number } | { readonly armed: false; readonly because: string };

export interface Watchdog {
  arm(): Promise<Armed>;
  feed(): void;
  /** Null: it is disarmed; else why not. */
  disarm(): Promise<string | null>;
}
