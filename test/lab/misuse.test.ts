/** The lab survives its own misuse, and leaves nothing behind. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { LabDriver } from '../support/lab.ts';
import { runProgram } from '../support/program.ts';
import { pause } from '../support/zookeeper.ts';

const script = new URL('../../scripts/lab', import.meta.url).pathname;
const lab = new LabDriver();
afterAll(() => lab.end());
const cgroup = () => readFileSync(`${lab.dir}/cgroup`, 'utf8').trim();

it('down on nothing is no error; every other command says that no lab is up', async () => {
  expect(await lab.say(['down'])).toMatchObject({ code: 0, stderr: expect.stringContaining('no lab is up') as string });
  for (const words of [
    ['ps'],
    ['power', 'node1', 'off'],
    ['ctl', 'status'],
    ['timeline'],
    ['heal'],
    ['exec', 'node1', '--', 'true'],
  ]) {
    const said = await lab.say(words);
    expect({ words, code: said.code, named: said.stderr.includes('no lab is up') }).toEqual({
      words,
      code: 1,
      named: true,
    });
  }
});

it('wrong words are refused with what is known', async () => {
  expect(await lab.say(['up', '--nodes', '0'])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/--nodes takes a number/) as string,
  });
  expect(await lab.say(['up', '--nodes', '2', '--zookeepers', '3'])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/--zookeepers takes/) as string,
  });
  expect(await lab.say(['up', '--set', 'keepalive.intervall=1s'])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/did you mean "interval"/) as string,
  });
  expect(await lab.say(['upp'])).toMatchObject({ code: 1 });
  expect(existsSync(`${lab.dir}/lab.json`)).toBe(false);
});

it('Ctrl-C in the middle of up takes everything down again', async () => {
  const child = spawn(script, ['--dir', lab.dir, 'up', '--nodes', '2'], { stdio: 'ignore' });
  while (!existsSync(`${lab.dir}/ready`)) await pause(20);
  const group = cgroup();
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  child.kill('SIGINT');
  expect(await ended).toBe(130);
  expect(existsSync(lab.dir)).toBe(false);
  expect(existsSync(group)).toBe(false);
});

it('clock: noded sees the hour, its host does not, and nothing comes of it', async () => {
  await lab.up(['--nodes', '1', '--clocks'], ['keepalive.interval=1s', 'detection.savingThrows=3']);
  expect(await lab.say(['clock', 'node1', 'sideways', '1h'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('clock takes ahead DURATION') as string,
  });
  await lab.do('clock', 'node1', 'ahead', '1h');
  // SIGQUIT: noded writes its state into its log, with the time that it sees.
  await lab.until('noded sees another hour', 10_000, async () => {
    await lab.do('exec', 'node1', '--', 'pkill', '-QUIT', '-f', '[d]aemon/main.js');
    await pause(300);
    const times = [...(lab.logs().get('noded-node1.log') ?? '').matchAll(/"time":"([^"]+)"/g)];
    const aheadMs = new Date(times.at(-1)?.[1] ?? 0).getTime() - Date.now();
    return Math.abs(aheadMs - 3_600_000) < 10_000;
  });
  const told = Number(await lab.do('exec', 'node1', '--', 'date', '+%s%3N'));
  expect(Math.abs(told - Date.now())).toBeLessThan(10_000);
  expect(await lab.node('node1')).toMatchObject({ state: 'run', throws: 0 });
  await lab.do('clock', 'node1', 'right');
  await lab.do('down');
});

it('up twice is refused and harms nothing; commands on unknown hosts and modes are refused; down leaves nothing', async () => {
  await lab.do('up', '--nodes', '1', '--set', 'keepalive.interval=1s', '--set', 'detection.savingThrows=3');
  expect(await lab.say(['up'])).toMatchObject({ code: 1, stderr: expect.stringContaining('already up') as string });
  expect((await lab.node('node1'))?.state).toBe('run');
  for (const [words, message] of [
    [['power', 'node9', 'off'], /there is no host "node9"; the hosts are node1/],
    [['power', 'node1', 'perhaps'], /power takes on, off or cycle/],
    [['bmc', 'node1', 'angry'], /bmc takes ok, down/],
    [['freeze', 'node1', '--process', 'bash'], /--process takes noded/],
    [['clock', 'node1', 'ahead', '1h'], /the clocks of this lab are the machine's/],
    [['hang', 'node1', '../x'], /a subsystem is one of/],
    [['cut', 'node1', '--from', 'node1'], /cannot be cut from itself/],
    [['exec', 'node1'], /say what to run/],
  ] as const) {
    const said = await lab.say(words);
    expect({ words, code: said.code }).toEqual({ words, code: 1 });
    expect(said.stderr).toMatch(message);
  }
  expect(await lab.say(['exec', 'node1', '--', 'sh', '-c', 'hostname; exit 7'])).toMatchObject({
    code: 7,
    stdout: 'node1\n',
  });
  for (const words of [
    ['power', 'node1', 'on'],
    ['heal'],
    ['heal', 'node1'],
    ['thaw', 'node1'],
    ['unhang', 'node1', 'ceph'],
    ['bmc', 'node1', 'ok'],
  ])
    expect((await lab.say(words)).code).toBe(0);
  const group = cgroup();
  await lab.do('down');
  expect(existsSync(lab.dir)).toBe(false);
  expect(existsSync(group)).toBe(false);
  const mounts = readFileSync('/proc/mounts', 'utf8');
  expect(mounts).not.toContain(lab.dir);
});

it('a folder that cannot be one is said in a sentence', async () => {
  for (const dir of ['/etc/hostname', '/etc/hostname/lab']) {
    const said = await runProgram(script, ['--dir', dir, 'up', '--nodes', '1'], { cwd: '/' });
    expect(said).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^lab: no lab can live in/m) as string,
    });
    expect(said.stderr).not.toMatch(/node:fs|^ +at /m);
  }
});
