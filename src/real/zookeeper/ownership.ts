/**
 * Which cluster key each path of the tree belongs to, and moving all of it to the first one: the middle of a change of keys
 * (docs/SECURITY.md). Everything here may be repeated, and goes on where an interrupted run stopped.
 */
import type { Owners } from './access.ts';
import { digestId, entry, foreignEntries } from './access.ts';
import type { LibraryAcl } from './library.ts';
import { errorCode } from './library.ts';
import type { Reply } from './client.ts';
import type { Session } from './session.ts';

/** Paths by the key that they belong to, in the order of the keys; and those that others may touch, or only others. */
export interface Ownership {
  readonly paths: readonly number[];
  readonly foreign: readonly string[];
}

const atOnce = 32;
const tries = 5;

/** Of the root, what is under it, and the paths above it that we made. Throws what the store refused. */
export async function readOwnership(session: Session, root: string, owners: Owners): Promise<Ownership> {
  const paths = owners.keys.digests().map(() => 0);
  const foreign: string[] = [];
  await walk(session, root, async (path) => {
    const found = await aclOf(session, path);
    if (found === null) return;
    const isAbove = !isUnder(path, root);
    const at = ownerOf(found.acl, owners);
    if (at >= 0) paths[at] = (paths[at] ?? 0) + 1;
    if (!isAbove && (at < 0 || foreignEntries(found.acl, owners).length > 0)) foreign.push(path);
  });
  return { paths, foreign };
}

/** Gives every path that belongs to one of our keys to the first. Returns how many were moved. */
export async function moveOwnership(session: Session, root: string, owners: Owners): Promise<number> {
  let moved = 0;
  await walk(session, root, async (path) => {
    if (await moveOne(session, path, owners, isUnder(path, root))) moved += 1;
  });
  return moved;
}

async function moveOne(session: Session, path: string, owners: Owners, isOwn: boolean): Promise<boolean> {
  for (let attempt = 0; attempt < tries; attempt += 1) {
    const found = await aclOf(session, path);
    if (found === null) return false;
    const wanted = movedAcl(found.acl, owners, isOwn);
    if (wanted === null) return false;
    const reply = await session.request<undefined>('write', (client, done) =>
      client.setACL(path, wanted, found.version, (error) => done(error, undefined)),
    );
    if (reply.ok) return true;
    if (reply.code === errorCode.noNode) return false;
    if (reply.code !== errorCode.badVersion) throw refused(path, reply);
  }
  throw new Error(`${path}: its ACL is changed by somebody else all the time`);
}

/** The same rights, ours under the first key; null: nothing of it is ours, or it is so already. */
function movedAcl(acl: readonly LibraryAcl[], { keys, subjects }: Owners, isOwn: boolean): object[] | null {
  const [first = '', ...older] = keys.digests().map(digestId);
  const has = (scheme: string, id: string) => acl.some((one) => one.id.scheme === scheme && one.id.id === id);
  const missing = isOwn ? subjects.filter((subject) => !has('x509', subject)) : [];
  const isOlder = ({ scheme, id }: LibraryAcl['id']) => scheme === 'digest' && older.includes(id);
  const moving = acl.filter(({ id }) => isOlder(id));
  if (moving.length === 0 && (missing.length === 0 || !has('digest', first))) return null;
  const staying = acl.filter(({ id }) => !isOlder(id));
  const rights = moving.reduce((all, { permission }) => all | permission, 0);
  return [
    ...staying.map(({ permission, id }) => entry(id.scheme, id.id, permission)),
    ...(has('digest', first) ? [] : [entry('digest', first, rights)]),
    ...missing.map((subject) => entry('x509', subject)),
  ];
}

/** Index of the first of our keys that an ACL names; -1: none. */
function ownerOf(acl: readonly LibraryAcl[], { keys }: Owners): number {
  return keys
    .digests()
    .findIndex((digest) => acl.some(({ id }) => id.scheme === 'digest' && id.id === digestId(digest)));
}

async function aclOf(
  session: Session,
  path: string,
): Promise<{ readonly acl: readonly LibraryAcl[]; readonly version: number } | null> {
  const reply = await session.request<{ acl: readonly LibraryAcl[]; version: number }>('read', (client, done) =>
    client.getACL(path, (error, acl, stat) => done(error, { acl, version: error ? 0 : stat.aversion })),
  );
  if (reply.ok) return reply.value;
  if (reply.code === errorCode.noNode) return null;
  if (reply.code === errorCode.noAuth) return { acl: [], version: 0 };
  throw refused(path, reply);
}

/** Calls `visit` for every path, some at a time: those above the root, the root, and all under it. */
async function walk(session: Session, root: string, visit: (path: string) => Promise<void>): Promise<void> {
  const parts = root.split('/').slice(1);
  const above = parts.slice(0, -1).map((_, index) => `/${parts.slice(0, index + 1).join('/')}`);
  for (const path of above) await visit(path);
  let level = [root];
  while (level.length > 0) {
    const below: string[] = [];
    for (let at = 0; at < level.length; at += atOnce) {
      const few = level.slice(at, at + atOnce);
      const children = await Promise.all(few.map((path) => childrenOf(session, path)));
      await Promise.all(few.map(visit));
      below.push(...children.flat());
    }
    level = below;
  }
}

async function childrenOf(session: Session, path: string): Promise<string[]> {
  const reply = await session.request<string[]>('read', (client, done) =>
    client.getChildren(path, undefined, (error, names) => done(error, names)),
  );
  if (reply.ok) return reply.value.map((name) => `${path}/${name}`);
  if (reply.code === errorCode.noNode || reply.code === errorCode.noAuth) return [];
  throw refused(path, reply);
}

function isUnder(path: string, root: string): boolean {
  return path === root || path.startsWith(`${root}/`);
}

function refused(path: string, reply: Extract<Reply<unknown>, { ok: false }>): Error {
  return new Error(`${path}: ${reply.message}`);
}
