/**
 * Whether somebody else than the holders of the cluster key may touch the tree. What we make is ours alone, but a tree that was
 * made, restored or opened up by another hand keeps what that hand gave it: then anybody on the network can ask for fences.
 */
import { createHash } from 'node:crypto';
import type { LibraryAcl } from './library.ts';
import type { Session } from './session.ts';

/** As ZooKeeper keeps a digest: `user:base64(sha1(user:password))`. */
export function digestId(digest: string): string {
  const user = digest.split(':')[0] ?? '';
  return `${user}:${createHash('sha1').update(digest).digest('base64')}`;
}

/** The entries of an ACL that are not ours, as people read them, e.g. "world:anyone may read, write". */
export function foreignEntries(acl: readonly LibraryAcl[], digest: string): string[] {
  const own = digestId(digest);
  return acl
    .filter(({ permission, id }) => permission !== 0 && !(id.scheme === 'digest' && id.id === own))
    .map(({ permission, id }) => `${id.scheme}:${id.id} may ${rights(permission)}`);
}

const names = ['read', 'write', 'create', 'delete', 'admin'] as const;

function rights(permission: number): string {
  return names.filter((_name, bit) => (permission & (1 << bit)) !== 0).join(', ');
}

/** In each new session: tells of every path of these that others may touch. A path that is not there yet is nobody's. */
export function watchAccess(
  session: Session,
  paths: readonly string[],
  digest: string,
  tell: (because: string) => void,
): void {
  let checked = 0;
  const check = async (path: string) => {
    const reply = await session.request<readonly LibraryAcl[]>('read', (client, done) =>
      client.getACL(path, (error, acl) => done(error, acl)),
    );
    const foreign = reply.ok ? foreignEntries(reply.value, digest) : [];
    if (foreign.length > 0) tell(`${path}: ${foreign.join('; ')}`);
  };
  const look = () => {
    const { state, generation } = session.view();
    if (state !== 'connected' || generation === checked) return;
    checked = generation;
    for (const path of paths) void check(path);
  };
  session.subscribe(look);
  look();
}
