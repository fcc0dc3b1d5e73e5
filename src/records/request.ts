/**
 * `requests/<sequential>`: what an operator asks for. Ephemeral in nodectl's own session: a request whose requester has
 * gone away is gone too, and can never be carried out late (S6).
 */
import * as z from 'zod';
import { nodeNamePattern } from '../core/node.ts';

/** Each verifier of `node` (null: of any) verifies again that it can fence it, and marks its row with the request's name. */
export const VerifyRequest = z.object({
  schema: z.literal(1),
  kind: z.literal('verify'),
  node: z.string().regex(nodeNamePattern).nullable(),
  /** Every coordinator verifies it, whether that is its task or not. */
  everywhere: z.boolean().default(false),
  by: z.string().max(200),
});
export type VerifyRequest = z.output<typeof VerifyRequest>;

export const FenceRequest = z.object({
  schema: z.literal(1),
  kind: z.literal('fence'),
  node: z.string().regex(nodeNamePattern),
  action: z.enum(['off', 'reboot']),
  by: z.string().max(200),
  reason: z.string().max(500),
  /** The node's devices are used although they seem to be another machine's: `reason` says why that is right. */
  deviceIsRight: z.boolean().default(false),
  /** Written by the coordinator that may not carry it out. */
  refusal: z.object({ by: z.string(), guard: z.string(), because: z.string() }).nullable(),
});
export type FenceRequest = z.output<typeof FenceRequest>;

/** An operator's word that `node` is off: a coordinator records it instead of a power reading (level `manual`). */
export const ConfirmRequest = z.object({
  schema: z.literal(1),
  kind: z.literal('confirm'),
  node: z.string().regex(nodeNamePattern),
  by: z.string().max(200),
  reason: z.string().max(500),
  /** Given although a device says that power is on: the device is known to be wrong. */
  despiteReading: z.boolean(),
  /** The life that published last when it was said; null: none, or nodectl was of an older version. Of a later life it says nothing. */
  incarnation: z.string().max(120).nullable().default(null),
  refusal: FenceRequest.shape.refusal,
});
export type ConfirmRequest = z.output<typeof ConfirmRequest>;

export const OperatorRequest = z.discriminatedUnion('kind', [FenceRequest, ConfirmRequest, VerifyRequest]);
export type OperatorRequest = z.output<typeof OperatorRequest>;
