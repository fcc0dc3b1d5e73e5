/** Style and structure as tests: arrows are eslint's; here are generated docs, rules with tests, banned words, dead files. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { generatedDocs } from '../src/cli/generated-docs.ts';
import { configKeys } from '../src/config/reference.ts';

const root = new URL('..', import.meta.url).pathname;

function files(folder: string, ending: RegExp): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && ending.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}
const text = (file: string) => readFileSync(join(root, file), 'utf8');
const sources = files('src', /\.ts$/);
const tests = files('test', /\.ts$/);

it.each(Object.entries(generatedDocs()))('docs/%s is fresh (scripts/docs writes it anew)', (name, expected) => {
  expect(text(`docs/${name}`)).toBe(expected);
});

it('every key of the configuration has a sentence', () => {
  const keys = configKeys();
  expect(keys.length).toBeGreaterThan(40);
  for (const { path, text: sentence } of keys)
    expect({ path, said: sentence.length > 8 }).toEqual({ path, said: true });
});

it('every safety rule that is built so far is cited by a test', () => {
  const all = tests.map(text).join('\n');
  for (const rule of ['S1', 'S3', 'S4', 'S5', 'S6', 'S7', 'S8', 'S9', 'S10', 'S11'])
    expect({ rule, cited: new RegExp(`\\b${rule}\\b`).test(all) }).toEqual({ rule, cited: true });
});

it('every source file begins with what it is for', () => {
  const silent = sources.filter((file) => !/^(#!.*\n)?\/\*\*/.test(text(file)));
  expect(silent).toEqual([]);
});

it('no file is dead: everything but the programs is imported by somebody', () => {
  const programs = [
    'src/daemon/main.ts',
    'src/cli/launch.ts',
    'src/cli/main.ts',
    'src/cli/docs.ts',
    'src/lab/main.ts',
    'src/lab/bench.ts',
    'src/lab/benches/fill-vms.ts',
    'src/lab/benches/order-move.ts',
    'src/proof/bench.ts',
    'src/proof/child.ts',
    'src/proof/scenario.ts',
    'src/proof/sim.ts',
    'src/proof/mutant.ts',
  ];
  const imported = new Set(
    [...sources, ...tests].flatMap((file) =>
      [...text(file).matchAll(/from '(\.[^']+\.ts)'/g)].map((match) =>
        relative(root, join(root, file, '..', match[1] ?? '')),
      ),
    ),
  );
  expect(sources.filter((file) => !programs.includes(file) && !imported.has(file))).toEqual([]);
});

it('nothing is left open, switched off or swallowed', () => {
  const here = 'test/tidy.test.ts';
  const banned = [
    /\b(TODO|FIXME|XXX|HACK)\b/,
    /\b(it|test|describe)\.(skip|only|todo)\b/,
    /\bx(it|describe)\(/,
    /catch\s*(\([^)]*\))?\s*\{\s*\}/,
    /shell:\s*true/,
  ];
  for (const file of [...sources, ...tests].filter((name) => name !== here)) {
    for (const pattern of banned)
      expect({ file, pattern: String(pattern), found: pattern.test(text(file)) }).toEqual({
        file,
        pattern: String(pattern),
        found: false,
      });
  }
});

it('the lock file names no download address', () => {
  expect(text('package-lock.json')).not.toMatch(/"resolved"/);
});

it('every relative link in the documents leads somewhere', () => {
  const documents = ['README.md', ...files('docs', /\.md$/)];
  for (const document of documents) {
    for (const [, target = ''] of text(document).matchAll(/\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/g)) {
      expect({ document, target, exists: existsSync(join(root, document, '..', target)) }).toEqual({
        document,
        target,
        exists: true,
      });
    }
  }
});
