/**
 * libvirt through `virsh`, each call a process of its own with a deadline (HV1): a library call that cannot be interrupted is
 * how keepalives got stuck elsewhere. Guests are defined only while they run here: what a power cycle leaves behind is off,
 * and nothing starts by itself.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../../config/load.ts';
import type { Guest } from '../../core/vm.ts';
import type { Answer, Hypervisor, MigrationProgress } from '../../environment/hypervisor.ts';
import type { RunResult } from '../process/runner.ts';
import { run } from '../process/runner.ts';
import { parseDomState, parseJobInfo, parseList } from './virsh-output.ts';

const ok = { ok: true, value: null } as const;
const no = (because: string) => ({ ok: false, because }) as const;
const progressMs = 1000;
/** Between the order to call a migration off and the end of patience with it. */
const abortMs = 5000;

type Exited = Extract<RunResult, { kind: 'exited' }>;

export class VirshHypervisor implements Hypervisor {
  private readonly settings: Config['vms'];

  constructor(settings: Config['vms']) {
    this.settings = settings;
  }

  async list(): Promise<Answer<ReadonlyMap<string, Guest>>> {
    const listed = await this.virsh(['list --all --uuid --name; domstats --state --raw']);
    if (!listed.ok) return listed;
    const guests = parseList(listed.value.stdout);
    return guests === null
      ? no(`virsh list: it cannot be understood: ${shown(listed.value.stdout)}`)
      : { ok: true, value: guests };
  }

  async check(uuid: string, xml: string): Promise<Answer<null>> {
    const defined = await this.define(xml);
    if (!defined.ok) return defined;
    return this.remove(uuid);
  }

  async start(uuid: string, xml: string): Promise<Answer<null>> {
    const before = await this.guestAt(null, uuid);
    if (before.ok && before.value !== null && before.value.power !== 'off') return ok;
    const defined = await this.define(xml);
    if (!defined.ok) return defined;
    return this.settle(['start', uuid], this.settings.startTimeout, /already active/);
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

  resume(uuid: string): Promise<Answer<null>> {
    return this.settle(['resume', uuid], this.settings.commandTimeout, /already running/);
  }

  async remove(uuid: string): Promise<Answer<null>> {
    const before = await this.guestAt(null, uuid);
    if (!before.ok) return before;
    if (before.value === null) return ok;
    if (before.value.power !== 'off') return no(`it is ${before.value.power}`);
    const flags = ['--managed-save', '--snapshots-metadata', '--keep-nvram', '--keep-tpm'];
    return this.settle(['undefine', uuid, ...flags], this.settings.commandTimeout, /failed to get domain/);
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
    const asked = await this.virsh(['domjobinfo', uuid]);
    if (!asked.ok) return asked;
    const job = parseJobInfo(asked.value.stdout);
    if (job === null) return no(`virsh domjobinfo: it cannot be understood: ${shown(asked.value.stdout)}`);
    if (!job.isActive) return { ok: true, value: 'none' };
    const aborted = await this.settle(['domjobabort', uuid], this.settings.commandTimeout, /no job is active/);
    return aborted.ok ? { ok: true, value: 'aborted' } : aborted;
  }

  /** `address` null: of this machine. */
  async guestAt(address: string | null, uuid: string): Promise<Answer<Guest | null>> {
    const shownState = await this.virsh(
      ['domstate', '--reason', uuid],
      {},
      address === null ? undefined : this.uriOf(address),
    );
    if (!shownState.ok) return /failed to get domain/.test(shownState.because) ? ok : shownState;
    const guest = parseDomState(shownState.value.stdout);
    return guest === null
      ? no(`virsh domstate: it cannot be understood: ${shown(shownState.value.stdout)}`)
      : { ok: true, value: guest };
  }

  /** By a file that only root reads: there may be passwords in it, and virsh cannot open a standard input that is a socket. */
  private async define(xml: string): Promise<Answer<null>> {
    const dir = await mkdtemp(join(tmpdir(), 'nodekeeper-'));
    const file = join(dir, 'domain.xml');
    try {
      await writeFile(file, xml, { mode: 0o600 });
      // The first one after libvirt's start waits for what QEMU says of itself, on a busy machine for many seconds.
      const defined = await this.virsh(['define', '--validate', file], { deadlineMs: this.settings.startTimeout });
      return defined.ok ? ok : no(defined.because.replace(`Failed to define domain from ${file}; `, ''));
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
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
    options: { deadlineMs?: number; signal?: AbortSignal } = {},
    uri = this.settings.uri,
  ): Promise<Answer<Exited>> {
    const deadlineMs = options.deadlineMs ?? this.settings.commandTimeout;
    const what = `virsh ${words[0]?.split(' ')[0] ?? ''}`;
    const done = await run('virsh', ['-q', '-c', uri, ...words], { ...options, deadlineMs });
    if (done.kind === 'timed-out') return no(`${what}: no answer within ${Math.round(deadlineMs / 1000)} s; killed`);
    if (done.kind !== 'exited') return no(`${what}: ${done.because}`);
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

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
