import { judgeApiAddress, leadsToWhoeverAsks } from '../../src/core/api-address.ts';
import { judgeAddressee, judgeAnswerer } from '../../src/core/answerer.ts';
import { judgeAgreement } from '../../src/core/failsafe.ts';

describe('S1: who answers', () => {
  const asked = { node: 'node2', incarnation: 'a', nonce: 'n1' };
  const of = (change: object) =>
    judgeAnswerer({ self: 'node1', asked, answered: { node: 'node2', incarnation: 'a', nonce: 'n1', ...change } });

  it('an answer counts only of the node that was asked, in its known incarnation, to this question', () => {
    expect(of({}).verdict).toBe('theirs');
    expect(of({ node: 'node1' }).because).toBe('the API address of node2 leads back to node1 itself');
    expect(of({ node: 'node3' }).because).toBe('node3 answers at the API address of node2');
    expect(of({ nonce: 'n0' }).because).toMatch(/to another question/);
    expect(of({ incarnation: 'b' }).because).toBe('node2 answers in incarnation b; known is a');
    for (const change of [{ node: 'node1' }, { node: 'node3' }, { nonce: 'n0' }, { incarnation: 'b' }])
      expect(of(change).verdict).toBe('not-theirs');
  });

  it('a node answers for itself only, and never its own question', () => {
    expect(judgeAddressee({ self: 'node2', to: 'node2', from: 'node1' }).verdict).toBe('answer');
    expect(judgeAddressee({ self: 'node2', to: 'node2', from: null }).verdict).toBe('answer');
    expect(judgeAddressee({ self: 'node3', to: 'node2', from: 'node1' }).verdict).toBe('refuse');
    expect(judgeAddressee({ self: 'node1', to: 'node1', from: 'node1' }).verdict).toBe('refuse');
  });

  it('a node does not agree with itself, whatever it is asked', () => {
    const record = { holder: 'node1', incarnation: 'a', epoch: 3 };
    const asking = { node: 'node1', incarnation: 'a', epoch: 3 };
    const judged = judgeAgreement({ self: 'node1', sessionLive: false, known: record, asking });
    expect(judged).toMatchObject({ verdict: 'decline', because: 'node1 does not agree with itself' });
  });
});

describe('S1: where an API address leads', () => {
  const place = (name: string, apiAddress: string | null, machineId = `m-${name}`) => ({ name, machineId, apiAddress });

  it('one address of two nodes leads to one of them: refused by name, also in another spelling', () => {
    const all = [place('node2', 'HOST.example.:7480'), place('node3', 'other:7480')];
    expect(judgeApiAddress(place('node1', 'host.example:7480'), all)).toMatchObject({
      verdict: 'leads-elsewhere',
      because: 'node1 and node2 have the same API address host.example:7480: set api.address',
    });
    expect(judgeApiAddress(place('node1', 'host.example:7481'), all).verdict).toBe('own');
  });

  it('a loopback address is refused as soon as another machine is registered', () => {
    const own = place('node1', '127.0.0.1:7480');
    expect(judgeApiAddress(own, [own]).verdict).toBe('own');
    expect(judgeApiAddress(own, [place('node2', '127.0.0.1:7481', 'm-node1')]).verdict).toBe('own');
    expect(judgeApiAddress(own, [place('node2', 'b:7480')])).toMatchObject({
      verdict: 'leads-elsewhere',
      because: 'the API address 127.0.0.1:7480 of node1 leads node2 back to itself: set api.address',
    });
  });

  it('what leads to whoever asks is known in every spelling', () => {
    for (const host of [
      'localhost',
      'LOCALHOST.',
      'a.localhost',
      '127.0.0.1',
      '127.0.1.1',
      '0.0.0.0',
      '::1',
      '::',
      '0:0:0:0:0:0:0:1',
      '::ffff:127.0.0.1',
    ])
      expect([host, leadsToWhoeverAsks(host)]).toEqual([host, true]);
    for (const host of ['node1', 'localhost-a.example', '10.127.0.1', 'fe80::1', '2001:db8::1', '1270.example'])
      expect([host, leadsToWhoeverAsks(host)]).toEqual([host, false]);
  });
});
