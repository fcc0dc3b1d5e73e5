/**
 * An address that moves with the role: added and removed by `ip`, announced by gratuitous ARP (`arping -U`) or unsolicited
 * neighbour advertisements (`ndptool`), at once and again for a while, since one packet may be lost.
 */
import type { Resource, ResourceOutcome } from '../../environment/resources.ts';
import type { RunResult } from '../process/runner.ts';
import { run } from '../process/runner.ts';
import { said } from './command.ts';

export interface AddressSettings {
  readonly name: string;
  /** With its prefix length. */
  readonly address: string;
  readonly interface: string;
  readonly startTimeout: number;
  readonly stopTimeout: number;
  readonly statusTimeout: number;
}

/** When it is announced, in ms after it was added. */
const announcedAtMs = [0, 100, 300, 1000, 3000, 10_000];
const announceTimeoutMs = 2000;

export function addressResource(settings: AddressSettings): Resource {
  const { name, address, startTimeout, stopTimeout, statusTimeout } = settings;
  const device = settings.interface;
  const bare = address.split('/')[0] ?? address;
  const isV6 = bare.includes(':');
  let announcing = new AbortController();
  const ip = (deadlineMs: number, signal: AbortSignal | null, ...args: string[]) =>
    run('ip', args, { deadlineMs, signal });

  const status = async (deadlineMs: number): Promise<Awaited<ReturnType<Resource['status']>>> => {
    const shown = await ip(deadlineMs, null, '-o', 'addr', 'show', 'dev', device, 'to', bare);
    if (shown.kind !== 'exited') return { status: 'unknown', because: said(shown, deadlineMs) };
    if (shown.code !== 0) {
      // Without the interface the address is certainly not there.
      const gone = /does not exist|Cannot find device/i.test(shown.stderr);
      return { status: gone ? 'stopped' : 'unknown', because: said(shown, deadlineMs) };
    }
    const there = shown.stdout.trim() !== '';
    return { status: there ? 'running' : 'stopped', because: `${bare} is ${there ? '' : 'not '}on ${device}` };
  };

  return {
    name,
    kind: 'address',
    status: () => status(statusTimeout),
    async start(_facts, signal) {
      const nodad = isV6 ? ['nodad'] : []; // its uniqueness is ours to know; the check would cost a second
      const added = await ip(startTimeout, signal, 'addr', 'replace', address, 'dev', device, ...nodad);
      if (added.kind !== 'exited' || added.code !== 0) return failure(added, startTimeout);
      announcing.abort();
      announcing = new AbortController();
      void announce(bare, device, isV6, announcing.signal);
      return { ok: true, because: `${address} is on ${device}`, tookMs: added.tookMs };
    },
    async stop() {
      announcing.abort();
      const removed = await ip(stopTimeout, null, 'addr', 'del', address, 'dev', device);
      if (removed.kind === 'exited' && removed.code === 0)
        return { ok: true, because: `${address} is gone from ${device}`, tookMs: removed.tookMs };
      const now = await status(statusTimeout);
      if (now.status === 'stopped')
        return { ok: true, because: `${bare} was not on ${device}`, tookMs: removed.tookMs };
      return failure(removed, stopTimeout);
    },
  };
}

function failure(result: RunResult, deadlineMs: number): ResourceOutcome {
  return { ok: false, because: said(result, deadlineMs), tookMs: result.tookMs };
}

async function announce(address: string, device: string, isV6: boolean, signal: AbortSignal): Promise<void> {
  const words = isV6
    ? ['ndptool', '-t', 'na', '-U', '-i', device, '-T', address, 'send']
    : ['arping', '-U', '-c', '1', '-w', '1', '-I', device, '-s', address, address];
  const [program = '', ...args] = words;
  let beforeMs = 0;
  for (const atMs of announcedAtMs) {
    await pause(atMs - beforeMs, signal);
    beforeMs = atMs;
    if (signal.aborted) return;
    const sent = run(program, args, { deadlineMs: announceTimeoutMs, signal });
    if ((await sent).kind === 'missing') return; // told at the start and by `nodectl config check` (tools.ts)
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (ms <= 0 || signal.aborted) {
      resolve();
      return;
    }
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
