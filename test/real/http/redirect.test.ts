/** A TCP redirect that has no key, and a name that resolves to loopback, on the real port: the wrong node answers, and it does not count. */
import type { AddressInfo, Server } from 'node:net';
import { connect, createServer } from 'node:net';
import { askAboutStore, askToAgree } from '../../../src/agent/ask-by-name.ts';
import type { Context } from '../../../src/agent/context.ts';
import { judgeAddressee } from '../../../src/core/answerer.ts';
import { HttpPeerApi } from '../../../src/real/http/peer-api.ts';
import type { ApiAnswer, ApiQuestion } from '../../../src/records/api.ts';
import { apiKeys } from '../../support/keys.ts';

const open: { close: () => unknown }[] = [];
afterAll(async () => {
  for (const one of open) await one.close();
});

function listen(server: Server): Promise<number> {
  open.push(server);
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)));
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Agrees with whoever asks, in its own name; `obeys` false: it does not look whom the question is for. */
function answersAs(self: string, obeys: boolean): (question: ApiQuestion) => Promise<ApiAnswer> {
  return (question) => {
    if (question.kind !== 'agree' && question.kind !== 'quorum') return Promise.reject(new Error(question.kind));
    const { to, from, nonce } = question;
    const refusal = obeys && judgeAddressee({ self, to, from }).verdict === 'refuse' ? `${self} refuses` : null;
    const signed = { node: self, incarnation: `life of ${self}`, nonce };
    return Promise.resolve(
      question.kind === 'agree'
        ? { kind: 'agree', ...signed, agrees: refusal === null, because: refusal ?? `${self} agrees` }
        : {
            kind: 'quorum',
            ...signed,
            storeLive: false,
            refusal,
            witness: null,
            witnessSequence: null,
            restores: 0,
            waitsAfterRestore: false,
            restoreAgeMs: null,
            isRecalling: false,
            lives: [],
            nodesBefore: { coordinators: [], hypervisors: [] },
            epochSeen: 0,
            epochHolder: null,
          },
    );
  };
}

async function noded(self: string, obeys: boolean): Promise<{ readonly context: Context; readonly port: number }> {
  const port = await freePort();
  const peerApi = new HttpPeerApi({
    keys: apiKeys(7),
    port,
    socket: null,
    onTrouble: (because) => {
      throw new Error(because);
    },
  });
  open.push(peerApi);
  peerApi.serve(answersAs(self, obeys));
  let ids = 0;
  const random = { id: () => `nonce-of-${self}-${(ids += 1)}` };
  const identity = { name: self, incarnation: `life of ${self}` };
  const board = { setBackAtMs: null };
  return { context: { env: { peerApi, random }, self: identity, board } as unknown as Context, port };
}

/** Hands every byte on, and knows no key. */
const redirect = (port: number): Promise<number> =>
  listen(
    createServer((from) => {
      const to = connect(port, '127.0.0.1');
      for (const [one, other] of [
        [from, to],
        [to, from],
      ] as const) {
        one.on('error', () => other.destroy());
        one.pipe(other);
      }
    }),
  );

it.each([
  ['every node looks whom a question is for', true],
  ['the wrong node agrees all the same', false],
])(
  'S1: an agreement counts only of the node that was asked: %s',
  async (_what, obeys) => {
    const [node1, node2, node3] = await Promise.all([
      noded('node1', obeys),
      noded('node2', obeys),
      noded('node3', obeys),
    ]);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const ask = (port: number, incarnation = 'life of node2') =>
      askToAgree(node1.context, { name: 'node2', apiAddress: `localhost:${port}` }, { incarnation, epoch: 1 }, 3000);
    expect(await ask(node2.port)).toMatchObject({ ok: true, answer: { agrees: true, node: 'node2' } });
    expect(await ask(await redirect(node2.port))).toMatchObject({ ok: true, answer: { agrees: true, node: 'node2' } });
    expect(await ask(await redirect(node3.port))).toEqual({
      ok: false,
      because: 'node3 answers at the API address of node2',
    });
    expect(await ask(node1.port)).toEqual({
      ok: false,
      because: 'the API address of node2 leads back to node1 itself',
    });
    expect(await ask(node2.port, 'an older life')).toMatchObject({ ok: false });
    const store = await askAboutStore(node1.context, { name: 'node2', apiAddress: `localhost:${node3.port}` }, 3000);
    expect(store).toEqual({ ok: false, because: 'node3 answers at the API address of node2' });
  },
  30_000,
);
