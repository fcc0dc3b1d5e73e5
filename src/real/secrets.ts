/**
 * The cluster keys and what is derived from each (HKDF-SHA256, one purpose each): the digest that ZooKeeper's ACLs ask for,
 * and the AES-256-GCM key that seals BMC references. The context (node name) is authenticated with the text.
 *
 * A key file holds one key, and while the key is being changed two: with the first one everything is written and asked,
 * with all of them read and answered. So no two machines ever lack a common key on the way from the one to the other.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { Secrets } from '../environment/secrets.ts';

const keyPrefix = 'nodekeeper-key-v1:';
const keyBytes = 32;
/** Nobody changes three times at once. */
const keysMax = 4;

/** The pre-shared key of the API between nodeds: 32 bytes, and the name by which the other side finds it. */
export interface ApiKey {
  readonly name: string;
  readonly secret: Buffer;
}

export interface ClusterKey {
  /** What people and peers call it: 8 hex digits that tell nothing about the key. */
  readonly name: string;
  /** `user:password` for ZooKeeper's digest scheme. */
  readonly digest: string;
  readonly apiKey: ApiKey;
  /** What programs show: to look, and to change things too. */
  readonly readToken: string;
  readonly operateToken: string;
  seal(plain: string, context: string): string;
  open(sealed: string, context: string): string | null;
}

/** A new key file's text. */
export function newKeyText(): string {
  return `${keyPrefix}${randomBytes(keyBytes).toString('base64')}\n`;
}

/** All keys of a cluster that this machine holds; they can be exchanged while it runs. */
export class KeyRing implements Secrets {
  private held: readonly ClusterKey[];
  private readonly listeners = new Set<() => void>();

  /** At least one key. */
  constructor(keys: readonly ClusterKey[]) {
    this.held = keys;
  }

  get all(): readonly ClusterKey[] {
    return this.held;
  }

  /** The one to write and to ask with. */
  get first(): ClusterKey {
    const key = this.held[0];
    if (key === undefined) throw new Error('a key ring without a key');
    return key;
  }

  keyNames(): readonly string[] {
    return this.held.map((key) => key.name);
  }

  digests(): readonly string[] {
    return this.held.map((key) => key.digest);
  }

  seal(plain: string, context: string): string {
    return this.first.seal(plain, context);
  }

  open(sealed: string, context: string): string | null {
    for (const key of this.held) {
      const plain = key.open(sealed, context);
      if (plain !== null) return plain;
    }
    return null;
  }

  exchange(keys: readonly ClusterKey[]): void {
    this.held = keys;
    for (const listener of [...this.listeners]) listener();
  }

  /** Told after each exchange. Returns the way to stop it. */
  onExchange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

/** The keys of a file's text, one a line; blank lines and those that begin with # count for nothing. Else what is wrong. */
export function clusterKeys(text: string, cluster: string): readonly ClusterKey[] | string {
  const lines = text.split('\n').map((line) => line.trim());
  const written = lines.filter((line) => line !== '' && !line.startsWith('#'));
  const keys = written.map((line) => keyOf(line, cluster));
  const sound = keys.filter((key) => key !== null);
  if (keys.length === 0 || sound.length === 0) return 'this is no cluster key';
  if (sound.length < keys.length) return `line ${keys.indexOf(null) + 1} of its keys is no cluster key`;
  if (new Set(sound.map((key) => key.name)).size < sound.length) return 'it holds the same key twice';
  return sound.length > keysMax
    ? `it holds ${sound.length} keys; expected one, or two while it is being changed`
    : sound;
}

function keyOf(line: string, cluster: string): ClusterKey | null {
  if (!line.startsWith(keyPrefix)) return null;
  const raw = Buffer.from(line.slice(keyPrefix.length), 'base64');
  if (raw.length !== keyBytes) return null;
  const derive = (purpose: string) => Buffer.from(hkdfSync('sha256', raw, cluster, `nodekeeper ${purpose}`, 32));
  const sealing = derive('sealing');
  const name = derive('name').toString('hex').slice(0, 8);
  return {
    name,
    digest: `nodekeeper:${derive('zookeeper digest').toString('hex')}`,
    apiKey: { name, secret: derive('api') },
    readToken: derive('token read').toString('base64url'),
    operateToken: derive('token operate').toString('base64url'),
    seal: (plain, context) => seal(sealing, plain, context),
    open: (sealed, context) => open(sealing, sealed, context),
  };
}

function seal(key: Buffer, plain: string, context: string): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.from(context));
  const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
  return `v1.${Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64')}`;
}

function open(key: Buffer, sealed: string, context: string): string | null {
  if (!sealed.startsWith('v1.')) return null;
  const bytes = Buffer.from(sealed.slice(3), 'base64');
  if (bytes.length < 28) return null;
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12));
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(bytes.subarray(12, 28));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8');
  } catch {
    return null; // another key, another context, or a changed text: SEAL1
  }
}
