/**
 * A disk that hangs: a FUSE file system that nobody serves, so that every call on it waits until it is killed. Mounted over a folder,
 * in a mount namespace of its own or in that of a process that runs. Needs root and /dev/fuse.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';

const mount = (folder: string) =>
  `exec 3<>/dev/fuse; mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 hung "${folder}"`;

/** The words that run `words` where `folder` hangs. */
export function onHungDisk(folder: string, ...words: readonly string[]): [string, ...string[]] {
  return ['unshare', '--mount', 'sh', '-ec', `${mount(folder)}; exec "$@"`, 'sh', ...words];
}

/** From now on `folder` hangs for the process, until the returned one is killed: then every call that waits fails. */
export function hangFor(pid: number, folder: string): ChildProcess {
  return spawn('nsenter', ['-t', String(pid), '-m', 'sh', '-ec', `${mount(folder)}; exec sleep 300`], {
    stdio: 'ignore',
  });
}
