/**
 * What can be looked at and not changed: health for load balancers (the status code alone tells; HEAD works too) and metrics
 * for Prometheus.
 *   /primary    200: this node holds the role, with lease left      /secondary  200: another one does, and this one stands by
 *   /health     200: its keepalive is fresh, it has not stepped down  /ready      200: healthy, and in "run"
 * Everything else is 503 with the reason.
 */
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { ApiAnswer, ApiQuestion } from '../../records/api.ts';
import type { RealMetrics } from '../metrics.ts';

type Answerer = (question: ApiQuestion) => Promise<ApiAnswer>;
interface Judged {
  readonly good: boolean;
  readonly because: string;
}

export const healthPaths = ['/primary', '/secondary', '/health', '/ready'] as const;
const questions: Readonly<Record<(typeof healthPaths)[number], 'status' | 'health'>> = {
  '/primary': 'status',
  '/secondary': 'status',
  '/health': 'health',
  '/ready': 'health',
};

export function serveObservation(
  server: FastifyInstance,
  answerer: () => Answerer | null,
  metrics: RealMetrics | null,
): void {
  const notReady = (reply: FastifyReply) => reply.code(503).send({ because: 'noded is not ready yet' });
  for (const path of healthPaths)
    server.get(path, async (_request, reply) => {
      const answer = await answerer()?.({ kind: questions[path] });
      if (answer === undefined) return notReady(reply);
      const { good, because } = judge(path, answer);
      return reply.code(good ? 200 : 503).send({ because });
    });
  if (metrics !== null)
    server.get('/metrics', async (_request, reply) => {
      const answer = await answerer()?.({ kind: 'metrics' });
      const text = await metrics.render(answer?.kind === 'metrics' ? answer.samples : []);
      return reply.type(metrics.contentType).send(text);
    });
}

function judge(path: (typeof healthPaths)[number], answer: ApiAnswer): Judged {
  if (answer.kind === 'status') {
    const { status, message, leaseLeftMs } = answer;
    if (path === '/primary') return { good: status === 200 && (leaseLeftMs ?? 0) > 0, because: message };
    return { good: status === 303, because: status === 303 ? `${message} is primary` : message };
  }
  if (answer.kind !== 'health') return { good: false, because: 'not understood' };
  return { good: path === '/ready' ? answer.ready : answer.healthy, because: answer.because };
}
