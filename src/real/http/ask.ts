/** A question to a noded, and only an answer to it (API1, API2): what peers and nodectl share. */
import type { Asked } from '../../environment/peer-api.ts';
import type { ApiQuestion } from '../../records/api.ts';
import { ApiAnswer } from '../../records/api.ts';
import type { Target } from './post.ts';
import { post } from './post.ts';

export async function askNoded<Kind extends ApiQuestion['kind']>(
  target: Target,
  question: Extract<ApiQuestion, { kind: Kind }>,
  deadlineMs: number,
): Promise<Asked<Kind>> {
  const startMs = performance.now();
  const reply = await post(target, '/ask', question, deadlineMs);
  if (!reply.ok) return reply;
  const parsed = ApiAnswer.safeParse(reply.value);
  if (!parsed.success || parsed.data.kind !== question.kind)
    return { ok: false, code: 'failed', because: `it answered ${JSON.stringify(reply.value).slice(0, 160)}` };
  return { ok: true, answer: parsed.data as Extract<ApiAnswer, { kind: Kind }>, tookMs: performance.now() - startMs };
}
