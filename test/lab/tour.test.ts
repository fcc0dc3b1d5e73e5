/**
 * docs/TOUR.md, walked on a fresh lab: each block of it says what its commands print, in other names, numbers and times.
 * With NODEKEEPER_REWRITE=1 what they print now is written into it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { LabDriver } from '../support/lab.ts';

const file = new URL('../../docs/TOUR.md', import.meta.url);
const rewriting = process.env['NODEKEEPER_REWRITE'] === '1';
const lab = new LabDriver();

afterAll(async () => {
  await lab.end();
});

/**
 * What stays the same from one run to the next: words. A dead node's other observers may reach a verdict before they see what the
 * first one has done, by other evidence perhaps, or may not: the first verdict stays.
 */
function words(text: string): string[] {
  const lines = text
    .split('\n')
    .map((line) =>
      line
        .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?/g, 'TIME')
        .replace(/node\d/g, 'NODE')
        .replace(/root@\S+/g, 'root@HOST')
        .replace(/(less than )?\d[\d.]*( ?(ms|s|m|h|min|%))?/g, 'N')
        .replace(/[-─]{3,}/g, '---')
        .replace(/\s+/g, ' ')
        .trim(),
    )
    .filter((line) => line !== '');
  const isVerdict = (line: string) => line.includes(' verdict: ');
  return lines.filter((line, at) => !isVerdict(line) || lines.findIndex(isVerdict) === at);
}

/** The words of a command line; only quotes have a meaning. */
const split = (line: string) => [...line.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '');

async function run(line: string): Promise<string> {
  const [script, ...rest] = split(line);
  expect(script).toBe('scripts/lab');
  const said = await lab.say(rest);
  const printed = said.code === 0 ? '' : said.stdout + said.stderr;
  expect({ line, code: said.code, printed }).toEqual({ line, code: 0, printed: '' });
  return said.stdout.trimEnd();
}

/**
 * A single saving throw is everyday (two beats that crossed), and an observer's last keepalive may be older than the start
 * that it still excuses: what shows one of them is looked at again.
 */
async function look(line: string): Promise<string> {
  let output = await run(line);
  for (let again = 0; again < 5 && / 1\/\d+ |saving throw 1 of|excused: it is starting/.test(output); again += 1) {
    await lab.healthy();
    output = await run(line);
  }
  return output;
}

it('every command prints what the tour says', async () => {
  const text = readFileSync(file, 'utf8');
  let walked = text;
  for (const [block, kind, body = ''] of text.matchAll(/```(sh|console)\n([^]*?)\n?```/g)) {
    if (kind === 'sh') {
      for (const line of body.split('\n').filter((each) => each.startsWith('scripts/lab '))) await run(line);
      if (body.includes('lab up')) await settled();
      if (body.includes('power')) await fencedAndBack();
      continue;
    }
    const parts = body.split(/^(?=# )/m);
    let now = '```console\n';
    for (const part of parts) {
      const [command = '', ...printed] = part.split('\n');
      // Whose beat is just late counts as silent for the guard against storms, and that is what would be said.
      if (command.includes('simulate')) await lab.healthy();
      const output = await look(command.replace('# ', ''));
      now += `${command}\n${output}\n`;
      if (!rewriting) expect({ command, words: words(output) }).toEqual({ command, words: words(printed.join('\n')) });
    }
    walked = walked.replace(block, `${now}\`\`\``);
  }
  if (rewriting) writeFileSync(file, walked);
  expect(await run('scripts/lab ctl status')).toContain('4 of 4 nodes run');
}, 180_000);

/** As the tour finds the cluster: everybody proved everybody, and node2 is not primary yet. */
async function settled(): Promise<void> {
  await lab.healthy();
  await lab.until('fencing is proved', 30_000, async () => (await lab.say(['ctl', 'fence-check'])).code === 0);
  await lab.until('the quiet period is over', 30_000, async () => {
    return (await lab.say(['ctl', 'fence', 'simulate', 'node4'])).code === 0;
  });
  const { primary } = JSON.parse(await lab.do('ctl', 'status', '--json')) as { primary: { holder: string } };
  if (primary.holder !== 'node1') await lab.do('ctl', 'primary', 'takeover', '--node', 'node1');
}

/** The reader waits a few seconds, too. */
async function fencedAndBack(): Promise<void> {
  await lab.until('it is fenced', 30_000, async () =>
    (await lab.fences()).some(({ recordedAt }) => recordedAt !== null),
  );
  await lab.until('it has come back', 30_000, async () =>
    (await lab.events()).some(({ kind, node }) => kind === 'rejoined' && node !== null),
  );
  await lab.healthy();
}
