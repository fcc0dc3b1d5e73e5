/**
 * Who may touch the tree: the holders of a cluster key, and the x509 subjects that the operator named. What we make is ours
 * alone, but a tree that was made, restored or opened up by another hand keeps what that hand gave it: then anybody on the
 * network can ask for fences.
 */
import { createHash } from 'node:crypto';
import type { Reply } from './client.ts';
import type { LibraryAcl } from './library.ts';
import { errorCode, library } from './library.ts';
import type { Session, StoreKeys } from './session.ts';

/** Whose the tree is. */
export interface Owners {
  readonly keys: StoreKeys;
  /** Of client certificates, as ZooKeeper writes them (RFC 2253): "CN=node1,O=example". */
  readonly subjects: readonly string[];
}

/** As ZooKeeper keeps a digest: `user:base64(sha1(user:password))`. */
export function digestId(digest: string): string {
  const user = digest.split(':')[0] ?? '';
  return `${user}:${createHash('sha1').update(digest).digest('base64')}`;
}

/**
 * What everything is made with. The digest is named, not ZooKeeper's `auth`: that would give rights to whatever else the
 * session has proved, its certificate for one, and none to the other nodes'.
 */
export function ownAcl({ keys, subjects }: Owners): object[] {
  const [first = ''] = keys.digests();
  return [entry('digest', digestId(first)), ...subjects.map((subject) => entry('x509', subject))];
}

export function entry(scheme: string, id: string, permission = library.Permission.ALL): object {
  return new library.ACL(permission, new library.Id(scheme, id));
}

/** The entries of an ACL that are not ours, as people read them, e.g. "world:anyone may read, write". */
export function foreignEntries(acl: readonly LibraryAcl[], { keys, subjects }: Owners): string[] {
  const own = keys.digests().map(digestId);
  const isOurs = ({ scheme, id }: LibraryAcl['id']) =>
    (scheme === 'digest' && own.includes(id)) || (scheme === 'x509' && subjects.includes(id));
  return acl.filter(({ permission, id }) => permission !== 0 && !isOurs(id)).map(inWords);
}

/** The first path of these that everybody may change, with the rights; null: none. A path that is not there is nobody's. */
export async function exposureOf(session: Session, paths: readonly string[]): Promise<Reply<string | null>> {
  for (const path of paths) {
    const reply = await readAcl(session, path);
    if (!reply.ok && reply.code !== errorCode.noNode) return reply;
    const open = reply.ok
      ? reply.value.filter(({ id, permission }) => id.scheme === 'world' && changes(permission))
      : [];
    if (open.length > 0) return { ok: true, value: `${path}: ${open.map(inWords).join('; ')}` };
  }
  return { ok: true, value: null };
}

function readAcl(session: Session, path: string): Promise<Reply<readonly LibraryAcl[]>> {
  return session.request<readonly LibraryAcl[]>('read', (client, done) =>
    client.getACL(path, (error, acl) => done(error, acl)),
  );
}

const inWords = ({ permission, id }: LibraryAcl): string => `${id.scheme}:${id.id} may ${rights(permission)}`;
/** More than looking. */
const changes = (permission: number): boolean => (permission & ~library.Permission.READ) !== 0;
const names = ['read', 'write', 'create', 'delete', 'admin'] as const;

function rights(permission: number): string {
  return names.filter((_name, bit) => (permission & (1 << bit)) !== 0).join(', ');
}

/** In each new session: tells of every path of these that others may touch. A path that is not there yet is nobody's. */
export function watchAccess(
  session: Session,
  paths: readonly string[],
  owners: Owners,
  tell: (because: string) => void,
): void {
  let checked = 0;
  const check = async (path: string) => {
    const reply = await readAcl(session, path);
    const foreign = reply.ok ? foreignEntries(reply.value, owners) : [];
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
