/** The part of a session's options that the configuration and the key file decide: the same for noded and for nodectl. */
import type { Config } from '../../config/load.ts';
import type { KeyRing } from '../secrets.ts';
import type { ZooKeeperStoreOptions } from './store.ts';

export function storeOptions(
  { zookeeper, cluster }: Config,
  keys: KeyRing,
): Pick<ZooKeeperStoreOptions, 'servers' | 'root' | 'keys' | 'tls' | 'subjects'> {
  const { servers, root, tls } = zookeeper;
  const files = tls && {
    caFile: tls.caFile,
    certificateFile: tls.certificateFile ?? null,
    keyFile: tls.keyFile ?? null,
  };
  return { servers, root: `${root}/${cluster.name}`, keys, tls: files ?? null, subjects: tls?.subjects ?? [] };
}
