/**
 * One thing that is collected beside the keepalive. SUBSYSTEM1 collect ends within `timeoutMs` plus a second, whatever
 * hangs, with its whole process group gone (S7); SUBSYSTEM2 it never throws.
 */
export type SubsystemReading =
  | {
      readonly ok: true;
      readonly health: 'ok' | 'warning' | 'error';
      readonly summary: string;
      readonly facts: Readonly<Record<string, string | number | boolean | null>>;
    }
  | { readonly ok: false; readonly because: string };

export interface Subsystem {
  readonly name: string;
  readonly timeoutMs: number;
  collect(): Promise<SubsystemReading>;
}
