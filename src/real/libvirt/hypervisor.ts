/**
 * libvirt through `virsh`, each call a process of its own with a deadline (HV1): a library call that cannot be interrupted is
 * how keepalives got stuck elsewhere. Guests are defined only while they run here: what a power cycle leaves behind is off,
 * and nothing starts by itself.
 */
import type { Config } from '../../config/load.ts';
import type { WholeList } from '../../core/guest-list.ts';
import { whetherGone, wholeList } from '../../core/guest-list.ts';
import type { Guest } from '../../core/vm.ts';
import { keptAfterCrash } from '../../core/vm.ts';
import type { Answer, Hypervisor, MigrationProgress } from '../../environment/hypervisor.ts';
import type { RunResult } from '../process/runner.ts';
import { run } from '../process/runner.ts';
import type { JobInfo } from './virsh-output.ts';
import { parseDomState, parseJobInfo, parseNames, parseStates, parseUuids } from './virsh-output.ts';

const ok = { ok: true, value: null } as const;
const no = (because: string) => ({ ok: false, because }) as const;
const progressMs = 1000;
/** Between the order to call a migration off and the end of patience with it. */
const abortMs = 5000;
/** What libvirt keeps beside a definition, each a reason for it to refuse (checkpoints are what backups leave). */
const undefineFlags = [
  '--managed-save',
  '--snapshots-metadata',
  '--checkpoints-metadata',
  '--keep-nvram',
  '--keep-tpm',
];

const withPipe = ['sh', '-c', 'cat | exec "$@"', 'sh'] as const;

type Exited = Extract<RunResult, { kind: 'exited' }>;

export class VirshHypervisor implements Hypervisor {
  private readonly settings: Config['vms'];

  constructor(settings: Config['vms']) {
    this.settings = settings;
  }

  /** Once more when the halves do not fit together: a guest may have come or gone between the two. */
  async list(): Promise<Answer<ReadonlyMap<string, Guest>>> {
    const first = await this.listOnce();
    const listed = !first.ok && first.isTorn ? await this.listOnce() : first;
    return listed.ok ? listed : no(listed.because);
  }

  /** Two processes, because virsh ends with 0 when the last of several commands succeeded, whatever became of the others. */
  private async listOnce(): Promise<WholeList> {
    const [names, states] = await Promise.all([
      this.half(['list', '--all', '--uuid', '--name'], parseNames),
      this.half(['domstats', '--state', '--raw'], parseStates),
    ]);
    return wholeList(names, states);
  }

  private async half<T>(
    words: readonly string[],
    parse: (text: string) => T[] | null,
    uri = this.settings.uri,
  ): Promise<Answer<T[]>> {
    const said = await this.virsh(words, {}, uri);
    if (!said.ok) return said;
    const value = parse(said.value.stdout);
    return value === null
      ? no(`virsh ${words[0] ?? ''}: it cannot be understood: ${shown(said.value.stdout)}`)
      : { ok: true, value };
  }

  async check(uuid: string, xml: string): Promise<Answer<null>> {
    const defined = await this.define(xml);
    if (!defined.ok) return defined;
    return this.remove(uuid);
  }

  async start(uuid: string, xml: string): Promise<Answer<null>> {
    const before = await this.guestAt(null, uuid);
    if (!before.ok) return before;
    if (before.value?.power === 'running') return ok;
    if (before.value !== null && before.value.power !== 'off') return no(inWords(before.value));
    const defined = await this.define(xml);
    if (!defined.ok) return defined;
    const started = await this.virsh(['start', uuid], { deadlineMs: this.settings.startTimeout });
    if (started.ok) return ok;
    const after = /already active/.test(started.because) ? await this.guestAt(null, uuid) : null;
    return after?.ok === true && after.value?.power === 'running' ? ok : started;
  }

  shutDown(uuid: string): Promise<Answer<null>> {
    return this.settle(['shutdown', uuid], this.settings.commandTimeout, /not running/);
  }

  async switchOff(uuid: string): Promise<Answer<null>> {
    const done = await this.settle(['destroy', uuid], this.settings.startTimeout, /not running|failed to get domain/);
    if (!done.ok) return done;
    const after = await this.guestAt(null, uuid);
    if (!after.ok) return after;
    return after.value === null || after.value.power === 'off' ? ok : no(`it is still ${after.value.power}`);
  }

  async remove(uuid: string): Promise<Answer<null>> {
    const before = await this.guestAt(null, uuid);
    if (!before.ok) return before;
    if (before.value === null) return ok;
    if (before.value.power !== 'off') return no(inWords(before.value));
    const done = await this.settle(
      ['undefine', uuid, ...undefineFlags],
      this.settings.commandTimeout,
      /failed to get domain/,
    );
    if (!done.ok) return done;
    // Undefining one that was started meanwhile only makes it transient: it runs on.
    const after = await this.guestAt(null, uuid);
    if (!after.ok) return after;
    return after.value === null ? ok : no(inWords(after.value));
  }

  async migrate(
    uuid: string,
    address: string,
    onProgress: (progress: MigrationProgress) => void,
    signal: AbortSignal,
  ): Promise<Answer<null>> {
    const { liveTimeout, migrationOptions } = this.settings;
    const host = address.includes(':') ? `[${address}]` : address;
    const words = ['migrate', '--live', '--persistent', '--undefinesource', ...migrationOptions, uuid];
    const killing = new AbortController();
    const over = new AbortController();
    const callOff = () => {
      void this.virsh(['domjobabort', uuid]);
      setTimeout(() => killing.abort(), abortMs).unref();
    };
    signal.addEventListener('abort', callOff, { once: true });
    if (signal.aborted) callOff();
    void this.watchJob(uuid, onProgress, over.signal);
    const done = await this.virsh([...words, this.uriOf(address), `tcp://${host}`], {
      deadlineMs: liveTimeout + 2 * abortMs,
      signal: killing.signal,
    });
    over.abort();
    signal.removeEventListener('abort', callOff);
    return done.ok ? ok : done;
  }

  async abortMigration(uuid: string): Promise<Answer<'none' | 'aborted'>> {
    const job = await this.jobOf(uuid);
    if (!job.ok) return job;
    if (!job.value.isActive) return { ok: true, value: 'none' };
    const aborted = await this.settle(['domjobabort', uuid], this.settings.commandTimeout, /no job is active/);
    return aborted.ok ? { ok: true, value: 'aborted' } : aborted;
  }

  async isMigrating(uuid: string): Promise<Answer<boolean>> {
    const job = await this.jobOf(uuid);
    return job.ok ? { ok: true, value: job.value.isMigration } : job;
  }

  private async jobOf(uuid: string): Promise<Answer<JobInfo>> {
    const asked = await this.virsh(['domjobinfo', uuid]);
    if (!asked.ok) return asked;
    const job = parseJobInfo(asked.value.stdout);
    if (job === null) return no(`virsh domjobinfo: it cannot be understood: ${shown(asked.value.stdout)}`);
    return { ok: true, value: job };
  }

  /**
   * `address` null: of this machine. virsh says "failed to get domain" as well when its connection broke: a guest is gone only
   * when a list that succeeded does not name it.
   */
  async guestAt(address: string | null, uuid: string): Promise<Answer<Guest | null>> {
    const uri = address === null ? this.settings.uri : this.uriOf(address);
    const said = await this.virsh(['domstate', '--reason', uuid], {}, uri);
    if (!said.ok) {
      if (!/failed to get domain/.test(said.because)) return said;
      return whetherGone(uuid, said.because, await this.half(['list', '--all', '--uuid'], parseUuids, uri));
    }
    const guest = parseDomState(said.value.stdout);
    return guest === null
      ? no(`virsh domstate: it cannot be understood: ${shown(said.value.stdout)}`)
      : { ok: true, value: guest };
  }

  /**
   * On standard input: there may be passwords in it, and a disk that hangs must not hold it up. Node.js gives a child a socket as
   * standard input, which virsh cannot open by name; from cat it gets a pipe.
   */
  private async define(xml: string): Promise<Answer<null>> {
    // The first one after libvirt's start waits for what QEMU says of itself, on a busy machine for many seconds.
    const options = { deadlineMs: this.settings.startTimeout, input: xml };
    const defined = await this.virsh(['define', '--validate', '/dev/stdin'], options);
    return defined.ok ? ok : no(defined.because.replace('Failed to define domain from /dev/stdin; ', ''));
  }

  private async watchJob(
    uuid: string,
    onProgress: (progress: MigrationProgress) => void,
    over: AbortSignal,
  ): Promise<void> {
    const isOver = () => over.aborted;
    while (!isOver()) {
      await new Promise((resolve) => setTimeout(resolve, progressMs).unref());
      const asked = isOver() ? null : await this.virsh(['domjobinfo', uuid]);
      const job = asked?.ok === true ? parseJobInfo(asked.value.stdout) : null;
      if (job !== null && !isOver()) onProgress(job);
    }
  }

  /** Done, or so already. */
  private async settle(words: readonly string[], deadlineMs: number, soAlready: RegExp): Promise<Answer<null>> {
    const done = await this.virsh(words, { deadlineMs });
    return done.ok || soAlready.test(done.because) ? ok : done;
  }

  private uriOf(address: string): string {
    const host = address.includes(':') ? `[${address}]` : address;
    return this.settings.migrationUri.replaceAll('{address}', host);
  }

  private async virsh(
    words: readonly string[],
    options: { deadlineMs?: number; signal?: AbortSignal; input?: string } = {},
    uri = this.settings.uri,
  ): Promise<Answer<Exited>> {
    const deadlineMs = options.deadlineMs ?? this.settings.commandTimeout;
    const what = `virsh ${words[0]?.split(' ')[0] ?? ''}`;
    const args = ['-q', '-c', uri, ...words];
    const [program, ...rest] = options.input === undefined ? ['virsh', ...args] : [...withPipe, 'virsh', ...args];
    const done = await run(program, rest, { ...options, deadlineMs });
    if (done.kind === 'timed-out') return no(`${what}: no answer within ${Math.round(deadlineMs / 1000)} s; killed`);
    if (done.kind !== 'exited') return no(`${what}: ${done.because}`);
    if (done.isCapped === true) return no(`${what}: its answer is too long, and was not read to its end`);
    return done.code === 0 ? { ok: true, value: done } : no(`${what}: ${libvirtsWords(done.stderr)}`);
  }
}

/** virsh prefixes each line with "error: ". */
function libvirtsWords(stderr: string): string {
  const lines = stderr.split('\n').map((line) => line.replace(/^error: /, '').trim());
  return lines
    .filter((line) => line !== '')
    .join('; ')
    .slice(0, 600);
}

function inWords({ power, reason }: Guest): string {
  return power === 'crashed' ? keptAfterCrash : `it is ${power} (${reason})`;
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
