/** Prints the licenses of every library that the package contains: those bundled (dist/bundled*.json), and the client's. */
import { readFileSync, readdirSync } from 'node:fs';

const [noded, nodectl] = ['', '-cli'].map(
  (which) => JSON.parse(readFileSync(`dist/bundled${which}.json`, 'utf8')).inputs,
);
const inputs = { ...noded, ...nodectl };
const bundled = Object.keys(inputs).flatMap((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []);
const libraries = [...new Set([...bundled, 'node-zookeeper-client', 'async', 'underscore'])].sort();
for (const library of libraries) {
  const folder = `node_modules/${library}`;
  const { version, license, author } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8'));
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  const by = typeof author === 'object' ? author?.name : author;
  const text =
    file === undefined ? `${license}${by === undefined ? '' : `, ${by}`}\n` : readFileSync(`${folder}/${file}`, 'utf8');
  process.stdout.write(`${'='.repeat(78)}\n${library} ${version} (${license})\n${'='.repeat(78)}\n${text.trim()}\n\n`);
}
