/**
 * What each ZooKeeper server says of itself by the four-letter word `srvr`, which every server answers unless it was forbidden: for
 * a person who gets no session from any. (ZooKeeper Administrator's Guide, "The Four Letter Words".)
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { lookups } from '../lookup.ts';
import type { ZooKeeperTls } from './tls.ts';
import { tlsSocket } from './tls.ts';
import { contextOf } from './tls-files.ts';

export interface ServerWord {
  readonly server: string;
  /** `leader`, `follower`, `standalone`, ...; null: it serves nobody, since it has no quorum. */
  readonly mode: string | null;
  /** Requests that it has taken and not answered. */
  readonly outstanding: number | null;
  /** Why it said nothing of use; null: it did. */
  readonly trouble: string | null;
}

const answerMost = 64 * 1024;
/** The trouble of a server that does not answer in time. */
export const noAnswer = 'no answer';

/** One word for each server, in their order; never rejects. */
export function askServers(
  servers: readonly string[],
  withinMs: number,
  tls: ZooKeeperTls | null = null,
): Promise<ServerWord[]> {
  return Promise.all(servers.map((server) => askServer({ server, at: server, tls }, withinMs)));
}

/** One address of a server, which its certificate names otherwise. */
export interface ServerAt {
  readonly server: string;
  readonly at: string;
  readonly tls: ZooKeeperTls | null;
}

export async function askServer(one: ServerAt, withinMs: number): Promise<ServerWord> {
  return readSrvr(one.server, await ask(one, withinMs));
}

type Said = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly because: string };

async function ask(one: ServerAt, withinMs: number): Promise<Said> {
  const startMs = performance.now();
  try {
    const secureContext = one.tls === null ? null : await contextOf(one.tls, withinMs);
    const socket = socketTo(one, secureContext);
    return await said(
      socket,
      secureContext === null ? 'connect' : 'secureConnect',
      startMs + withinMs - performance.now(),
    );
  } catch (error) {
    return { ok: false, because: (error as Error).message }; // a certificate's file
  }
}

function socketTo({ server, at }: ServerAt, secureContext: SecureContext | null): Socket {
  const { host, port } = hostAndPort(at);
  if (secureContext === null) return connect({ host, port, lookup: lookups.for('zookeeper') });
  return tlsSocket({ host, port }, hostAndPort(server).host, secureContext);
}

function said(socket: Socket, connected: 'connect' | 'secureConnect', withinMs: number): Promise<Said> {
  return new Promise((resolve) => {
    let text = '';
    const end = (said: Said) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(said);
    };
    const timer = setTimeout(() => end({ ok: false, because: noAnswer }), withinMs);
    socket.setEncoding('utf8');
    socket.on(connected, () => socket.write('srvr'));
    socket.on('data', (part: string) => {
      text += part;
      if (text.length > answerMost) end({ ok: false, because: 'no ZooKeeper server' });
    });
    socket.on('end', () => end({ ok: true, text }));
    socket.on('error', ({ message }) => end({ ok: false, because: message }));
  });
}

function hostAndPort(server: string): { host: string; port: number } {
  const [, host = '', port = '2181'] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(server) ?? [];
  return { host, port: Number(port) };
}

/** Reads the answer to `srvr`. */
export function readSrvr(server: string, said: Said): ServerWord {
  const nothing = { server, mode: null, outstanding: null };
  if (!said.ok) return { ...nothing, trouble: said.because };
  if (said.text.includes('not currently serving requests')) return { ...nothing, trouble: null };
  const mode = /^Mode: (\w+)\s*$/m.exec(said.text)?.[1];
  if (mode === undefined)
    return {
      ...nothing,
      trouble: said.text.includes('whitelist') ? 'srvr is forbidden there' : 'it does not answer srvr',
    };
  const outstanding = /^Outstanding: (\d{1,12})\s*$/m.exec(said.text)?.[1];
  return { server, mode, outstanding: outstanding === undefined ? null : Number(outstanding), trouble: null };
}

/** What the words together mean, for who got a session from none of them; null: they say nothing. */
export function inOneSentence(words: readonly ServerWord[]): string | null {
  if (words.every(({ trouble }) => trouble !== null)) return null;
  const each = words.map(({ server, mode, outstanding, trouble }) => {
    if (trouble !== null) return `${server}: ${trouble}`;
    if (mode === null) return `${server} has no quorum`;
    return `${server} is ${mode}${outstanding === null || outstanding === 0 ? '' : ` (${outstanding} requests wait)`}`;
  });
  return `${each.join(', ')}; ${meaningOf(words)}`;
}

/** To restart a leader is said only of one that has taken requests and does not get on with them. */
function meaningOf(words: readonly ServerWord[]): string {
  const leader = words.find(({ mode }) => mode === 'leader');
  if (leader === undefined) return 'none of them gives a session';
  if ((leader.outstanding ?? 0) === 0) return `${leader.server} leads, and yet none of them gave a session: try again`;
  return `they agree on a leader and yet commit nothing: if it stays so, restart ${leader.server} (docs/FAILURES.md)`;
}
