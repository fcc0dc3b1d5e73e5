/**
 * The cluster key and what is derived from it (HKDF-SHA256, one purpose each): the digest that ZooKeeper's ACLs ask for,
 * and the AES-256-GCM key that seals BMC references. The context (node name) is authenticated with the text.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { Secrets } from '../environment/secrets.ts';

const keyPrefix = 'nodekeeper-key-v1:';
const keyBytes = 32;

export interface ClusterKey extends Secrets {
  /** `user:password` for ZooKeeper's digest scheme. */
  readonly digest: string;
  /** The pre-shared key of the API between nodeds, 32 bytes. */
  readonly apiKey: Buffer;
  /** What programs show: to look, and to change things too. */
  readonly readToken: string;
  readonly operateToken: string;
}

/** A new key file's text. */
export function newKeyText(): string {
  return `${keyPrefix}${randomBytes(keyBytes).toString('base64')}\n`;
}

/** The key from its file's text; null when it is none. */
export function clusterKey(text: string, cluster: string): ClusterKey | null {
  const trimmed = text.trim();
  if (!trimmed.startsWith(keyPrefix)) return null;
  const raw = Buffer.from(trimmed.slice(keyPrefix.length), 'base64');
  if (raw.length !== keyBytes) return null;
  const derive = (purpose: string) => Buffer.from(hkdfSync('sha256', raw, cluster, `nodekeeper ${purpose}`, 32));
  const sealing = derive('sealing');
  return {
    digest: `nodekeeper:${derive('zookeeper digest').toString('hex')}`,
    apiKey: derive('api'),
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
