/** One POST to a noded: between machines over TLS with a pre-shared key, on this machine over its socket. */
import type { IncomingMessage } from 'node:http';
import { request as plainRequest } from 'node:http';
import type { RequestOptions } from 'node:https';
import { request as tlsRequest } from 'node:https';
import { lookups } from '../lookup.ts';
import type { ApiKey } from '../secrets.ts';

/** Which of its keys the other side has to take: the key's name travels readably, and says nothing about the key. */
export const identityOf = (key: ApiKey): string => `nodekeeper ${key.name}`;
/** TLS 1.2: Node offers pre-shared keys there; with a Diffie-Hellman exchange, so that a stolen key opens no old record. */
export const tlsOptions = {
  ciphers: 'ECDHE-PSK-CHACHA20-POLY1305',
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2',
} as const;
const answerMax = 1024 * 1024;

/** A noded: another machine's, or this one's. */
export type Target = { readonly address: string; readonly key: ApiKey } | { readonly socket: string };

export type Reply =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: 'timeout' | 'refused' | 'failed'; readonly because: string };

/** One deadline over everything: name, connection, handshake, answer (API1). */
export function post(target: Target, path: string, words: unknown, deadlineMs: number): Promise<Reply> {
  const body = JSON.stringify(words);
  return new Promise((resolve) => {
    const deadline = AbortSignal.timeout(Math.max(1, Math.round(deadlineMs)));
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const common = { method: 'POST', path, headers, signal: deadline, agent: false };
    const onResponse = (response: IncomingMessage) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > answerMax) response.destroy(new Error(`the answer is larger than ${answerMax} bytes`));
        else chunks.push(chunk);
      });
      response.on('error', fail);
      response.on('end', () => resolve(replyOf(response.statusCode ?? 0, Buffer.concat(chunks).toString('utf8'))));
    };
    const fail = (error: Error & { code?: string }) => resolve(failureOf(error, deadline.aborted, deadlineMs));
    const request =
      'socket' in target
        ? plainRequest({ ...common, socketPath: target.socket }, onResponse)
        : tlsRequest(
            // @types/node leaves pskCallback out of https: node hands all options on to tls.connect
            {
              ...common,
              ...hostAndPort(target.address),
              lookup: lookups.for('peer'),
              ...tlsOptions,
              pskCallback: () => ({ psk: target.key.secret, identity: identityOf(target.key) }),
              checkServerIdentity: () => undefined, // the key itself is the identity
            } as RequestOptions,
            onResponse,
          );
    request.on('error', fail);
    request.end(body);
  });
}

function replyOf(status: number, text: string): Reply {
  try {
    const value: unknown = JSON.parse(text);
    if (status >= 200 && status < 300) return { ok: true, value };
  } catch {
    return { ok: false, code: 'failed', because: `status ${status}, not JSON: ${text.slice(0, 100)}` };
  }
  return { ok: false, code: 'failed', because: `status ${status}: ${text.slice(0, 160)}` };
}

function failureOf(error: Error & { code?: string }, isLate: boolean, deadlineMs: number): Reply {
  if (isLate) return { ok: false, code: 'timeout', because: `no answer within ${Math.round(deadlineMs)} ms` };
  if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT')
    return { ok: false, code: 'refused', because: 'nobody serves there' };
  if (error.code === 'EHOSTUNREACH' || error.code === 'ENETUNREACH')
    return { ok: false, code: 'timeout', because: 'no way there' };
  return { ok: false, code: 'failed', because: error.message };
}

function hostAndPort(address: string): { readonly host: string; readonly port: number } {
  const cut = address.lastIndexOf(':');
  return { host: address.slice(0, cut), port: Number(address.slice(cut + 1)) };
}
