/**
 * API addresses that lead elsewhere: a name that resolves to loopback, one address configured on several machines, a redirect on the
 * way; and a way that gives the last answer again. Whoever sits there does not need the cluster key.
 */
import type { ApiAnswer } from '../records/api.ts';

export class WrongAddresses {
  /** "ASKER HOST", or "* HOST" for every asker: whose API is reached there; `self`: the asker's own. */
  private readonly leads = new Map<string, string>();
  /** Hosts at which the last answer is given again. */
  private readonly replaying = new Set<string>();
  private readonly lastAnswers = new Map<string, ApiAnswer>();

  lead(host: string, to: string, asker = '*'): void {
    this.leads.set(`${asker} ${host}`, to);
  }

  replay(host: string): void {
    this.replaying.add(host);
  }

  /** As it should be: for one host, or for all. */
  repair(host: string | null): void {
    for (const key of [...this.leads.keys()]) if (host === null || key.endsWith(` ${host}`)) this.leads.delete(key);
    if (host === null) this.replaying.clear();
    else this.replaying.delete(host);
  }

  /** Whose API `asker` reaches at `host`. */
  reached(asker: string, host: string): string {
    const to = this.leads.get(`${asker} ${host}`) ?? this.leads.get(`* ${host}`) ?? host;
    return to === 'self' ? asker : to;
  }

  /** What was answered at `host` to the last question of this kind, if that is all that is answered there now; null: ask. */
  replayed(asker: string, host: string, kind: ApiAnswer['kind']): ApiAnswer | null {
    return this.replaying.has(host) ? (this.lastAnswers.get(`${asker} ${host} ${kind}`) ?? null) : null;
  }

  remember(asker: string, host: string, answer: ApiAnswer): void {
    this.lastAnswers.set(`${asker} ${host} ${answer.kind}`, answer);
  }
}
