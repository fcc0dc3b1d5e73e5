#!/usr/bin/env node
/** Writes the generated documents (scripts/docs; compared by test/tidy.test.ts) or the man pages (scripts/package) into a folder. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generatedDocs } from './generated-docs.ts';
import { manPages } from './man.ts';

const [folder, what, version] = process.argv.slice(2);
if (folder === undefined || (what !== undefined && (what !== '--man' || version === undefined))) {
  process.stderr.write('usage: docs FOLDER [--man VERSION]\n');
  process.exit(2);
}
if (version === undefined) {
  for (const [name, text] of Object.entries(generatedDocs())) writeFileSync(join(folder, name), text);
} else {
  for (const [name, text] of Object.entries(manPages(version))) {
    const section = join(folder, `man${name.split('.').at(-1) ?? ''}`);
    mkdirSync(section, { recursive: true });
    writeFileSync(join(section, name), text);
  }
}
