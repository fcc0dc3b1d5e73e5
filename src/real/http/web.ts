/**
 * The listener for programs, load balancers, Prometheus and browsers: TLS by the operator's certificate, a token for all but
 * the health endpoints and the empty page, and limits on everything, so that whatever comes in leaves the keepalive on time (S8).
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Server } from 'node:https';
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { fastify } from 'fastify';
import { privateFile, readInBackground, webKey } from '../guarded-file.ts';
import { handshakeLimits, limitHandshakes } from './handshakes.ts';
import { healthPaths } from './observe.ts';
import { pagePaths } from './page.ts';

export interface Tokens {
  /** Who has it may look. */
  readonly readToken: string;
  /** Who has it may also change things. */
  readonly operateToken: string;
}

export interface WebSettings {
  readonly address: string;
  readonly port: number;
  /** Null: plain HTTP, for this machine only. */
  readonly tls: { readonly certificateFile: string; readonly keyFile: string } | null;
  /** As they are now: of each cluster key that is held. */
  readonly tokens: () => readonly Tokens[];
  readonly openMetrics: boolean;
  readonly requestsPerSecond: number;
}

const limits = {
  bodyLimit: 64 * 1024,
  connectionTimeout: 10_000,
  requestTimeout: 5000,
  keepAliveTimeout: 5000,
  forceCloseConnections: true,
} as const;
const connectionsMax = 200;

export class Web {
  private readonly settings: WebSettings;
  private server: FastifyInstance | null = null;

  constructor(settings: WebSettings) {
    this.settings = settings;
  }

  /** Null: it listens; else why not. `routes` adds what is served. */
  async open(routes: (server: FastifyInstance) => void): Promise<string | null> {
    const { address, port, tls, requestsPerSecond } = this.settings;
    try {
      const https = tls === null ? {} : { https: await certificate(tls) };
      const server = fastify({ ...limits, ...https }) as FastifyInstance;
      this.server = server;
      server.server.maxConnections = connectionsMax;
      if (tls !== null) limitHandshakes(server.server, handshakeLimits);
      await server.register(rateLimit, { max: requestsPerSecond, timeWindow: 1000 });
      // After the limit on requests (so that guessing tokens is limited, too), before a body is read.
      server.addHook('preParsing', async (request, reply) => this.admit(request, reply));
      const limited = { preHandler: server.rateLimit() };
      server.setNotFoundHandler(limited, (_request, reply) =>
        reply.code(404).send({ because: 'there is nothing here' }),
      );
      routes(server);
      await server.listen({ host: address, port });
      return null;
    } catch (error) {
      return `programs and browsers are not answered at ${address} port ${port}: ${(error as Error).message}`;
    }
  }

  /** After the files have changed. Null: taken up; else why not, and the old one stays. */
  async renewCertificate(): Promise<string | null> {
    const { tls } = this.settings;
    if (tls === null || this.server === null) return null;
    try {
      (this.server.server as unknown as Server).setSecureContext(await certificate(tls));
      return null;
    } catch (error) {
      return `the certificate of the web listener stays the old one: ${(error as Error).message}`;
    }
  }

  async close(): Promise<void> {
    await this.server?.close();
  }

  private async admit(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (request.is404) return; // what is not there needs no token, and tells nothing about one
    const path = request.url.split('?')[0] ?? '';
    if (([...healthPaths, ...pagePaths] as readonly string[]).includes(path)) return;
    if (path === '/metrics' && this.settings.openMetrics) return;
    const given = /^Bearer (\S{1,200})$/.exec(request.headers.authorization ?? '')?.[1];
    const isOneOf = (kind: keyof Tokens) =>
      given !== undefined && this.settings.tokens().some((tokens) => isSame(given, tokens[kind]));
    if (isOneOf('operateToken')) return;
    if (!isOneOf('readToken')) {
      const because =
        given === undefined ? 'a token is needed: nodectl token' : 'this token is not one of this cluster';
      await reply.code(401).header('www-authenticate', 'Bearer realm="nodekeeper"').send({ because });
      return;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD')
      await reply
        .code(403)
        .send({ because: 'this token is for looking only; changes need that of: nodectl token operate' });
  }
}

async function certificate({ certificateFile, keyFile }: NonNullable<WebSettings['tls']>) {
  const key = await readInBackground(privateFile(keyFile, webKey));
  if (!key.ok) throw new Error(key.message);
  const cert = await readInBackground({
    file: certificateFile,
    what: "the web listener's certificate",
    forbidden: null,
  });
  if (!cert.ok) throw new Error(cert.message);
  return { cert: cert.value, key: key.value };
}

/** In a time that tells nothing about the token. */
function isSame(given: string, token: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}
