/**
 * Name lookups for everything that connects by host name. They stay those of the system (getaddrinfo: /etc/hosts and nsswitch
 * count), which keep a thread of libuv's pool until the resolver gives up: 10 s for each name with one dead server, and longer
 * with more. libuv gives lookups half of its threads, so with four of them two hung names delay every other name (measured).
 * Therefore: one lookup per name at a time, a deadline for who waits, the last good answer meanwhile; a pool that is large enough
 * (UV_THREADPOOL_SIZE, set before the process starts, since Node.js uses the pool while it loads noded); and of its share for
 * lookups a quarter that names of peers never take, so that ZooKeeper's servers are found whatever the peers are called.
 */
import type { LookupAddress } from 'node:dns';
import { ADDRCONFIG, lookup as lookUpBySystem } from 'node:dns';
import type { LookupFunction } from 'node:net';
import type { Limits, Source } from './last-good.ts';
import { LastGood } from './last-good.ts';

/** Who needs the address: a ZooKeeper server, or another noded. */
export type Purpose = 'zookeeper' | 'peer';

/** `because` null: its lookup answers again. */
export type OnLookupTrouble = (name: string, because: string | null) => void;

type Resolve = (name: string) => Promise<LookupAddress[]>;

/** What the unit and the lab set (systemd/noded.service). 60 more threads cost half a megabyte. */
export const threadsWanted = 64;
const libuvThreads = 4;
/** A connection to ZooKeeper may take 200 ms (timing.connectTimeout): the last good address has to leave time for it. */
const limits: Limits = { deadlineMs: 5000, patienceMs: 100, tellAfterMs: 1000 };
/** More names than a cluster has. */
const namesMax = 1000;

/** What UV_THREADPOOL_SIZE says, as libuv reads it. */
export function threadsOf(value: string | undefined): number {
  const threads = value === undefined ? libuvThreads : Number.parseInt(value, 10) || 1;
  return Math.min(1024, Math.max(1, threads));
}

export class Lookups {
  /** Set by noded: a name whose lookup hangs is told. */
  onTrouble: OnLookupTrouble = () => undefined;
  private readonly resolve: Resolve;
  private readonly peersMax: number;
  private readonly names = new Map<string, LastGood<LookupAddress[]>>();
  private peersUnderWay = 0;

  constructor(threads = threadsOf(process.env['UV_THREADPOOL_SIZE']), resolve: Resolve = bySystem) {
    this.resolve = resolve;
    this.peersMax = Math.max(1, Math.floor((Math.floor((threads + 1) / 2) * 3) / 4));
  }

  /** In place of the lookup of net, tls, http and https. */
  for(purpose: Purpose): LookupFunction {
    return (name, options, callback) => {
      this.addresses(name, purpose).then(
        (all) => {
          const first = all[0];
          if (options.all === true || first === undefined) callback(null, all);
          else callback(null, first.address, first.family);
        },
        (error: unknown) => callback(error as NodeJS.ErrnoException, []),
      );
    };
  }

  /** Rejects within 5 s, and at once where the system says that there is no such name. */
  async addresses(name: string, purpose: Purpose): Promise<LookupAddress[]> {
    const source: Source<LookupAddress[]> = { ask: () => this.ask(name, purpose), isAnswer: isNoSuchName };
    try {
      return await this.known(name).get(source);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw Object.assign(new Error(`the name ${name} was not resolved: ${(error as Error).message}`), { code });
    }
  }

  private known(name: string): LastGood<LookupAddress[]> {
    const known = this.names.get(name) ?? new LastGood(limits, (because) => this.onTrouble(name, because));
    this.names.delete(name); // the newest last
    this.names.set(name, known);
    const [oldest] = this.names;
    if (this.names.size > namesMax && oldest?.[1].isUnderWay() === false) this.names.delete(oldest[0]);
    return known;
  }

  private async ask(name: string, purpose: Purpose): Promise<LookupAddress[]> {
    if (purpose === 'zookeeper') return this.resolve(name);
    if (this.peersUnderWay >= this.peersMax)
      throw new Error(`${this.peersUnderWay} other names are being looked up, and the resolver does not answer`);
    this.peersUnderWay += 1;
    try {
      return await this.resolve(name);
    } finally {
      this.peersUnderWay -= 1;
    }
  }
}

/** The threads are those of the process, and so is what is known. */
export const lookups = new Lookups();

function bySystem(name: string): Promise<LookupAddress[]> {
  return new Promise((resolve, reject) => {
    // As net.connect itself asks.
    lookUpBySystem(name, { all: true, verbatim: true, hints: ADDRCONFIG }, (error, addresses) => {
      if (error === null) resolve(addresses);
      else reject(Object.assign(new Error(wordsOf(error)), { code: error.code }));
    });
  });
}

function wordsOf({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'EAI_AGAIN') return 'the resolver does not answer (EAI_AGAIN)';
  return code === 'ENOTFOUND' ? 'there is no such name (ENOTFOUND)' : message;
}

function isNoSuchName(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOTFOUND';
}
