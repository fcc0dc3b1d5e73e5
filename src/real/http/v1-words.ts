/** What the API of version 1 is told, as it is read and as openapi.ts describes it. */
import * as z from 'zod';

/** What the caller may say of itself, for the record. */
const By = z.string().min(1).max(200).default('the API');
export const NoWords = z.strictObject({ by: By }).meta({ id: 'NoWords' });
export const MigrateWords = z
  .strictObject({ target: z.string().max(63).nullable().default(null), forceLive: z.boolean().default(false), by: By })
  .meta({ id: 'MigrateWords' });
export const MoveWords = z
  .strictObject({ target: z.string().max(63).nullable().default(null), by: By })
  .meta({ id: 'MoveWords' });

/** Verbs of POST /v1/vms/NAME/VERB. */
export const vmVerbs = [
  'start',
  'shutdown',
  'stop',
  'restart',
  'disable',
  'migrate',
  'unmigrate',
  'move',
  'cancel',
] as const;
