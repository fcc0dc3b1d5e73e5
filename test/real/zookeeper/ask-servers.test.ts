/** What real ZooKeeper servers say of themselves, and what strangers say instead. */
import fc from 'fast-check';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { askServers, inOneSentence, readSrvr } from '../../../src/real/zookeeper/ask-servers.ts';
import { ZooKeeperServers, until } from '../../support/zookeeper.ts';

describe('a real ensemble', () => {
  let zookeeper: ZooKeeperServers;
  beforeAll(async () => {
    zookeeper = await ZooKeeperServers.start({ servers: 3 });
    await zookeeper.ready();
  });
  afterAll(() => zookeeper.stop());

  it('says who leads; a frozen server does not answer; without a quorum it serves nobody', async () => {
    const leader = await zookeeper.leader();
    const modes = async () =>
      (await askServers(zookeeper.addresses(), 1000)).map(({ mode, trouble }) => trouble ?? mode);
    const wanted = [0, 1, 2].map((index) => (index === leader ? 'leader' : 'follower'));
    expect(await modes()).toEqual(wanted);
    const words = await askServers(zookeeper.addresses(), 1000);
    const waiting = words.map((word) => ({ ...word, outstanding: 0 }));
    expect(inOneSentence(waiting)).toContain(`${zookeeper.addresses()[leader] ?? ''} leads, and yet none of them gave`);
    const hangs = words.map((word) => ({ ...word, outstanding: 1223 }));
    expect(inOneSentence(hangs)).toContain(
      `commit nothing: if it stays so, restart ${zookeeper.addresses()[leader] ?? ''}`,
    );
    const [frozen = 0, killed = 0] = [0, 1, 2].filter((index) => index !== leader);
    await zookeeper.freeze(frozen);
    await until('the frozen one does not answer', 5000, async () => (await modes())[frozen] === 'no answer');
    zookeeper.kill(killed);
    const left = async () => (await askServers(zookeeper.addresses(), 1000))[leader];
    await until('the leader has stepped down', 20_000, async () => {
      const word = await left();
      return word?.trouble === null && word.mode === null;
    });
    const sentence = inOneSentence(await askServers(zookeeper.addresses(), 1000));
    expect(sentence).toContain(`${zookeeper.addresses()[leader] ?? ''} has no quorum`);
    expect(sentence).toMatch(/ECONNREFUSED.*; none of them gives a session$/);
  });
});

describe('strangers', () => {
  const answering = async (text: string, check: (server: string) => Promise<void>) => {
    const server = createServer((socket) => socket.on('error', () => undefined).end(text));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      await check(`127.0.0.1:${(server.address() as AddressInfo).port}`);
    } finally {
      server.close();
    }
  };

  it.each([
    ['HTTP/1.1 400 Bad Request\r\n\r\n', 'it does not answer srvr'],
    ['srvr is not executed because it is not in the whitelist.\n', 'srvr is forbidden there'],
    ['', 'it does not answer srvr'],
    ['x'.repeat(200_000), 'no ZooKeeper server'],
  ])('%#: a useless answer', async (text, trouble) => {
    await answering(text, async (server) => {
      const words = await askServers([server], 1000);
      expect(words).toEqual([{ server, mode: null, outstanding: null, trouble }]);
      expect(inOneSentence(words)).toBeNull();
    });
  });

  it('nobody there, and no such host', async () => {
    const words = await askServers(['127.0.0.1:1', 'no-such-host.invalid:2181'], 2000);
    expect(words.map(({ mode }) => mode)).toEqual([null, null]);
    expect(words[0]?.trouble).toMatch(/ECONNREFUSED/);
    expect(words[1]?.trouble).toMatch(/ENOTFOUND|EAI_AGAIN|no answer/);
    expect(inOneSentence(words)).toBeNull();
  });

  it('any text is read or refused, never more', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(), (text, waiting) => {
        expect(readSrvr('a', { ok: true, text }).server).toBe('a');
        const well = `${text.replace(/^(Mode|Outstanding):/gm, '')}\nOutstanding: ${waiting}\nMode: follower\n`;
        if (!well.includes('not currently serving'))
          expect(readSrvr('a', { ok: true, text: well }).outstanding).toBe(waiting);
      }),
    );
  });
});
