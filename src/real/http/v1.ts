/**
 * The API for programs of operators, version 1: VMs, by the same rules and with the same words as nodectl. Served on this
 * machine's socket for root, and by the web listener to who has a token. Described by openapi.ts, which a test holds against
 * the real answers.
 */
import type { FastifyInstance, FastifyReply } from 'fastify';
import type * as z from 'zod';
import type { ApiAnswer, ApiQuestion, VmOrder } from '../../records/api.ts';
import { openApiDocument } from './openapi.ts';
import { MigrateWords, MoveWords, NoWords, vmVerbs } from './v1-words.ts';

type Answerer = (question: ApiQuestion) => Promise<ApiAnswer>;

type VmVerb = (typeof vmVerbs)[number];

const statusOf = { done: 202, refused: 409, unknown: 404, away: 503 } as const;

export function serveV1(server: FastifyInstance, answerer: () => Answerer | null): void {
  const ask = async (reply: FastifyReply, question: ApiQuestion): Promise<ApiAnswer | null> => {
    const answer = answerer();
    if (answer !== null) return answer(question);
    await reply.code(503).send({ because: 'noded is not ready yet' });
    return null;
  };
  server.get('/v1/openapi.json', (_request, reply) => reply.send(openApiDocument()));
  server.get('/v1/cluster', async (_request, reply) => {
    const answer = await ask(reply, { kind: 'cluster' });
    if (answer?.kind !== 'cluster') return reply;
    const { picture, because, leaseLeftMs } = answer;
    if (picture === null) return reply.code(503).send({ because: because ?? 'nothing was seen yet' });
    return reply.send({ ...picture, staleBecause: because, leaseLeftMs });
  });
  server.get('/v1/vms', async (_request, reply) => {
    const answer = await ask(reply, { kind: 'vms' });
    if (answer?.kind !== 'vms') return reply;
    if (answer.vms === null) return reply.code(503).send({ because: 'the store does not answer' });
    return reply.send({ vms: answer.vms });
  });
  server.get<{ Params: { name: string } }>('/v1/vms/:name', async ({ params }, reply) => {
    const answer = await ask(reply, { kind: 'vms' });
    if (answer?.kind !== 'vms') return reply;
    if (answer.vms === null) return reply.code(503).send({ because: 'the store does not answer' });
    const found = answer.vms.find(({ name, uuid }) => name === params.name || uuid === params.name.toLowerCase());
    return found === undefined
      ? reply.code(404).send({ because: `there is no VM "${params.name}"` })
      : reply.send(found);
  });
  for (const verb of vmVerbs)
    server.post<{ Params: { name: string } }>(`/v1/vms/:name/${verb}`, async ({ params, body }, reply) => {
      const read = readOrder(verb, body);
      if (!read.ok) return reply.code(400).send({ because: read.because });
      const answer = await ask(reply, { kind: 'vm-order', name: params.name, order: read.order, by: read.by });
      if (answer?.kind !== 'vm-order') return reply;
      const { outcome, because, vm } = answer;
      return reply.code(statusOf[outcome]).send(outcome === 'done' ? { because, vm } : { because });
    });
}

type ReadOrder =
  | { readonly ok: true; readonly order: VmOrder; readonly by: string }
  | { readonly ok: false; readonly because: string };

function readOrder(verb: VmVerb, body: unknown): ReadOrder {
  const words = body ?? {};
  if (verb === 'migrate')
    return orderOf(MigrateWords, words, ({ target, forceLive }) => ({ kind: verb, target, forceLive }));
  if (verb === 'move') return orderOf(MoveWords, words, ({ target }) => ({ kind: verb, target }));
  return orderOf(NoWords, words, () => ({ kind: verb }));
}

function orderOf<T extends { readonly by: string }>(
  schema: z.ZodType<T>,
  words: unknown,
  toOrder: (words: T) => VmOrder,
): ReadOrder {
  const parsed = schema.safeParse(words);
  if (parsed.success) return { ok: true, order: toOrder(parsed.data), by: parsed.data.by };
  const issue = parsed.error.issues[0];
  const path = issue?.path.map(String).join('.') ?? '';
  return { ok: false, because: `${path === '' ? '' : `${path}: `}${issue?.message ?? 'not understood'}` };
}
