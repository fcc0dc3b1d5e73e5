/**
 * S1: what runs under `nodectl primary run` has ended before another node is primary, whatever is killed or stopped. Real
 * nodeds, a real ZooKeeper, a real terminal; the command forks, forks twice and changes its session.
 */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TwoNodes, nodectlMain } from '../support/two-nodes.ts';
import { pause, until } from '../support/zookeeper.ts';

const nodes = new TwoNodes();
const tmux = (...words: string[]) => execFileSync('tmux', ['-L', `nk-${process.pid}`, ...words], { encoding: 'utf8' });
let round = 0;

beforeAll(async () => {
  await nodes.start();
  // Every 50 ms each of the processes writes the time; none of them heeds a signal that can be ignored.
  writeFileSync(
    join(nodes.dir, 'tick'),
    '#!/bin/bash\ntrap "" TERM HUP INT\nwhile :; do echo $EPOCHREALTIME $$ >> "$1"; sleep 0.05; done\n',
    { mode: 0o755 },
  );
  writeFileSync(
    join(nodes.dir, 'tree'),
    `#!/bin/bash
cd ${nodes.dir}
(setsid bash -c "(./tick $1.twice &)" &)
./tick $1.child &
[ "$2" = dies ] && { while :; do echo $EPOCHREALTIME $$ >> $1.main; sleep 0.05; done; }
exec ./tick $1.main
`,
    { mode: 0o755 },
  );
}, 120_000);
afterAll(async () => {
  try {
    tmux('kill-server');
  } catch {
    // none was started
  }
  // What a failure left running ignores SIGTERM.
  for (const file of readdirSync(nodes.dir).filter((name) => /\.(main|child|twice)$/.test(name))) {
    const pid = Number(readFileSync(fileOf(file), 'utf8').trim().split(' ').at(-1));
    if (/tick/.test(commandLine(pid))) process.kill(pid, 'SIGKILL');
  }
  await nodes.stop();
});

const parts = ['main', 'child', 'twice'] as const;
const fileOf = (name: string) => join(nodes.dir, name);
/** When each of the command's processes wrote last, in ms; and their ids. */
function ticks(name: string): { readonly lastMs: number; readonly pids: number[] } {
  const last = parts.flatMap((part) => {
    const file = fileOf(`${name}.${part}`);
    return existsSync(file) ? [readFileSync(file, 'utf8').trim().split('\n').at(-1) ?? ''] : [];
  });
  const read = last.map((line) => line.split(' ').map(Number)).filter((words) => words.length === 2);
  return { lastMs: Math.max(...read.map(([s = 0]) => s * 1000)), pids: read.map(([, pid = 0]) => pid) };
}
const running = (name: string) => until('all of it runs', 40_000, () => ticks(name).pids.length === parts.length);
const stat = (pid: number): string[] => {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
  } catch {
    return []; // gone
  }
};
function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return ''; // gone
  }
}
const lives = (pid: number) => !['Z', 'X', undefined].includes(stat(pid)[0]);
const gone = (name: string) =>
  until('nothing of it runs any more', 40_000, () => !ticks(name).pids.some(lives)).catch(() => {
    throw new Error(`these still run: ${ticks(name).pids.filter(lives).join(', ')}`);
  });
async function stopped(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  await until(`${pid} stands still`, 5000, () => stat(pid)[0] === 'T');
}
const childrenOf = (pid: number) =>
  readdirSync('/proc')
    .map(Number)
    .filter((other) => Number(stat(other)[1]) === pid);
const guardOf = (front: number) =>
  childrenOf(front).find((pid) => commandLine(pid).startsWith('nodekeeper-guard')) ?? NaN;

function run(name: string, ...command: string[]): ChildProcess & { readonly pid: number } {
  const child = spawn(process.execPath, [nodectlMain, 'primary', 'run', '--', ...command], {
    stdio: 'ignore',
    env: nodes.environment(name),
  });
  return child as ChildProcess & { readonly pid: number };
}

interface Case {
  readonly name: string;
  readonly holder: string;
  readonly front: number;
  readonly guard: number;
}

/** Starts the command on the primary, lets `act` strike, hands the role to the other node; returns what is known then. */
async function struck(act: (strike: Case) => Promise<void>, hasEnded: boolean): Promise<void> {
  const { holder, other } = await nodes.settled();
  const name = `round${(round += 1)}`;
  const front = run(holder, fileOf('tree'), name);
  await running(name);
  const guard = guardOf(front.pid);
  await act({ name, holder, front: front.pid, guard });
  if (hasEnded) await gone(name);
  const waiting = run(other, 'bash', '-c', `echo $EPOCHREALTIME $$ >> ${fileOf(`${name}-other.main`)}`);
  await nodes.handTo(other);
  await until('it is primary', 40_000, () => ticks(`${name}-other`).pids.length > 0);
  const beganMs = ticks(`${name}-other`).lastMs;
  await pause(300);
  expect(ticks(name).lastMs).toBeLessThan(beganMs);
  await gone(name);
  for (const child of [front, waiting]) child.kill('SIGCONT');
  if (lives(guard)) process.kill(guard, 'SIGCONT');
  await until('all have ended', 20_000, () => ![front.pid, waiting.pid, guard].some(lives));
}

it('S1: nothing is struck: the command and all that it started end before the other node is primary', async () => {
  await struck(() => Promise.resolve(), false);
});

it('S1: nodectl is killed (SIGKILL, out of memory): all that the command started ends at once', async () => {
  await struck(({ front }) => Promise.resolve(void process.kill(front, 'SIGKILL')), true);
});

it('S1: nodectl is stopped (SIGSTOP): all of it ends before the other node is primary', async () => {
  await struck(({ front }) => stopped(front), false);
});

it('S1: the guard is stopped: noded ends all of it before it gives the role away', async () => {
  await struck(({ guard }) => stopped(guard), false);
  expect(nodes.log('node1') + nodes.log('node2')).toMatch(
    /ended a command whose guard had not renewed its hold in time/,
  );
});

it('S1: the guard is killed: all that the command started ends at once', async () => {
  await struck(({ guard }) => Promise.resolve(void process.kill(guard, 'SIGKILL')), true);
});

it('S1: nodectl and its guard are stopped: noded ends all of it', async () => {
  await struck(async ({ front, guard }) => {
    await stopped(front);
    await stopped(guard);
  }, false);
});

it('S1: noded is killed: the guard ends all of it when the promise has run out', async () => {
  await struck(async ({ holder, name }) => {
    nodes.noded(holder).kill('SIGKILL');
    await gone(name);
    nodes.startNoded(holder);
    await nodes.settled();
  }, true);
});

it('noded is killed: the command hears of it (SIGTERM) in time to end in good order', async () => {
  const { holder, other } = await nodes.settled();
  const file = fileOf(`round${(round += 1)}.order`);
  const words = `trap 'sleep 0.35; echo in good order >> ${file}; exit 0' TERM; echo runs > ${file}; while :; do sleep 0.02; done`;
  const front = run(holder, 'bash', '-c', words);
  await until('it runs', 40_000, () => existsSync(file));
  nodes.noded(holder).kill('SIGKILL');
  await until('nodectl has ended', 40_000, () => !lives(front.pid));
  expect(readFileSync(file, 'utf8')).toBe('runs\nin good order\n');
  nodes.startNoded(holder);
  await nodes.handTo(other); // the record names the killed life until then
});

it('S1: noded is killed while the guard is stopped: the next noded ends all of it before anything else', async () => {
  await struck(async ({ holder, guard, name }) => {
    await stopped(guard);
    nodes.noded(holder).kill('SIGKILL');
    nodes.startNoded(holder);
    await gone(name);
    await nodes.settled();
  }, true);
});

it('S1: the command itself ends: what it left running is ended with it, and said', async () => {
  const { holder } = await nodes.settled();
  const name = `round${(round += 1)}`;
  const words = `${fileOf('tree')} ${name} & sleep 1; exit 7`;
  const said = await nodes.nodectl(holder, 'primary', 'run', '--', 'bash', '-c', words);
  expect(said).toMatchObject({
    code: 7,
    stderr: expect.stringMatching(/ended \d+ processes that the command had left/) as string,
  });
  await gone(name);
});

describe('while it waits', () => {
  /** What it says within 20 s, and its exit code, if it ends by itself. */
  async function said(env: Record<string, string>, pattern: RegExp, ...more: string[]) {
    const child = spawn(process.execPath, [nodectlMain, 'primary', 'run', ...more, '--', 'true'], { env });
    let stderr = '';
    child.stderr.on('data', (part: Buffer) => (stderr += part.toString()));
    const code = new Promise<number | null>((resolve) => child.once('exit', resolve));
    await until(`it says ${pattern.source}`, 20_000, () => pattern.test(stderr));
    await pause(1000); // it asks again, and says nothing twice
    child.kill('SIGINT');
    return { stderr, code: await code };
  }

  it('on the secondary it says for whom it waits', async () => {
    const { holder, other } = await nodes.settled();
    const { stderr } = await said(nodes.environment(other), /primary/);
    expect(stderr).toBe(`nodectl: waits until this machine is primary: ${holder} is primary\n`);
  });

  it('when the command has ended it says that it waits for the next time', async () => {
    const { holder } = await nodes.settled();
    const { stderr } = await said(nodes.environment(holder), /next time/, '--once-per-epoch');
    expect(stderr).toMatch(
      /^nodectl: waits for the next time that this machine becomes primary \(it is, with epoch \d+\)\n$/,
    );
  });

  it('without a noded it says which one is missing, and goes on waiting', async () => {
    const file = join(nodes.dir, 'alone.yaml');
    const alone = readFileSync(nodes.config('node1'), 'utf8').replaceAll('node1', 'alone');
    writeFileSync(file, alone, { mode: 0o600 });
    const { stderr } = await said({ ...nodes.environment('node1'), NODEKEEPER_CONFIG: file }, /noded/);
    expect(stderr).toMatch(
      /^nodectl: waits until .*: the noded of this machine does not answer on .*alone\.sock \(.*\)\n$/,
    );
  });

  it('on a worker it ends at once: a worker never is primary', async () => {
    const file = join(nodes.dir, 'worker.yaml');
    const worker = readFileSync(nodes.config('node1'), 'utf8').replace('name: node1', 'name: worker, role: worker');
    writeFileSync(file, worker, { mode: 0o600 });
    const child = await said({ ...nodes.environment('node1'), NODEKEEPER_CONFIG: file }, /worker/);
    expect(child).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/never is primary; nothing was run/) as string,
    });
  });
});

describe('in a terminal', () => {
  /** A shell in tmux whose nodectl asks the primary. */
  async function terminal(): Promise<{
    readonly holder: string;
    readonly other: string;
    readonly screen: () => string;
  }> {
    const { holder, other } = await nodes.settled();
    const name = `t${(round += 1)}`;
    tmux(
      'new-session',
      '-d',
      '-s',
      name,
      '-x',
      '200',
      '-y',
      '50',
      `NODEKEEPER_CONFIG=${nodes.config(holder)} bash --norc`,
    );
    tmux(
      'send-keys',
      '-t',
      name,
      `PS1='ready> '; nodectl() { ${process.execPath} ${nodectlMain} "$@"; }; clear`,
      'Enter',
    );
    return { holder, other, screen: () => tmux('capture-pane', '-p', '-t', name) };
  }
  const keys = (...words: string[]) => tmux('send-keys', '-t', `t${round}`, ...words);

  it('S1: Ctrl-Z: the command stands still, and ends before another node is primary; fg tells it', async () => {
    const { other, screen } = await terminal();
    const name = `z${round}`;
    keys(`${process.execPath} ${nodectlMain} primary run -- ${fileOf('tree')} ${name}`, 'Enter');
    await running(name);
    keys('C-z');
    await until('the shell has the terminal', 10_000, () => /Stopped/.test(screen()));
    const waiting = run(other, 'bash', '-c', `echo $EPOCHREALTIME $$ >> ${fileOf(`${name}-other.main`)}`);
    await nodes.handTo(other);
    await until('it is primary', 40_000, () => ticks(`${name}-other`).pids.length > 0);
    expect(ticks(name).lastMs).toBeLessThan(ticks(`${name}-other`).lastMs);
    await gone(name);
    keys('fg', 'Enter');
    await until('nodectl tells it', 20_000, () => /nodectl: ended:/.test(screen()));
    await until('the other has ended', 20_000, () => !lives(waiting.pid));
  });

  it('Ctrl-Z and fg: the command goes on where it was', async () => {
    const { screen } = await terminal();
    const file = fileOf(`plain${round}.main`);
    const words = `bash -c 'for n in $(seq 60); do echo $EPOCHREALTIME $$ >> ${file}; sleep 0.1; done; echo finished'`;
    keys(`${process.execPath} ${nodectlMain} primary run -- ${words}`, 'Enter');
    await until('it runs', 30_000, () => existsSync(file));
    keys('C-z');
    await until('the shell has the terminal', 10_000, () => /Stopped/.test(screen()));
    const lines = () => readFileSync(file, 'utf8').split('\n').length;
    await pause(300);
    const before = lines();
    await pause(1000);
    expect(lines()).toBe(before);
    keys('fg', 'Enter');
    await until('it has ended', 30_000, () => /^finished/m.test(screen()));
  });

  it('the command reads from the terminal, and gets each Ctrl-C once', async () => {
    const { screen } = await terminal();
    const file = fileOf(`int${round}`);
    const words = `bash -c 'trap "echo int >> ${file}" INT; read -r x; echo "got <$x>"; while [ "$(wc -l < ${file})" -lt 2 ]; do sleep 0.1; done; sleep 1; exit 5'`;
    writeFileSync(file, '');
    keys(`${process.execPath} ${nodectlMain} primary run -- ${words}; echo "code $?"`, 'Enter');
    await pause(3000);
    keys('hello', 'Enter');
    await until('it has read', 30_000, () => /^got <hello>/m.test(screen()));
    keys('C-c');
    await until('it has got one', 10_000, () => readFileSync(file, 'utf8') === 'int\n');
    await pause(500);
    expect(readFileSync(file, 'utf8')).toBe('int\n');
    keys('C-c');
    await until('it has ended', 20_000, () => /code 5$/m.test(screen()));
    expect(readFileSync(file, 'utf8')).toBe('int\nint\n');
  });

  it('the terminal is closed (SIGHUP): the command ends, and with it what ignores that signal', async () => {
    await terminal();
    const name = `h${round}`;
    keys(`${process.execPath} ${nodectlMain} primary run -- ${fileOf('tree')} ${name} dies`, 'Enter');
    await running(name);
    tmux('kill-session', '-t', `t${round}`);
    await gone(name);
  });
});
