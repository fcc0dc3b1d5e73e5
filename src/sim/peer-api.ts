/** Questions between simulated nodeds: a frozen one never answers, a dead one refuses, a cut one is silent. */
import type { Asked, PeerApi } from '../environment/peer-api.ts';
import type { ApiAnswer, ApiQuestion } from '../records/api.ts';
import type { SimProcess } from './process.ts';
import type { SeededRandom } from './random.ts';
import type { WrongAddresses } from './wrong-addresses.ts';

export interface SimEndpoint {
  readonly process: SimProcess;
  readonly answer: (question: ApiQuestion) => Promise<ApiAnswer>;
}

export interface SimPeerApiOptions {
  readonly process: SimProcess;
  readonly random: SeededRandom;
  readonly self: string;
  /** Who serves, by address. */
  readonly endpoints: Map<string, SimEndpoint>;
  /** Whether packets pass from this node to that address, and whether a machine is powered there. */
  readonly reaches: (address: string) => boolean;
  /** For faults: addresses that lead elsewhere. */
  readonly addresses?: WrongAddresses;
}

export class SimPeerApi implements PeerApi {
  private readonly options: SimPeerApiOptions;

  constructor(options: SimPeerApiOptions) {
    this.options = options;
  }

  async ask<Kind extends ApiQuestion['kind']>(
    address: string,
    question: Extract<ApiQuestion, { kind: Kind }>,
    deadlineMs: number,
  ): Promise<Asked<Kind>> {
    const { process, random, endpoints, reaches, addresses, self } = this.options;
    const startMs = process.monotonicMs();
    if (['lease', 'hold', 'release', 'once'].includes(question.kind))
      return { ok: false, code: 'failed', because: 'answered on its own machine only' };
    await process.sleep(random.between(0.3, 2));
    const written = hostOf(address);
    const host = addresses?.reached(self, written) ?? written;
    const replayed = addresses?.replayed(self, written, question.kind) ?? null;
    if (replayed !== null)
      return {
        ok: true,
        answer: replayed as Extract<ApiAnswer, { kind: Kind }>,
        tookMs: process.monotonicMs() - startMs,
      };
    const endpoint = endpoints.get(host);
    if (host !== self && !reaches(host)) return this.timeout(startMs, deadlineMs);
    if (endpoint?.process.alive !== true) return { ok: false, code: 'refused', because: 'nobody serves there' };
    const answered = new AbortController();
    let answer = null as ApiAnswer | null;
    endpoint.process.deliver(() => {
      void endpoint.answer(question).then((given) => {
        answer = given;
        process.deliver(() => answered.abort());
      });
    });
    await process.sleep(Math.max(0, deadlineMs - (process.monotonicMs() - startMs)), answered.signal);
    if (answer === null || (host !== self && !reaches(host))) return this.timeout(startMs, deadlineMs);
    addresses?.remember(self, written, answer);
    return { ok: true, answer: answer as Extract<ApiAnswer, { kind: Kind }>, tookMs: process.monotonicMs() - startMs };
  }

  serve(answer: (question: ApiQuestion) => Promise<ApiAnswer>): void {
    const { endpoints, self, process } = this.options;
    endpoints.set(self, { process, answer });
  }

  close(): Promise<void> {
    const { endpoints, self, process } = this.options;
    if (endpoints.get(self)?.process === process) endpoints.delete(self);
    return Promise.resolve();
  }

  private async timeout(startMs: number, deadlineMs: number): Promise<{ ok: false; code: 'timeout'; because: string }> {
    const { process } = this.options;
    await process.sleep(Math.max(0, deadlineMs - (process.monotonicMs() - startMs)));
    return { ok: false, code: 'timeout', because: `no answer within ${Math.round(deadlineMs)} ms` };
  }
}

function hostOf(address: string): string {
  return address.split(':')[0] ?? address;
}
