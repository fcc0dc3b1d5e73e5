/** The man pages, as groff sets them: every command, option and key stands there, and nothing makes groff complain. */
import { execFileSync, spawnSync } from 'node:child_process';
import { manPages } from '../../src/cli/man.ts';
import { commands } from '../../src/cli/commands/all.ts';
import { configKeys } from '../../src/config/reference.ts';

const pages = manPages('1.2.3');
const shown = (name: string) => {
  const text = execFileSync('groff', ['-man', '-Tascii', '-P-cbou', '-rLL=200n'], {
    input: pages[name] ?? '',
  }).toString();
  return text.replaceAll(/\s+/g, ' ');
};

it.each(Object.keys(pages))('%s: groff has nothing to complain about', (name) => {
  const said = spawnSync('groff', ['-man', '-ww', '-Tascii', '-z'], { input: pages[name] ?? '' });
  expect({ code: said.status, stderr: said.stderr.toString() }).toEqual({ code: 0, stderr: '' });
});

it('every command stands in nodectl(1), with its options and the exit codes', () => {
  const text = shown('nodectl.1');
  for (const { usage } of commands) expect(text).toContain(`nodectl ${usage.split(' ')[0] ?? ''}`);
  expect(text).toMatch(/--force-live/);
  expect(text).toMatch(/EXIT STATUS .*refused by a safety rule/);
  expect(text).toMatch(/nodekeeper 1\.2\.3/);
});

it('every key stands in nodekeeper.yaml(5), with its default', () => {
  const text = shown('nodekeeper.yaml.5');
  for (const { path } of configKeys()) expect(text).toContain(path);
  expect(text).toMatch(/keepalive\.interval .*Default: "5s"/);
});

it('noded(8) says what signals and exit codes mean', () => {
  expect(shown('noded.8')).toMatch(/SIGHUP .*SIGQUIT[\s\S]*EXIT STATUS/);
});
