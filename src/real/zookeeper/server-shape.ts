/** What a server tells of itself and its ensemble (core/ensemble-shape.ts): its mode by `srvr`, its members by `/zookeeper/config`. */
import { membersOf } from '../../core/ensemble-shape.ts';
import type { ServerShape } from '../../core/ensemble-shape.ts';
import { askServer } from './ask-servers.ts';
import type { ServerAt } from './ask-servers.ts';
import type { Reply } from './client.ts';
import type { Send } from './session.ts';

interface Asked extends ServerAt {
  readonly request: <T>(send: Send<T>) => Promise<Reply<T>>;
  readonly withinMs: number;
}

const configPath = '/zookeeper/config';

/** What it does not tell is null; never waits longer than one request. */
export async function shapeOf({ server, at, tls, request, withinMs }: Asked): Promise<ServerShape> {
  const read: Send<Buffer | null | undefined> = (client, done) =>
    client.getData(configPath, undefined, (error, data) => done(error, data));
  const [word, config] = await Promise.all([askServer({ server, at, tls }, withinMs), request(read)]);
  const members = config.ok ? membersOf(config.value?.toString('utf8') ?? '') : null;
  return { mode: word.mode, members: members !== null && members.length > 0 ? members : null };
}
