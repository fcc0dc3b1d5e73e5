/** S10 as code: the passwords of the devices stand in no record and in no line of a log, except sealed. */
import { simPassword } from '../secrets.ts';
import type { World } from '../world.ts';
import { at } from './checker.ts';

/** Begins to watch; call the answer for what was found so far. */
export function checkSecretsStaySecret(world: World): () => string[] {
  const found: string[] = [];
  const written = world.ensemble.onWrite;
  world.ensemble.onWrite = (path, text) => {
    written(path, text);
    if (text.includes(simPassword)) found.push(at(world, `a password stands in ${path}`));
  };
  const told = world.trace.onLine;
  world.trace.onLine = (line) => {
    told(line);
    if (line.because.includes(simPassword) || JSON.stringify(line.facts).includes(simPassword))
      found.push(at(world, `${line.node} logs a password in "${line.event}"`));
  };
  return () => found;
}
