/** Asks every other coordinator whether this primary may go on without the store (failsafe). One that does not agree is enough. */
import { judgeApiAddress } from '../../core/api-address.ts';
import type { Registration } from '../../records/registration.ts';
import { askToAgree } from '../ask-by-name.ts';
import type { Context } from '../context.ts';
import type { Peers } from '../peers.ts';

interface Agreed {
  readonly ok: boolean;
  readonly because: string;
}

export async function agreed(context: Context, peers: Peers, epoch: number, withinMs: number): Promise<Agreed> {
  const all = peers.all();
  const others = all.filter((peer) => peer.role === 'coordinator' && peer.name !== context.self.name);
  // An agreement is of other nodes: with none known, or one that is registered and cannot be read, there is none.
  const unknown = peers.unknown();
  // All are asked in any case: the question tells them of the epoch that is given.
  const answers = await Promise.all(others.map((peer) => askOne(context, { peer, all, epoch }, withinMs)));
  if (unknown.length > 0) return { ok: false, because: `what is registered of ${unknown.join(', ')} is not known` };
  // Who is named in the keepalive relies on being asked, also when it is not known any more (agent/fencing/watchdog-level.ts).
  const missing = [...context.board.saidToAsk].filter((name) => !others.some((peer) => peer.name === name));
  if (missing.length > 0) return { ok: false, because: `${missing.join(', ')} cannot be asked any more` };
  if (others.length === 0) return { ok: false, because: 'no other coordinator is known that could agree' };
  const no = answers.filter((answer) => !answer.ok);
  if (no.length > 0) return { ok: false, because: no.map((answer) => answer.because).join('; ') };
  return { ok: true, because: `all ${others.length} other coordinators agree` };
}

interface Asking {
  readonly peer: Registration;
  readonly all: readonly Registration[];
  readonly epoch: number;
}

async function askOne(context: Context, { peer, all, epoch }: Asking, withinMs: number): Promise<Agreed> {
  const address = judgeApiAddress(peer, all);
  if (address.verdict === 'leads-elsewhere') return { ok: false, because: address.because };
  const named = await askToAgree(context, peer, { incarnation: peer.incarnation, epoch }, withinMs);
  return named.ok ? { ok: named.answer.agrees, because: named.answer.because } : named;
}
