/**
 * Drives scripts/lab for the stories on real hosts. Every call is bounded; answers are the JSON that the contract promises.
 * `ctl` and `exec` are what scripts/lab would start, started directly: hundreds of times in a story, on two cores.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { thawAll } from '../../src/lab/faults.ts';
import { Lab } from '../../src/lab/lab.ts';
import { nodectl } from '../../src/lab/status.ts';
import { pause } from './zookeeper.ts';

const script = new URL('../../scripts/lab', import.meta.url).pathname;

/** Between two looks at what is waited for. */
const lookMinMs = 200;
const lookMaxMs = 1000;
/** Lines of each log in the message of a failed wait. */
const wordsKept = 15;

export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StatusNode {
  readonly name: string;
  readonly role: string;
  readonly state: string;
  readonly incarnation: string | null;
  readonly throws: number;
  readonly steppedDown: string | null;
}

export interface PastFence {
  readonly id: string;
  readonly node: string;
  readonly by: string;
  readonly outcome: string;
  readonly verdictAt: number;
  readonly confirmedAt: number | null;
  readonly recordedAt: number | null;
  readonly level: string | null;
  readonly steps: readonly {
    readonly at: number;
    readonly by: string;
    readonly what: string;
    readonly because: string;
  }[];
}

export interface Happened {
  readonly kind: string;
  readonly by: string;
  readonly node: string | null;
  readonly because: string;
  readonly wallMs: number;
}

export class LabDriver {
  readonly dir = join(mkdtempSync(join(tmpdir(), 'nk-lab-')), 'lab');
  /** What stories froze and did not thaw: "HOST --process WHAT", and the ensemble as a whole. */
  private readonly frozen = new Set<string>();
  private thawServers: (() => Promise<void>) | null = null;

  /** One driver a file, made before its stories: what a failed story left frozen is thawed after it. */
  constructor() {
    afterEach(() => this.thawAll());
  }

  async thawAll(): Promise<void> {
    const lab = new Lab(this.dir);
    if (lab.isUp()) await this.thawServers?.();
    const hosts = new Set([...this.frozen].map((one) => one.split(' ')[0] ?? ''));
    for (const host of hosts) if (lab.isUp()) await thawAll(lab, host);
    this.frozen.clear();
  }

  /** Takes the lab down and removes what this driver made. */
  async end(): Promise<void> {
    await this.say(['down']);
    rmSync(join(this.dir, '..'), { recursive: true, force: true });
  }

  /** One command; a failure is an answer, not an exception. `onText` hears what it prints as it does so. */
  say(words: readonly string[], deadlineMs = 120_000, onText?: (text: string) => void): Promise<Said> {
    const [program, args, env] = this.command(words);
    this.remember(words);
    return new Promise((resolve) => {
      const child = execFile(
        program,
        args,
        { timeout: deadlineMs, killSignal: 'SIGKILL', maxBuffer: 32 * 1024 * 1024, env: { ...process.env, ...env } },
        (error, stdout, stderr) => {
          const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 124;
          resolve({ code, stdout, stderr });
        },
      );
      if (onText !== undefined) child.stdout?.on('data', onText);
    });
  }

  private remember([verb, ...what]: readonly string[]): void {
    if (verb === 'freeze') this.frozen.add(what.join(' '));
    if (verb !== 'thaw') return;
    for (const one of this.frozen) if (`${one} `.startsWith(`${what.join(' ')} `)) this.frozen.delete(one);
  }

  private command(words: readonly string[]): readonly [string, string[], Record<string, string>] {
    const lab = new Lab(this.dir);
    const [verb, host = '', dashes, ...rest] = words;
    if (lab.isUp() && verb === 'ctl')
      return [...nodectl(lab, words.slice(1)), { NODEKEEPER_CONFIG: lab.path('conf', 'config.yaml') }];
    if (lab.isUp() && verb === 'exec' && dashes === '--')
      return [...lab.inside(lab.script('enter.sh'), lab.host(host), ...rest), lab.environment()];
    return [script, ['--dir', this.dir, ...words], {}];
  }

  /** One command that must work. */
  async do(...words: string[]): Promise<string> {
    const said = await this.say(words);
    if (said.code !== 0)
      throw new Error(`scripts/lab ${words.join(' ')}: exit code ${said.code}: ${said.stderr}${said.stdout}`);
    return said.stdout;
  }

  /** A new lab; `settings` as PATH=VALUE for every node. */
  async up(options: readonly string[], settings: readonly string[]): Promise<void> {
    await this.do('up', ...options, ...settings.flatMap((word) => ['--set', word]));
  }

  async nodes(): Promise<StatusNode[]> {
    const said = await this.say(['ctl', 'status', '--json']);
    return said.code === 0 ? (JSON.parse(said.stdout) as { nodes: StatusNode[] }).nodes : [];
  }

  async node(name: string): Promise<StatusNode | null> {
    return (await this.nodes()).find((node) => node.name === name) ?? null;
  }

  async fences(): Promise<PastFence[]> {
    return JSON.parse(await this.do('ctl', 'fence', 'history', '--json')) as PastFence[];
  }

  async events(): Promise<Happened[]> {
    return JSON.parse(await this.do('ctl', 'events', '--json', '--limit', '0')) as Happened[];
  }

  async eventsOf(kind: string, node?: string): Promise<Happened[]> {
    return (await this.events()).filter((event) => event.kind === kind && (node === undefined || event.node === node));
  }

  /** How often the lab itself did something to a host, by its own log. */
  did(node: string, what: string): number {
    return (this.logs().get('lab.jsonl') ?? '')
      .split('\n')
      .filter((line) => line.includes(`"node":"${node}"`) && line.includes(`"what":"${what}"`)).length;
  }

  async hosts(): Promise<{ name: string; power: string; initPid: number | null; nodedPid: number | null }[]> {
    return JSON.parse(await this.do('ps', '--json')) as {
      name: string;
      power: string;
      initPid: number | null;
      nodedPid: number | null;
    }[];
  }

  /** What the hosts' programs said last: a failure that cannot be repeated must tell enough the first time. */
  private async lastWords(): Promise<string> {
    const said = await this.say(['ctl', 'status'], 20_000);
    const ends = [...this.logs()]
      .filter(([name]) => /^(noded|zookeeper)-/.test(name))
      .map(([name, text]) => `${name}:\n${text.trimEnd().split('\n').slice(-wordsKept).join('\n')}`);
    return [`status (exit ${said.code}): ${said.stdout}${said.stderr}`, ...ends].join('\n');
  }

  /** Waits until `holds`; on failure the timeline and the logs' ends are part of the error, so that the story can be read. */
  async until(what: string, withinMs: number, holds: () => Promise<boolean>): Promise<void> {
    const startMs = performance.now();
    while (!(await holds())) {
      const waitedMs = performance.now() - startMs;
      if (waitedMs > withinMs) {
        const story = await this.say(['timeline']);
        throw new Error(`not within ${withinMs} ms: ${what}\n${story.stdout}\n${await this.lastWords()}`);
      }
      // A look is a process of 0.2 s of computing: who waits long looks less often, or it disturbs what it waits for.
      await pause(Math.min(lookMaxMs, lookMinMs + waitedMs / 10));
    }
  }

  /** All nodes run and nobody is silent. */
  healthy(withinMs = 60_000): Promise<void> {
    return this.until('every node runs', withinMs, async () => {
      const nodes = await this.nodes();
      return nodes.length > 0 && nodes.every((node) => node.state === 'run' && node.throws === 0);
    });
  }

  /** The host whose ZooKeeper server leads. */
  async leader(hosts: readonly string[]): Promise<string> {
    const ask = 'exec 3<>/dev/tcp/$(hostname)/2181; echo srvr >&3; timeout 2 cat <&3';
    for (let tries = 0; tries < 50; tries += 1) {
      const said = await Promise.all(hosts.map((host) => this.say(['exec', host, '--', 'bash', '-c', ask])));
      const found = said.findIndex(({ stdout }) => stdout.includes('Mode: leader'));
      if (found >= 0) return hosts[found] ?? '';
      await pause(200);
    }
    throw new Error('no ZooKeeper server leads');
  }

  /**
   * Freezes every ZooKeeper server, from `fromMs` on; `thaw` thaws them, the leader a second before the others. A leader that finds its
   * followers back before it has missed them goes on leading, and ZooKeeper 3.8.0 then now and then waits for ever for the
   * acknowledgement of what was under way: `mntr` says "leading - broadcast", and nothing is committed (docs/FAILURES.md).
   */
  async freezeEnsemble(hosts: readonly string[]): Promise<{ readonly fromMs: number; thaw(): Promise<void> }> {
    const leader = await this.leader(hosts);
    const others = hosts.filter((host) => host !== leader);
    const fromMs = Date.now();
    const thaw = async () => {
      this.thawServers = null;
      await this.say(['thaw', leader, '--process', 'zookeeper']);
      await pause(1000);
      await Promise.all(others.map((host) => this.say(['thaw', host, '--process', 'zookeeper'])));
    };
    this.thawServers = thaw;
    // A host that is off right now has none; that of the leader certainly runs.
    const freezing = others.map((host) => this.say(['freeze', host, '--process', 'zookeeper']));
    await Promise.all([this.do('freeze', leader, '--process', 'zookeeper'), ...freezing]);
    return { fromMs, thaw };
  }

  /** Everything that the lab's processes have written, by file. */
  logs(): Map<string, string> {
    const dir = join(this.dir, 'log');
    return new Map(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name), 'utf8')]));
  }

  passwords(): string[] {
    const nodes = readdirSync(join(this.dir, 'conf')).filter((name) => name.startsWith('node'));
    return nodes.map((name) => readFileSync(join(this.dir, 'conf', name, 'bmc.password'), 'utf8').trim());
  }
}
