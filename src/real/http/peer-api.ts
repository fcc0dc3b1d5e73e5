/**
 * Questions between nodeds: one POST /ask, JSON both ways. Between machines over TLS with a pre-shared key derived from the
 * cluster key (both sides prove it, nothing is readable on the way, no certificate to renew: API3); on this machine over a
 * socket that only root can open (API4).
 */
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { fastify } from 'fastify';
import type { Asked, PeerApi } from '../../environment/peer-api.ts';
import type { ApiAnswer } from '../../records/api.ts';
import { ApiQuestion } from '../../records/api.ts';
import type { RealMetrics } from '../metrics.ts';
import type { ApiKey } from '../secrets.ts';
import { askNoded } from './ask.ts';
import { serveDebug } from './debug.ts';
import { handshakeLimits, limitHandshakes } from './handshakes.ts';
import { serveObservation } from './observe.ts';
import { identityOf, tlsOptions } from './post.ts';
import { servePage } from './page.ts';
import { serveV1 } from './v1.ts';
import type { WebSettings } from './web.ts';
import { Web } from './web.ts';

export interface PeerApiSettings {
  /** As they are now: it asks with the first, and answers whoever has one of them. */
  readonly keys: () => readonly ApiKey[];
  /** Where peers are answered; null: nowhere. */
  readonly port: number | null;
  /** Where nodectl on this machine is answered; null: nowhere. */
  readonly socket: string | null;
  /** Whether this noded can be broken on purpose (debug.ts). */
  readonly debug?: boolean;
  /** Where programs and browsers are answered; null: nowhere. */
  readonly web?: WebSettings | null;
  readonly metrics?: RealMetrics;
  readonly onTrouble: (because: string) => void;
}

const bodyMax = 64 * 1024;
const localKinds: readonly ApiQuestion['kind'][] = ['lease', 'hold', 'release', 'once'];

type Answerer = (question: ApiQuestion) => Promise<ApiAnswer>;

export class HttpPeerApi implements PeerApi {
  private readonly settings: PeerApiSettings;
  private readonly servers: FastifyInstance[] = [];
  private readonly web: Web | null;
  private answer: Answerer | null = null;

  constructor(settings: PeerApiSettings) {
    this.settings = settings;
    this.web = settings.web == null ? null : new Web(settings.web);
  }

  ask<Kind extends ApiQuestion['kind']>(
    address: string,
    question: Extract<ApiQuestion, { kind: Kind }>,
    deadlineMs: number,
  ): Promise<Asked<Kind>> {
    const [key] = this.settings.keys();
    if (key === undefined) throw new Error('no key to ask with');
    return askNoded({ address, key }, question, deadlineMs);
  }

  /**
   * Opens the local socket; it is also what makes this the only noded of its configuration on this machine. Null: it is ours;
   * else who has it. Until `serve` every question is answered with "not ready".
   */
  async claim(): Promise<string | null> {
    const { socket } = this.settings;
    if (socket === null) return null;
    for (let tries = 0; tries < 2; tries += 1) {
      const server = this.server(fastify({ bodyLimit: bodyMax, forceCloseConnections: true }), true);
      try {
        mkdirSync(dirname(socket), { recursive: true, mode: 0o755 });
        await server.listen({ path: socket });
        chmodSync(socket, 0o600);
        return null;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') return this.withoutSocket(socket, error);
      }
      if (await isServed(socket)) return `another noded of this machine serves ${socket}`;
      try {
        rmSync(socket, { force: true }); // a former life's
      } catch (error) {
        return this.withoutSocket(socket, error);
      }
    }
    return `${socket} is opened by somebody else again and again`;
  }

  /** A read-only /run, a full disk: no reason to leave the cluster. That no second noded runs is seen by the name, too. */
  private withoutSocket(socket: string, error: unknown): null {
    this.settings.onTrouble(`${socket} could not be opened, so nodectl cannot ask the noded here: ${String(error)}`);
    return null;
  }

  serve(answer: Answerer): void {
    this.answer = answer;
    if (this.settings.port !== null) void this.listenToPeers(this.settings.port);
    void this.openWeb();
  }

  async close(): Promise<void> {
    await Promise.all([this.web?.close(), ...this.servers.map((server) => server.close())]);
  }

  private async listenToPeers(port: number): Promise<void> {
    try {
      const pskCallback = (_socket: unknown, who: string) =>
        this.settings.keys().find((key) => identityOf(key) === who)?.secret ?? null;
      const https = { ...tlsOptions, pskCallback };
      const made = fastify({
        bodyLimit: bodyMax,
        forceCloseConnections: true,
        connectionTimeout: 30_000,
        requestTimeout: 10_000,
        https,
      });
      limitHandshakes(made.server, handshakeLimits);
      await this.server(made, false).listen({ port, host: '::' });
    } catch (error) {
      this.settings.onTrouble(`peers are not answered on port ${port}: ${String(error)}`);
    }
  }

  /** The certificate's files have changed. */
  async renewCertificate(): Promise<void> {
    const trouble = await this.web?.renewCertificate();
    if (trouble != null) this.settings.onTrouble(trouble);
  }

  private async openWeb(): Promise<void> {
    const trouble = await this.web?.open((server) => {
      this.show(server);
      this.showPage(server);
    });
    if (trouble != null) this.settings.onTrouble(trouble);
  }

  /** Programs are answered without it, too. */
  private showPage(server: FastifyInstance): void {
    try {
      servePage(server);
    } catch (error) {
      this.settings.onTrouble(`the page for people is not served: ${String(error)}`);
    }
  }

  /** What is the same for people and programs, on this machine and from elsewhere. */
  private show(server: FastifyInstance): void {
    serveV1(server, () => this.answer);
    serveObservation(server, () => this.answer, this.settings.metrics ?? null);
  }

  private server(server: FastifyInstance, isLocal: boolean): FastifyInstance {
    this.servers.push(server);
    if (isLocal) this.show(server);
    if (isLocal && this.settings.debug === true) serveDebug(server);
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
