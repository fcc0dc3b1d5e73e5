/**
 * Questions from noded to noded, beside the store. Promises (test/compliance/peer-api.test.ts):
 *   API1 `ask` ends within its deadline, whatever the other side does; it never throws;
 *   API2 `timeout` (no answer), `refused` (nobody serves there) and `failed` (it answered, but not with an answer) are told apart;
 *   API3 only who has the cluster key is answered, and only an answer of who has it is taken;
 *   API4 questions about this machine's own time (`lease`, `hold`) are answered on this machine only.
 */
import type { ApiAnswer, ApiQuestion } from '../records/api.ts';

export type Asked<Kind extends ApiQuestion['kind']> =
  | { readonly ok: true; readonly answer: Extract<ApiAnswer, { kind: Kind }>; readonly tookMs: number }
  | { readonly ok: false; readonly code: 'timeout' | 'refused' | 'failed'; readonly because: string };

export interface PeerApi {
  ask<Kind extends ApiQuestion['kind']>(
    address: string,
    question: Extract<ApiQuestion, { kind: Kind }>,
    deadlineMs: number,
  ): Promise<Asked<Kind>>;
  /** From now on questions are answered by `answer`, which never throws. */
  serve(answer: (question: ApiQuestion) => Promise<ApiAnswer>): void;
  close(): Promise<void>;
}
