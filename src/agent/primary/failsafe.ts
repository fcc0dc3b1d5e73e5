/** Asks every other coordinator whether this primary may go on without the store (6.5). One that does not agree is enough. */
import type { Context } from '../context.ts';
import type { Peers } from '../peers.ts';

export async function agreed(
  context: Context,
  peers: Peers,
  epoch: number,
  withinMs: number,
): Promise<{ readonly ok: boolean; readonly because: string }> {
  const { env, self } = context;
  const others = peers.all().filter((peer) => peer.role === 'coordinator' && peer.name !== self.name);
  const answers = await Promise.all(
    others.map(async ({ name, apiAddress }) => {
      if (apiAddress === null) return { agrees: false, because: `${name} has no API` };
      const question = { kind: 'agree', node: self.name, incarnation: self.incarnation, epoch } as const;
      const asked = await env.peerApi.ask<'agree'>(apiAddress, question, withinMs);
      return asked.ok ? asked.answer : { agrees: false, because: `${name}: ${asked.code}: ${asked.because}` };
    }),
  );
  const no = answers.filter((answer) => !answer.agrees);
  if (no.length > 0) return { ok: false, because: no.map((answer) => answer.because).join('; ') };
  return { ok: true, because: `all ${others.length} other coordinators agree` };
}
