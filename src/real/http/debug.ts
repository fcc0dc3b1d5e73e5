/** For trying what a watchdog does; on this machine's socket, and only when noded was started with NODEKEEPER_DEBUG=1. */
import type { FastifyInstance } from 'fastify';
import * as z from 'zod';

const blockMaxMs = 3_600_000;
const BlockWords = z.strictObject({ ms: z.int().min(1).max(blockMaxMs) });
/** The answer leaves first. */
const graceMs = 50;

/** POST /debug/block {ms}: nothing of this process goes on for that long, as in a library call that cannot be interrupted. */
export function serveDebug(server: FastifyInstance): void {
  server.post('/debug/block', (request, reply) => {
    const words = BlockWords.safeParse(request.body);
    if (!words.success) return reply.code(400).send({ because: `ms: a number from 1 to ${blockMaxMs}` });
    const { ms } = words.data;
    setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms), graceMs);
    return reply.code(202).send({ because: `this noded stands still for ${ms} ms` });
  });
}
