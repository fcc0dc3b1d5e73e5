/** Every command line of nodectl that the documents, alerts and examples name can be typed: it exists, with its options. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from '../../src/cli/command.ts';
import { commands } from '../../src/cli/commands/all.ts';

const roots = ['README.md', 'config.example.yaml', 'systemd', 'docs', 'docs/monitoring', 'docs/decisions'];
const files = roots.flatMap((root) =>
  /\.\w+$/.test(root)
    ? [root]
    : readdirSync(root)
        .filter((name) => /\.(md|yaml|service|conf)$/.test(name) && name !== 'cli.md')
        .map((name) => join(root, name)),
);

/** Of a document what is code, of anything else all of it. */
function codeOf(file: string): string {
  const text = readFileSync(file, 'utf8');
  return file.endsWith('.md') ? [...text.matchAll(/```[^]*?```|`[^`]+`/g)].map(([code]) => code).join('\n') : text;
}

function commandLines(file: string): string[][] {
  const found = [...codeOf(file).matchAll(/(?<![\w./-])nodectl((?: +[^\s#`|&>]+)+)/g)];
  return found.map(([, words = '']) =>
    words
      .trim()
      .split(/ +/)
      .map((word) => word.replace(/[.,:;)'"]+$/, '')),
  );
}

/** The command that these words name, and how many of them name it; null: there is none. */
function find(words: readonly string[], among: readonly Command[]): Command | null {
  const [first = '', ...rest] = words;
  const named = among.find(({ usage }) => usage.split(' ')[0] === first);
  const found = named ?? among.find(({ usage }) => usage.startsWith('$0'));
  if (found?.commands === undefined) return found ?? null;
  return rest[0] === undefined ? found : find(rest, found.commands);
}

it('there are many of them', () => {
  const all = files.flatMap(commandLines);
  expect(all.length).toBeGreaterThan(80);
});

it.each(files)('%s', (file) => {
  for (const words of commandLines(file)) {
    if (words[0] === 'completion' || words[0]?.startsWith('-') === true) continue; // yargs' own
    const found = find(words, commands);
    expect({ words, isThere: found !== null }).toEqual({ words, isThere: true });
    const options = [...Object.keys(found?.options ?? {}), 'config', 'help'];
    for (const word of words.filter((one) => one.startsWith('--') && one !== '--')) {
      const option = word.slice(2).split('=')[0] ?? '';
      expect({ words, option, known: options.includes(option) }).toEqual({ words, option, known: true });
    }
  }
});
