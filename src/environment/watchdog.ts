/**
 * The watchdog of this machine: it resets it when it is not fed. Promises (test/compliance/watchdog.test.ts):
 *   WATCHDOG1 once armed, the machine is reset within `timeoutMs` after the last `feed`, whatever became of this process; time that
 *     the machine sleeps counts only where `sleep.covered` says so;
 *   WATCHDOG2 `feed` waits for nothing and never throws;
 *   WATCHDOG3 only `disarm` ends it cleanly: a process that dies in any other way leaves it armed;
 *   WATCHDOG4 `timeoutMs` is what the device itself says, which may be other than what was asked for;
 *   WATCHDOG5 what is not called armed was not opened, or is closed again: it does not tick.
 */
export type Armed =
  | { readonly armed: true; readonly timeoutMs: number; readonly sleep: SleepCover }
  | { readonly armed: false; readonly because: string };

/** Whether the watchdog holds although the machine may sleep: it counts meanwhile, or the machine cannot sleep. */
export interface SleepCover {
  readonly covered: boolean;
  readonly because: string;
}

export interface Watchdog {
  arm(): Promise<Armed>;
  feed(): void;
  /** Null: it is disarmed; else why not. */
  disarm(): Promise<string | null>;
}
