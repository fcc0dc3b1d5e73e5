/** The promises of environment/peer-api.ts on both sides of the seam. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PeerApi } from '../../src/environment/peer-api.ts';
import { askNoded } from '../../src/real/http/ask.ts';
import { HttpPeerApi } from '../../src/real/http/peer-api.ts';
import type { ApiAnswer, ApiQuestion } from '../../src/records/api.ts';
import { VirtualTime } from '../../src/sim/clock.ts';
import type { SimEndpoint } from '../../src/sim/peer-api.ts';
import { SimPeerApi } from '../../src/sim/peer-api.ts';
import { SimProcess } from '../../src/sim/process.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { apiKeys } from '../support/keys.ts';
import { settleIn } from '../support/virtual.ts';

const dir = mkdtempSync(join(tmpdir(), 'nk-api-'));
const open: { close: () => unknown }[] = [];
afterAll(async () => {
  for (const one of open) await one.close();
  rmSync(dir, { recursive: true, force: true });
});

/** Agrees with everybody; says nothing to "debug". */
const answer = (question: ApiQuestion): Promise<ApiAnswer> =>
  question.kind === 'agree'
    ? Promise.resolve({
        kind: 'agree',
        ...{ node: question.to, incarnation: 'y', nonce: question.nonce },
        agrees: true,
        because: `${question.from} may go on`,
      })
    : question.kind === 'debug'
      ? new Promise(() => undefined)
      : Promise.resolve({ kind: 'leave-election', left: true, because: 'left' });

interface PeersUnderTest {
  readonly asker: PeerApi;
  /** Where `answer` serves, where nobody does, and where packets vanish. */
  readonly served: string;
  readonly unserved: string;
  readonly silent: string;
  settle<T>(work: Promise<T>): Promise<T>;
  nowMs(): number;
}

function listening(): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer(() => undefined);
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}
const portOf = (server: Server) => (server.address() as AddressInfo).port;

async function freePort(): Promise<number> {
  const server = await listening();
  const port = portOf(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function real(): Promise<PeersUnderTest & { readonly asker: HttpPeerApi; readonly socket: string }> {
  const port = await freePort();
  const server = new HttpPeerApi({
    keys: apiKeys(7),
    port,
    socket: join(dir, `noded${port}.sock`),
    onTrouble: (because) => {
      throw new Error(because);
    },
  });
  expect(await server.claim()).toBeNull();
  server.serve(answer);
  const mute = await listening(); // takes connections and never says a word
  open.push(server, mute);
  await new Promise((resolve) => setTimeout(resolve, 300));
  return {
    asker: new HttpPeerApi({ keys: apiKeys(7), port: null, socket: null, onTrouble: () => undefined }),
    socket: join(dir, `noded${port}.sock`),
    served: `127.0.0.1:${port}`,
    unserved: `127.0.0.1:${await freePort()}`,
    silent: `127.0.0.1:${portOf(mute)}`,
    settle: (work) => work,
    nowMs: () => performance.now(),
  };
}

function simulated(): Promise<PeersUnderTest> {
  const time = new VirtualTime();
  const endpoints = new Map<string, SimEndpoint>();
  const make = (self: string) =>
    new SimPeerApi({
      process: new SimProcess(time),
      random: new SeededRandom(2),
      self,
      endpoints,
      reaches: (to) => to !== 'silent',
    });
  make('served').serve(answer);
  return Promise.resolve({
    asker: make('asker'),
    served: 'served:1',
    unserved: 'unserved:1',
    silent: 'silent:1',
    settle: settleIn(time),
    nowMs: () => time.nowMs,
  });
}

describe.each([
  ['real', real],
  ['simulated', simulated],
] as const)("the peer API's promises: %s", (_side, setUp) => {
  let under: PeersUnderTest;
  beforeAll(async () => {
    under = await setUp();
  });
  const question = {
    kind: 'agree',
    to: 'node2',
    from: 'node1',
    incarnation: 'x',
    epoch: 3,
    nonce: '0123456789',
  } as const;

  it('a question is answered', async () => {
    expect(await under.settle(under.asker.ask(under.served, question, 2000))).toMatchObject({
      ok: true,
      answer: { kind: 'agree', agrees: true, because: 'node1 may go on' },
    });
  });

  it('API2: nobody there is refused, silence is timeout', async () => {
    expect(await under.settle(under.asker.ask(under.unserved, question, 500))).toMatchObject({
      ok: false,
      code: 'refused',
    });
    expect(await under.settle(under.asker.ask(under.silent, question, 300))).toMatchObject({
      ok: false,
      code: 'timeout',
    });
  });

  it('API1: it ends within its deadline, also when the other side only listens', async () => {
    for (const ask of [
      () => under.asker.ask(under.silent, question, 400),
      () => under.asker.ask<'debug'>(under.served, { kind: 'debug' }, 400),
    ]) {
      const startMs = under.nowMs();
      expect(await under.settle<{ ok: boolean }>(ask())).toMatchObject({ ok: false, code: 'timeout' });
      expect(under.nowMs() - startMs).toBeLessThan(900);
    }
  });

  it('API4: questions about the time of a machine are not answered to another', async () => {
    const asked = await under.settle(under.asker.ask<'lease'>(under.served, { kind: 'lease', forMs: 0 }, 1000));
    expect(asked).toMatchObject({ ok: false, code: 'failed' });
  });
});

describe('the real one', () => {
  it('API3: another key gets no answer, and takes none', async () => {
    const { served } = await real();
    const stranger = new HttpPeerApi({
      keys: apiKeys(8),
      port: null,
      socket: null,
      onTrouble: () => undefined,
    });
    expect(await stranger.ask<'leave-election'>(served, { kind: 'leave-election' }, 1000)).toMatchObject({
      ok: false,
      code: 'failed',
    });
  });

  it('API3: while the key is being changed, each of the two is taken, and the first is asked with', async () => {
    const port = await freePort();
    const socket = join(dir, `noded${port}.sock`);
    let keys = apiKeys(7, 8)();
    const server = new HttpPeerApi({ keys: () => keys, port, socket, onTrouble: () => undefined });
    open.push(server);
    expect(await server.claim()).toBeNull();
    server.serve(answer);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const asked = (...bytes: number[]) =>
      new HttpPeerApi({
        keys: apiKeys(...bytes),
        port: null,
        socket: null,
        onTrouble: () => undefined,
      }).ask<'leave-election'>(`127.0.0.1:${port}`, { kind: 'leave-election' }, 1000);
    for (const [first, second] of [
      [7, 8],
      [8, 7],
    ] as const)
      expect(await asked(first, second)).toMatchObject({ ok: true });
    expect(await asked(9, 7)).toMatchObject({ ok: false });
    keys = apiKeys(8)(); // the old one is forgotten, while it listens
    expect(await asked(7)).toMatchObject({ ok: false });
    expect(await asked(8)).toMatchObject({ ok: true });
  });

  it('API3: plain HTTP, garbage and oversized questions are not answered and end nothing', async () => {
    const { served, asker } = await real();
    await expect(fetch(`http://${served}/ask`, { method: 'POST', body: '{}' })).rejects.toThrow();
    const own = { to: 'n', from: 'm', nonce: '0123456789' };
    const huge = { kind: 'agree', ...own, incarnation: 'x'.repeat(200_000), epoch: 1 } as const;
    expect(await asker.ask<'agree'>(served, huge, 2000)).toMatchObject({ ok: false, code: 'failed' });
    const odd = { kind: 'no-such-question' } as unknown as { kind: 'status' };
    expect(await asker.ask<'status'>(served, odd, 2000)).toMatchObject({ ok: false, code: 'failed' });
    expect((await asker.ask<'leave-election'>(served, { kind: 'leave-election' }, 2000)).ok).toBe(true);
  });

  it('API4: the socket is for root only, and answers what belongs to this machine', async () => {
    const { socket } = await real();
    expect(statSync(socket).mode & 0o077).toBe(0);
    expect(await askNoded<'leave-election'>({ socket }, { kind: 'leave-election' }, 1000)).toMatchObject({
      ok: true,
    });
    expect(await askNoded<'status'>({ socket: join(dir, 'nothing.sock') }, { kind: 'status' }, 1000)).toMatchObject({
      ok: false,
      code: 'refused',
    });
  });

  it('API4: the socket makes it the only one on its machine, until it is gone', async () => {
    const socket = join(dir, 'only.sock');
    const make = () => new HttpPeerApi({ keys: apiKeys(7), port: null, socket, onTrouble: () => undefined });
    const first = make();
    expect(await first.claim()).toBeNull();
    expect(await make().claim()).toMatch(/another noded of this machine serves/);
    await first.close();
    writeFileSync(socket, ''); // what a killed one leaves behind
    const next = make();
    expect(await next.claim()).toBeNull();
    await next.close();
  });
});
