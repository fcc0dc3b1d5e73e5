/**
 * A checker that never fails is no checker: the agents are broken on purpose, one rule at a time, and random stories must
 * find each within the stated number of seeds, or the story that is named. docs/proof.md has the table; NODEKEEPER_REWRITE=1 searches all
 * anew and writes it. Otherwise the seed of the table is played first, and searched for again only where it finds nothing any more.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { mutations } from './mutations.ts';
import type { Mutation } from './mutations.ts';

interface Answer {
  readonly ran: number;
  readonly found: {
    readonly seed: number;
    readonly findings: readonly { readonly rule: string; readonly text: string }[];
  } | null;
}

interface Played {
  readonly findings: readonly { readonly rule: string; readonly text: string }[];
  readonly unmet: readonly string[];
}

const root = new URL('../../', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'nodekeeper-mutants-'));
/** The longest takes half a minute on a quiet machine; scripts/test plays them beside the labs. */
const patienceMs = 580_000;
const document = join(root, 'docs/proof.md');
const isRewriting = process.env['NODEKEEPER_REWRITE'] === '1';
/** Mutation -> the seed, or the story, that found it. */
const foundBy = new Map<string, string>();

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  if (isRewriting && foundBy.size === mutations.length) writeTable();
});

/** The program that runs seeds, with the agents changed as `mutation` says; null: as they are. */
async function bundle(name: string, mutation: Mutation | null): Promise<string> {
  const outfile = join(folder, `${name}.mjs`);
  const changed = new Map<string, string>();
  for (const { file, find, put } of mutation?.edits ?? []) {
    const path = resolve(root, file);
    const text = changed.get(path) ?? readFileSync(path, 'utf8');
    expect({ file, find, times: text.split(find).length - 1 }).toEqual({ file, find, times: 1 });
    changed.set(
      path,
      text.replace(find, () => put),
    );
  }
  await build({
    entryPoints: [join(root, 'src/proof/mutant.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile,
    logLevel: 'silent',
    banner: {
      js: "import { createRequire } from 'node:module'; globalThis.require ??= createRequire(import.meta.url);",
    },
    plugins: [
      {
        name: 'mutation',
        setup(plugin) {
          plugin.onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
            const text = changed.get(path);
            return text === undefined ? undefined : { contents: text, loader: 'ts' };
          });
        },
      },
    ],
  });
  return outfile;
}

async function program(file: string, args: readonly string[]): Promise<unknown> {
  const { stdout } = await promisify(execFile)(process.execPath, [file, ...args], {
    timeout: patienceMs,
    maxBuffer: 64 * 1024 * 1024,
  });
  return JSON.parse(stdout);
}

async function run(file: string, [from, to]: readonly [number, number], rule?: string): Promise<Answer> {
  return (await program(file, [String(from), String(to), ...(rule === undefined ? [] : [rule])])) as Answer;
}

/** The story as it is kept, played by the broken agents: it breaks the rule, or what it expects does not happen. */
async function playStory(file: string, story: string): Promise<void> {
  const played = (await program(file, [join(root, 'test/scenarios', story, 'scenario.yaml')])) as Played;
  expect({ story, ...played, isNoticed: played.findings.length + played.unmet.length > 0 }).toMatchObject({
    isNoticed: true,
  });
}

it('the agents as they are break no rule', async () => {
  expect(await run(await bundle('whole', null), [1, 20])).toEqual({ ran: 20, found: null });
});

it.each(mutations.map((mutation, index) => ({ ...mutation, index })))(
  '$rule: $what',
  async (mutation) => {
    const file = await bundle(`m${mutation.index}`, mutation);
    if (mutation.story !== undefined) {
      await playStory(file, mutation.story);
      foundBy.set(mutation.what, `\`${mutation.story}\``);
      return;
    }
    const known = isRewriting ? undefined : Number(listed().find(({ what }) => what === mutation.what)?.by);
    const played = Number.isInteger(known) ? await run(file, [Number(known), Number(known)], mutation.rule) : null;
    const answer = played?.found == null ? await run(file, [1, mutation.within], mutation.rule) : played;
    const rules = answer.found?.findings.map(({ rule }) => rule) ?? [];
    expect({ ...answer, rules }).toMatchObject({ rules: expect.arrayContaining([mutation.rule]) as string[] });
    foundBy.set(mutation.what, String(answer.found?.seed ?? NaN));
  },
  600_000,
);

it('docs/proof.md lists exactly these mutations', () => {
  if (isRewriting) return; // it is written when all have run
  const found = (by: string) => (/^\d+$/.test(by) ? 'seed' : by);
  expect(listed().map(({ rule, what, by }) => ({ rule, what, by: found(by) }))).toEqual(
    mutations.map(({ rule, what, story }) => ({ rule, what, by: story === undefined ? 'seed' : `\`${story}\`` })),
  );
});

/** The table of the document. */
function listed(): { readonly rule: string; readonly what: string; readonly by: string }[] {
  const rows = readFileSync(document, 'utf8').matchAll(/^\| (S\d+) +\| (.+?) +\| +(\d+|`[a-z\d-]+`) \|$/gm);
  return [...rows].map(([, rule = '', what = '', by = '']) => ({ rule, what, by }));
}

function writeTable(): void {
  const rows = mutations.map(({ rule, what }) => `| ${rule} | ${what} | ${foundBy.get(what) ?? '?'} |`);
  const table = ['| rule | the agent, broken | found by seed, or story |', '| --- | --- | ---: |', ...rows].join('\n');
  const text = readFileSync(document, 'utf8');
  const between = /(<!-- mutations -->\n)[^]*(<!-- \/mutations -->)/;
  writeFileSync(
    document,
    text.replace(between, (_, before: string, after: string) => `${before}\n${table}\n\n${after}`),
  );
}
