/**
 * TLS under node-zookeeper-client, which has none: its own `connect` with one call exchanged (docs/decisions/0002). Both sides
 * prove themselves where the server asks for a certificate (`ssl.clientAuth=need`); the server always does, by its name.
 */
import type { Socket } from 'node:net';
import { isIP } from 'node:net';
import type { SecureContext } from 'node:tls';
import { connect as connectByTls } from 'node:tls';
import { lookups } from '../lookup.ts';
import type { ConnectionManager } from './library.ts';
import { managerState } from './library.ts';
import { contextOf, filesMs } from './tls-files.ts';

/** Files in PEM, read again for each connection (tls-files.ts): a renewed certificate needs no restart. */
export interface ZooKeeperTls {
  readonly caFile: string;
  readonly certificateFile: string | null;
  readonly keyFile: string | null;
}

interface Server {
  readonly host: string;
  readonly port: number;
}

/** From now on the manager's connections go by TLS. `onTrouble` hears why one did not come about: the library says nothing. */
export function underTls(manager: ConnectionManager, tls: ZooKeeperTls, onTrouble: (because: string) => void): void {
  manager.connect = () => {
    manager.setState(managerState.connecting);
    manager.findNextServer((server) => void openTo(manager, server, tls, onTrouble));
  };
}

async function openTo(
  manager: ConnectionManager,
  server: Server,
  tls: ZooKeeperTls,
  onTrouble: (because: string) => void,
): Promise<void> {
  const failed = (error: Error) => onTrouble(`${server.host}:${server.port}: ${error.message}`);
  const isWanted = () => manager.state === managerState.connecting; // it may be closed while the files are read
  try {
    const secureContext = await contextOf(tls, filesMs);
    if (!isWanted()) return;
    manager.socket = opened(manager, server, secureContext, failed);
    manager.connectTimeoutHandler = setTimeout(() => manager.onSocketConnectTimeout(), manager.connectTimeout);
  } catch (error) {
    failed(error as Error); // a file that is missing, or is no certificate: like a server that is not there
    setImmediate(() => isWanted() && manager.onSocketClosed(true));
  }
}

function opened(
  manager: ConnectionManager,
  server: Server,
  secureContext: SecureContext,
  failed: (error: Error) => void,
): Socket {
  const socket = tlsSocket(server, server.host, secureContext);
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

/** A connection to a server whose certificate must bear `name`. */
export function tlsSocket({ host, port }: Server, name: string, secureContext: SecureContext): Socket {
  const servername = isIP(name) === 0 ? { servername: name } : {};
  // @types/node leaves lookup out of tls: node hands all options on to net.connect
  const options = { host, port, lookup: lookups.for('zookeeper'), ...servername, secureContext };
  return connectByTls(options);
}
