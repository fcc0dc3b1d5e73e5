/**
 * Questions between nodeds: one POST /ask, JSON both ways. Between machines over TLS with a pre-shared key derived from the
 * cluster key (both sides prove it, nothing is readable on the way, no certificate to renew: API3); on this machine over a
 * socket that only root can open (API4).
 */
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request as plainRequest } from 'node:http';
import type { RequestOptions } from 'node:https';
import { request as tlsRequest } from 'node:https';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { fastify } from 'fastify';
import type { Asked, PeerApi } from '../../environment/peer-api.ts';
import { ApiAnswer, ApiQuestion } from '../../records/api.ts';
import { serveV1 } from './v1.ts';

export interface PeerApiSettings {
  /** 32 bytes, derived from the cluster key for this purpose. */
  readonly key: Buffer;
  /** Where peers are answered; null: nowhere. */
  readonly port: number | null;
  /** Where nodectl on this machine is answered; null: nowhere. */
  readonly socket: string | null;
  readonly onTrouble: (because: string) => void;
}

const identity = 'nodekeeper';
/** TLS 1.2: Node offers pre-shared keys there; with a Diffie-Hellman exchange, so that a stolen key opens no old record. */
const tlsOptions = { ciphers: 'ECDHE-PSK-CHACHA20-POLY1305', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;
const bodyMax = 64 * 1024;
const answerMax = 1024 * 1024;
const localKinds: readonly ApiQuestion['kind'][] = ['lease', 'hold', 'release'];

type Answerer = (question: ApiQuestion) => Promise<ApiAnswer>;

export class HttpPeerApi implements PeerApi {
  private readonly settings: PeerApiSettings;
  private readonly servers: FastifyInstance[] = [];
  private answer: Answerer | null = null;

  constructor(settings: PeerApiSettings) {
    this.settings = settings;
  }

  ask<Kind extends ApiQuestion['kind']>(
    address: string,
    question: Extract<ApiQuestion, { kind: Kind }>,
    deadlineMs: number,
  ): Promise<Asked<Kind>> {
    const { key } = this.settings;
    return ask({ address, key }, question, deadlineMs);
  }

  /** Asks the noded of this machine. */
  askLocal<Kind extends ApiQuestion['kind']>(
    socket: string,
    question: Extract<ApiQuestion, { kind: Kind }>,
    deadlineMs: number,
  ): Promise<Asked<Kind>> {
    return ask({ socket }, question, deadlineMs);
  }

  /**
   * Opens the local socket; it is also what makes this the only noded of its configuration on this machine. Null: it is ours;
   * else who has it. Until `serve` every question is answered with "not ready".
   */
  async claim(): Promise<string | null> {
    const { socket } = this.settings;
    if (socket === null) return null;
    mkdirSync(dirname(socket), { recursive: true, mode: 0o755 });
    for (let tries = 0; tries < 2; tries += 1) {
      const server = this.server(fastify({ bodyLimit: bodyMax, forceCloseConnections: true }), true);
      try {
        await server.listen({ path: socket });
        chmodSync(socket, 0o600);
        return null;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE')
          return `${socket} could not be opened: ${String(error)}`;
      }
      if (await isServed(socket)) return `another noded of this machine serves ${socket}`;
      rmSync(socket, { force: true }); // a former life's
    }
    return `${socket} could not be opened`;
  }

  serve(answer: Answerer): void {
    this.answer = answer;
    if (this.settings.port !== null) void this.listenToPeers(this.settings.port);
  }

  async close(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.close()));
  }

  private async listenToPeers(port: number): Promise<void> {
    try {
      const { key } = this.settings;
      const https = { ...tlsOptions, pskCallback: (_socket: unknown, who: string) => (who === identity ? key : null) };
      const made = fastify({
        bodyLimit: bodyMax,
        forceCloseConnections: true,
        connectionTimeout: 30_000,
        requestTimeout: 10_000,
        https,
      });
      await this.server(made, false).listen({ port, host: '::' });
    } catch (error) {
      this.settings.onTrouble(`peers are not answered on port ${port}: ${String(error)}`);
    }
  }

  private server(server: FastifyInstance, isLocal: boolean): FastifyInstance {
    this.servers.push(server);
    serveV1(server, () => this.answer);
    server.post('/ask', async (request, reply) => {
      const question = ApiQuestion.safeParse(request.body);
      if (!question.success) return reply.code(400).send({ because: 'not a question' });
      if (this.answer === null) return reply.code(503).send({ because: 'not ready' });
      if (!isLocal && localKinds.includes(question.data.kind))
        return reply.code(403).send({ because: 'answered on its own machine only' });
      return this.answer(question.data);
    });
    return server;
  }
}

/** Whether anybody listens there; a frozen process does. */
function isServed(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.once('connect', () => {
      connection.destroy();
      resolve(true);
    });
    connection.once('error', () => resolve(false));
  });
}

type Target = { readonly address: string; readonly key: Buffer } | { readonly socket: string };

async function ask<Kind extends ApiQuestion['kind']>(
  target: Target,
  question: Extract<ApiQuestion, { kind: Kind }>,
  deadlineMs: number,
): Promise<Asked<Kind>> {
  const startMs = performance.now();
  const reply = await post(target, JSON.stringify(question), deadlineMs);
  if (!reply.ok) return reply;
  const parsed = ApiAnswer.safeParse(reply.value);
  if (!parsed.success || parsed.data.kind !== question.kind)
    return { ok: false, code: 'failed', because: `it answered ${JSON.stringify(reply.value).slice(0, 160)}` };
  return { ok: true, answer: parsed.data as Extract<ApiAnswer, { kind: Kind }>, tookMs: performance.now() - startMs };
}

type Reply =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: 'timeout' | 'refused' | 'failed'; readonly because: string };

/** API1: one deadline over everything: name, connection, handshake, answer. */
function post(target: Target, body: string, deadlineMs: number): Promise<Reply> {
  return new Promise((resolve) => {
    const deadline = AbortSignal.timeout(Math.max(1, Math.round(deadlineMs)));
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const common = { method: 'POST', path: '/ask', headers, signal: deadline, agent: false };
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
              ...tlsOptions,
              pskCallback: () => ({ psk: target.key, identity }),
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
    if (status === 200) return { ok: true, value };
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
