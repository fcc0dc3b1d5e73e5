/**
 * The commands of `nodectl primary run` and `once` on this machine. Each runs in a cgroup of its own, so that everything that
 * it starts can be ended, whatever forks and changes its session.
 *   COMMAND1 `sees` says whether this process sees that cgroup: only then can `end` tell "gone" from "not visible here";
 *   COMMAND2 `end` resolves with null only when no process is left in the cgroup and none can join it any more;
 *   COMMAND3 otherwise it resolves with the reason, within the deadline; it never throws.
 */
export interface BoundCommands {
  sees(cgroup: string): Promise<boolean>;
  /** SIGKILL to everything in it. Null: all of it has ended. */
  end(cgroup: string, deadlineMs: number): Promise<string | null>;
}
