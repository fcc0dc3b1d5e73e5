/** What ZooKeeper or its library refused, as a value with a sentence. */
import type { StoreFailure } from '../../environment/store.ts';
import type { Reply } from './client.ts';
import { errorCode } from './library.ts';

/** ZooKeeper refuses more than 1 MiB by cutting the connection; we refuse before. */
export const bytesMax = 512 * 1024;

export function tooLarge(path: string, bytes: number): StoreFailure {
  return { ok: false, code: 'too-large', because: `${path}: ${bytes} bytes (limit ${bytesMax})` };
}

/** The library's error codes in the store's words. */
export function failure(reply: Extract<Reply<unknown>, { ok: false }>, path: string): StoreFailure {
  const fail = (code: StoreFailure['code'], because: string): StoreFailure => ({ ok: false, code, because });
  switch (reply.code) {
    case errorCode.connectionLoss:
    case errorCode.operationTimeout:
      return fail('unclear', `${path}: ${reply.message}`);
    case errorCode.sessionExpired:
      return fail('not-connected', `${path}: ${reply.message}`);
    case errorCode.noNode:
      return fail('no-node', `${path} does not exist`);
    case errorCode.nodeExists:
      return fail('node-exists', `${path} exists already`);
    case errorCode.badVersion:
      return fail('bad-version', `${path} was changed by somebody else`);
    case errorCode.notEmpty:
      return fail('not-empty', `${path} has children`);
    case errorCode.noAuth:
    case errorCode.authFailed:
    case errorCode.sessionClosedRequireAuth:
      return fail('no-auth', `${path}: the store refuses this cluster key`);
    default:
      return fail('refused', `${path}: ${reply.message}`);
  }
}
