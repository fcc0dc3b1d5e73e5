#!/usr/bin/env node
/** Writes the generated documents into a folder; run by scripts/docs, compared by test/tidy.test.ts. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generatedDocs } from './generated-docs.ts';

const folder = process.argv[2];
if (folder === undefined) {
  process.stderr.write('usage: docs FOLDER\n');
  process.exit(2);
}
for (const [name, text] of Object.entries(generatedDocs())) writeFileSync(join(folder, name), text);
