/** Real chance. */
import { randomBytes } from 'node:crypto';
import type { Random } from '../environment/random.ts';

export function realRandom(): Random {
  return {
    fraction: () => Math.random(),
    id: () => randomBytes(8).toString('hex'),
  };
}
