/** Looks are repeated while no server is there; orders are sent once, whatever becomes of them. */
import { patientStore } from '../../src/cli/patient-store.ts';
import type { Store, StoreFailureCode } from '../../src/environment/store.ts';

/** Fails `failures` times in that way, then answers. */
function failing(code: StoreFailureCode, failures: number): { readonly store: Store; asked(): number } {
  let asked = 0;
  const answer = <T extends object>(value: T) => {
    asked += 1;
    const failure = { ok: false, code, because: `away ${asked}` } as const;
    return Promise.resolve(asked <= failures ? failure : { ok: true as const, ...value });
  };
  const store: Store = {
    session: () => ({ state: 'connected', generation: 1, id: 'a', timeoutMs: 1, lastAckSentMs: null }),
    onSession: () => () => undefined,
    onContradiction: () => () => undefined,
    guard: () => undefined,
    read: () => answer({ text: 'here', version: 1, modifiedWallMs: 0, owner: null }),
    list: () => answer({ names: ['here'] }),
    exposure: () => answer({ where: null }),
    create: () => answer({ path: '/a' }),
    write: () => answer({ version: 1 }),
    remove: () => answer({}),
    commit: () => answer({}),
    abandon: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  return { store, asked: () => asked };
}

it.each(['not-connected', 'unclear'] as const)('%s: a look is made again until it is answered', async (code) => {
  const { store, asked } = failing(code, 3);
  expect(await patientStore(store, 5000).read('/a')).toMatchObject({ ok: true, text: 'here' });
  expect(asked()).toBe(4);
  expect(await patientStore(failing(code, 1).store, 5000).list('/a')).toMatchObject({ ok: true, names: ['here'] });
});

it("a look that is never answered fails after its time, with a sentence instead of the library's error code", async () => {
  const { store, asked } = failing('not-connected', Infinity);
  const startMs = performance.now();
  expect(await patientStore(store, 400).list('/a')).toEqual({
    ok: false,
    code: 'not-connected',
    because: 'no ZooKeeper server answers for 0.4 s: is there a quorum?',
  });
  expect(performance.now() - startMs).toBeGreaterThan(350);
  expect(asked()).toBeGreaterThan(3);
});

it.each(['no-node', 'no-auth', 'refused'] as const)('%s is an answer', async (code) => {
  const { store, asked } = failing(code, 1);
  expect(await patientStore(store, 5000).read('/a')).toMatchObject({ ok: false, code });
  expect(asked()).toBe(1);
});

it('what changes anything is sent once', async () => {
  for (const order of [
    (store: Store) => store.create('/a', '', 'persistent'),
    (store: Store) => store.write('/a', '', 0),
    (store: Store) => store.remove('/a', 0),
    (store: Store) => store.commit([]),
  ]) {
    const { store, asked } = failing('unclear', 1);
    expect(await order(patientStore(store, 5000))).toMatchObject({ ok: false, code: 'unclear' });
    expect(asked()).toBe(1);
  }
});
