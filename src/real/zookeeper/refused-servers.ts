/**
 * Servers that the gate has refused for good (S12): the others are used without them, and they are asked again in a while, since
 * they may have been put right. When all of them are refused, all stay in use: there the gate is asked at each connection.
 */
const againMs = 10_000;

export class RefusedServers {
  private readonly servers: readonly string[];
  private readonly isIn: (server: string) => Promise<boolean>;
  private readonly onBack: () => void;
  private readonly refused = new Set<string>();
  private timer: NodeJS.Timeout | null = null;

  /** `isIn`: asks the gate about a server, in a session of its own; `onBack`: one more may be tried. */
  constructor(servers: readonly string[], isIn: (server: string) => Promise<boolean>, onBack: () => void) {
    this.servers = servers;
    this.isIn = isIn;
    this.onBack = onBack;
  }

  /** Those that may be tried, in the configured order. */
  others(): readonly string[] {
    const left = this.servers.filter((server) => !this.refused.has(server));
    return left.length === 0 ? this.servers : left;
  }

  add(server: string): void {
    this.refused.add(server);
    if (this.timer !== null) return;
    this.timer = setInterval(() => void this.askAgain(), againMs);
    this.timer.unref();
  }

  /** All may be tried again: the gate is asked about each. */
  clear(): void {
    this.refused.clear();
    this.stop();
    this.onBack();
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  private async askAgain(): Promise<void> {
    for (const server of [...this.refused]) {
      if (!(await this.isIn(server))) continue;
      this.refused.delete(server);
      this.onBack();
    }
    if (this.refused.size === 0) this.stop();
  }
}
