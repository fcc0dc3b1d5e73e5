/** The promises of environment/store.ts, as tests that both implementations must pass. */
import type { SessionView, Store } from '../../src/environment/store.ts';

export interface StoreUnderTest {
  /** A new client of the same store. */
  open(): Promise<Store>;
  /** Lets `ms` pass (really, or virtually). */
  pass(ms: number): Promise<void>;
  /** Makes the store unreachable, or reachable again, for all clients. */
  reachable(reachable: boolean): Promise<void>;
  /** Runs a promise to its end while time passes. */
  settle<T>(work: Promise<T>): Promise<T>;
  /** The environment's monotonic clock. */
  nowMs(): number;
  readonly sessionTimeoutMs: number;
  readonly requestTimeoutMs: number;
}

export function storeCompliance(name: string, setUp: () => Promise<StoreUnderTest>): void {
  describe(`the store's promises: ${name}`, () => {
    let under: StoreUnderTest;
    let store: Store;
    beforeAll(async () => {
      under = await setUp();
    });
    beforeEach(async () => {
      store = await under.open();
    });
    afterEach(async () => {
      await under.settle(store.close(500));
    });
    const done = <T>(work: Promise<T>) => under.settle(work);
    let made = 0;
    const fresh = async (text = 'a'): Promise<string> => {
      made += 1;
      const path = `/t${made}-${name.replace(/\W/g, '')}`;
      expect(await done(store.create(path, text, 'persistent'))).toMatchObject({ ok: true });
      return path;
    };

    it('STORE1: a write with an old version is refused, also with version 0', async () => {
      const path = await fresh();
      expect(await done(store.write(path, 'b', 0))).toEqual({ ok: true, version: 1 });
      expect(await done(store.write(path, 'c', 0))).toMatchObject({ ok: false, code: 'bad-version' });
      expect(await done(store.remove(path, 0))).toMatchObject({ ok: false, code: 'bad-version' });
      expect(await done(store.commit([{ kind: 'write', path, text: 'd', version: 0 }]))).toMatchObject({
        ok: false,
        code: 'bad-version',
      });
      expect(await done(store.commit([{ kind: 'check', path, version: 0 }]))).toMatchObject({
        ok: false,
        code: 'bad-version',
      });
      expect(await done(store.commit([{ kind: 'remove', path, version: 0 }]))).toMatchObject({
        ok: false,
        code: 'bad-version',
      });
      expect(await done(store.read(path))).toMatchObject({ ok: true, text: 'b', version: 1 });
    });

    it('STORE2: without a live session every call fails at once and nothing is sent later', async () => {
      const path = await fresh();
      await under.reachable(false);
      await under.pass(under.sessionTimeoutMs * 0.7);
      expect(store.session().state).not.toBe('connected');
      const refused = await done(store.write(path, 'from the past', 0));
      expect(refused).toMatchObject({ ok: false, code: 'not-connected' });
      await under.reachable(true);
      await under.pass(under.sessionTimeoutMs * 1.5);
      const other = await under.open();
      expect(await done(other.read(path))).toMatchObject({ ok: true, text: 'a', version: 0 });
      await done(other.close(500));
    });

    it('STORE3: an unanswered request ends within its deadline as unclear', async () => {
      const path = await fresh();
      await under.reachable(false);
      const reply = done(store.write(path, 'b', 0));
      await under.pass(under.requestTimeoutMs + 300);
      expect(await reply).toMatchObject({ ok: false, code: 'unclear' });
      await under.reachable(true);
      await under.pass(under.sessionTimeoutMs * 1.5);
    });

    it('STORE4: a read sees the own write before it', async () => {
      const path = await fresh();
      for (let version = 0; version < 20; version += 1) {
        const [written, read] = await done(Promise.all([store.write(path, `v${version}`, version), store.read(path)]));
        expect(written).toEqual({ ok: true, version: version + 1 });
        expect(read).toMatchObject({ ok: true, text: `v${version}` });
      }
    });

    it('STORE5: a commit happens as a whole or not at all', async () => {
      const one = await fresh();
      const two = await fresh();
      const half = await done(
        store.commit([
          { kind: 'write', path: one, text: 'changed', version: 0 },
          { kind: 'write', path: two, text: 'changed', version: 7 },
        ]),
      );
      expect(half).toMatchObject({ ok: false, code: 'bad-version' });
      expect(await done(store.read(one))).toMatchObject({ text: 'a', version: 0 });
      const whole = await done(
        store.commit([
          { kind: 'check', path: one, version: 0 },
          { kind: 'write', path: two, text: 'changed', version: 0 },
          { kind: 'create', path: `${one}/child`, text: '', mode: 'persistent' },
        ]),
      );
      expect(whole).toEqual({ ok: true });
      expect(await done(store.read(two))).toMatchObject({ text: 'changed', version: 1 });
      expect(await done(store.list(one))).toEqual({ ok: true, names: ['child'] });
    });

    it('STORE6: an ephemeral goes with its session, and names its owner', async () => {
      const parent = await fresh();
      const other = await under.open();
      await done(other.create(`${parent}/here`, 'x', 'ephemeral'));
      expect(await done(store.read(`${parent}/here`))).toMatchObject({ ok: true, owner: other.session().id });
      expect(await done(store.read(parent))).toMatchObject({ owner: null });
      await done(other.close(500));
      await under.pass(100);
      expect(await done(store.read(`${parent}/here`))).toMatchObject({ ok: false, code: 'no-node' });
    });

    it('STORE6: sequential names count upwards and are never given twice', async () => {
      const parent = await fresh();
      const names: string[] = [];
      for (let k = 0; k < 3; k += 1) {
        const reply = await done(store.create(`${parent}/n-`, '', 'ephemeral-sequential'));
        if (reply.ok) names.push(reply.path);
        if (k === 1 && reply.ok) await done(store.remove(reply.path, 0));
      }
      expect(names).toEqual([0, 1, 2].map((k) => `${parent}/n-000000000${k}`));
    });

    it('STORE7: only an acknowledged write moves lastAckSentMs, and it is the time of sending', async () => {
      const path = await fresh();
      const afterCreate = store.session().lastAckSentMs;
      expect(afterCreate).not.toBeNull();
      await under.pass(50);
      await done(store.read(path));
      await done(store.list('/'));
      await done(store.write(path, 'refused', 9));
      expect(store.session().lastAckSentMs).toBe(afterCreate);
      const beforeMs = under.nowMs();
      await done(store.write(path, 'b', 0));
      const lastMs = store.session().lastAckSentMs;
      expect(lastMs).toBeGreaterThan(afterCreate ?? 0);
      expect(lastMs).toBeGreaterThanOrEqual(beforeMs);
      expect(lastMs).toBeLessThanOrEqual(under.nowMs());
    });

    it('STORE8: a watch fires once after the change', async () => {
      const path = await fresh();
      let fired = 0;
      await done(store.read(path, () => (fired += 1)));
      await done(store.write(path, 'b', 0));
      await done(store.write(path, 'c', 1));
      await under.pass(100);
      expect(fired).toBe(1);
      let listed = 0;
      await done(store.list(path, () => (listed += 1)));
      await done(store.create(`${path}/child`, '', 'persistent'));
      await under.pass(100);
      expect(listed).toBe(1);
    });

    it('STORE12: a session that is abandoned takes its ephemerals along, and a new one is made', async () => {
      const path = await fresh();
      await done(store.create(`${path}/own`, '', 'ephemeral'));
      const before = store.session();
      await done(store.abandon('test'));
      for (let waited = 0; waited < 100 && store.session().generation === before.generation; waited += 1)
        await under.pass(50);
      expect(store.session()).toMatchObject({ state: 'connected', generation: before.generation + 1 });
      expect(store.session().id).not.toBe(before.id);
      expect(await done(store.read(`${path}/own`))).toMatchObject({ ok: false, code: 'no-node' });
    });

    it('names what is wrong: missing, existing, not empty', async () => {
      const path = await fresh();
      expect(await done(store.read('/nowhere'))).toMatchObject({ ok: false, code: 'no-node' });
      expect(await done(store.create('/nowhere/child', '', 'persistent'))).toMatchObject({
        ok: false,
        code: 'no-node',
      });
      expect(await done(store.create(path, '', 'persistent'))).toMatchObject({ ok: false, code: 'node-exists' });
      await done(store.create(`${path}/child`, '', 'persistent'));
      expect(await done(store.remove(path, 0))).toMatchObject({ ok: false, code: 'not-empty' });
    });

    it('tells its listeners of suspension, loss and a new generation, in this order', async () => {
      const seen: SessionView[] = [];
      const stop = store.onSession((view) => seen.push(view));
      const before = store.session();
      await under.reachable(false);
      await under.pass(under.sessionTimeoutMs * 0.7);
      expect(store.session().state).toBe('suspended');
      await under.reachable(true);
      await under.pass(under.sessionTimeoutMs);
      expect(store.session()).toMatchObject({ state: 'connected' });
      stop();
      expect(seen[0]?.state).toBe('suspended');
      expect(seen.at(-1)?.state).toBe('connected');
      expect(store.session().generation).toBeGreaterThanOrEqual(before.generation);
    });
  });
}
