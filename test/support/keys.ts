/** Cluster keys for tests, whole or by the part that is needed. */
import type { ApiKey } from '../../src/real/secrets.ts';
import { KeyRing, clusterKeys, newKeyText } from '../../src/real/secrets.ts';
import type { StoreKeys } from '../../src/real/zookeeper/session.ts';

/** As read from a key file's text. */
export function keyRing(text = newKeyText(), cluster = 'c'): KeyRing {
  const keys = clusterKeys(text, cluster);
  if (typeof keys === 'string') throw new Error(keys);
  return new KeyRing(keys);
}

/** What a session proves; never exchanged. */
export const storeKeys = (...digests: string[]): StoreKeys => ({
  digests: () => digests,
  onExchange: () => () => undefined,
});

/** Pre-shared keys of 32 times the same byte. */
export const apiKeys =
  (...bytes: number[]) =>
  (): readonly ApiKey[] =>
    bytes.map((byte) => ({ name: `key${byte}`, secret: Buffer.alloc(32, byte) }));
