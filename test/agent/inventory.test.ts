import { inventory } from '../../src/agent/inventory.ts';

it('counts every list, map and set by its field, goes round circles once, and shows no value (S10)', () => {
  class Loop {
    readonly seen = new Map([['secret', 'secret']]);
    readonly empty = new Set();
    readonly names = ['secret', 'secret'];
    readonly inner = { told: new Set(['secret', 'other', 'third']), deep: { held: [1] } };
    readonly self = this;
    readonly context = { config: ['not', 'counted'] };
    readonly nothing = null;
  }
  const found = inventory({ loop: new Loop(), away: null });
  expect(found).toEqual({ 'loop.seen': 1, 'loop.names': 2, 'loop.inner.told': 3, 'loop.inner.deep.held': 1 });
  expect(JSON.stringify(found)).not.toContain('secret');
});
