/**
 * TLS under node-zookeeper-client, which has none: its own `connect` with one call exchanged (docs/decisions/0002). Both sides
 * prove themselves where the server asks for a certificate (`ssl.clientAuth=need`); the server always does, by its name.
 */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { isIP } from 'node:net';
import { connect as connectByTls } from 'node:tls';
import { readPrivate, zookeeperKey } from '../guarded-file.ts';
import type { ConnectionManager } from './library.ts';
import { managerState } from './library.ts';

/** Files in PEM, read anew for each connection: a renewed certificate needs no restart. */
export interface ZooKeeperTls {
  readonly caFile: string;
  readonly certificateFile: string | null;
  readonly keyFile: string | null;
}

/** From now on the manager's connections go by TLS. `onTrouble` hears why one did not come about: the library says nothing. */
export function underTls(manager: ConnectionManager, tls: ZooKeeperTls, onTrouble: (because: string) => void): void {
  manager.connect = () => {
    manager.setState(managerState.connecting);
    manager.findNextServer(({ host, port }) => {
      const failed = (error: Error) => onTrouble(`${host}:${port}: ${error.message}`);
      try {
        manager.socket = opened(manager, host, port, tls, failed);
        manager.connectTimeoutHandler = setTimeout(() => manager.onSocketConnectTimeout(), manager.connectTimeout);
      } catch (error) {
        failed(error as Error); // a file that is missing, or is no certificate: like a server that is not there
        setImmediate(() => manager.onSocketClosed(true));
      }
    });
  };
}

function opened(
  manager: ConnectionManager,
  host: string,
  port: number,
  tls: ZooKeeperTls,
  failed: (error: Error) => void,
): Socket {
  const name = isIP(host) === 0 ? { servername: host } : {};
  const socket = connectByTls({ host, port, ...name, ...pem(tls), minVersion: 'TLSv1.2' });
  socket.setNoDelay();
  // Under TLS 1.3 a server refuses a certificate only after we hold the handshake for done.
  let isHeard = false;
  socket.on('secureConnect', () => manager.onSocketConnected());
  socket.on('data', (data: Buffer) => {
    isHeard = true;
    manager.onSocketData(data);
  });
  socket.on('drain', () => manager.onSocketDrain());
  socket.on('close', (hadError: boolean) => manager.onSocketClosed(hadError));
  socket.on('error', (error: Error) => {
    if (!isHeard) failed(error);
    manager.onSocketError(error);
  });
  return socket;
}

function pem({ caFile, certificateFile, keyFile }: ZooKeeperTls) {
  const ca = readFileSync(caFile);
  if (certificateFile === null || keyFile === null) return { ca };
  const key = readPrivate(keyFile, zookeeperKey);
  if (!key.ok) throw new Error(key.message);
  return { ca, cert: readFileSync(certificateFile), key: key.value };
}
