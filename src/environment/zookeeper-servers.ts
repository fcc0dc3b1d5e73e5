/**
 * The ZooKeeper servers themselves, beside the session with them. Promises (test/real/zookeeper/servers.test.ts):
 *   ZKS1 `look` ends within its deadline plus a second, with one entry for each configured server, in their order; it never rejects;
 *   ZKS2 a server that refuses connections is `away`, one that is silent or serves nobody `hangs`; any other answer is `serves`;
 *   ZKS3 the restart ends within its timeout plus a second, with its whole process group gone if it ran into it (S7);
 *   ZKS4 success is exit code 0 and nothing else; the output is kept in part.
 */
import type { SeenServer } from '../core/server-restart.ts';

export interface RestartOutcome {
  readonly ok: boolean;
  /** Exit code and last line of output, or why it did not end. */
  readonly because: string;
  /** What it wrote, shortened. */
  readonly output: string;
}

export interface ZooKeeperServers {
  look(withinMs: number): Promise<readonly SeenServer[]>;
  /** The configured server that runs on this machine; null: none, or it is not clear which. */
  own(): Promise<string | null>;
  /** Runs the operator's command. Null: none is configured. */
  readonly restart: ((server: string, reason: string, signal: AbortSignal) => Promise<RestartOutcome>) | null;
}
