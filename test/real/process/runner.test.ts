/** S7, R4: nothing that another program does holds us up. Traps measured in the toolchain, each as a test. */
import { notInstalled } from '../../../src/real/process/packages.ts';
import { run } from '../../../src/real/process/runner.ts';
import { pause } from '../../support/zookeeper.ts';

it('a program that ends is told with its code, output and time', async () => {
  const result = await run('sh', ['-c', 'echo out; echo err >&2; exit 3'], { deadlineMs: 5000 });
  expect(result).toMatchObject({ kind: 'exited', code: 3, stdout: 'out', stderr: 'err' });
});

it('a missing program is said to be missing', async () => {
  expect(await run('/no/such/program', [], { deadlineMs: 1000 })).toMatchObject({
    kind: 'missing',
    because: '/no/such/program is not installed',
  });
});

it("execa's trap: a grandchild that keeps stdout open and ignores SIGTERM does not hold us up, and is killed too", async () => {
  const result = await run('sh', ['-c', 'trap "" TERM; echo $$; sleep 61.5 & wait; sleep 61.5'], { deadlineMs: 300 });
  expect(result.kind).toBe('timed-out');
  expect(result.tookMs).toBeLessThan(300 + 700);
  await pause(200);
  const left = await run('pgrep', ['-f', 'sleep 61.5'], { deadlineMs: 1000 });
  expect(left).toMatchObject({ kind: 'exited', code: 1, stdout: '' });
});

it('a program that ends politely on SIGTERM was late all the same', async () => {
  const result = await run('sleep', ['30'], { deadlineMs: 200 });
  expect(result.kind).toBe('timed-out');
  expect(result.tookMs).toBeLessThan(450);
});

it('a grandchild that leaves the process group does not hold us up either', async () => {
  const result = await run('sh', ['-c', 'setsid sleep 3.25 & sleep 30'], { deadlineMs: 300 });
  expect(result.kind).toBe('timed-out');
  expect(result.tookMs).toBeLessThan(1000);
});

it('no shell: words are words', async () => {
  const words = ['; rm -rf /', '$(id)', '`id`', "'", '"', '\n', '*'];
  const result = await run('printf', ['%s|', ...words], { deadlineMs: 1000 });
  expect(result).toMatchObject({ kind: 'exited', stdout: words.map((word) => `${word}|`).join('') });
});

it('S10: a secret in the environment is not in the arguments, and our own environment does not leak', async () => {
  process.env['NODEKEEPER_TEST_LEAK'] = 'leak';
  const result = await run('sh', ['-c', 'tr "\\0" " " < /proc/$$/cmdline; echo; env'], {
    deadlineMs: 2000,
    env: { IPMI_PASSWORD: 'sesame' },
  });
  delete process.env['NODEKEEPER_TEST_LEAK'];
  if (result.kind !== 'exited') throw new Error(result.kind);
  const [line = '', ...env] = result.stdout.split('\n');
  expect(line).not.toContain('sesame');
  expect(env).toContain('IPMI_PASSWORD=sesame');
  expect(env.join('\n')).not.toContain('NODEKEEPER_TEST_LEAK');
});

it('output without end is cut, not collected', async () => {
  const result = await run('sh', ['-c', 'yes'], { deadlineMs: 3000 });
  const size = 'stdout' in result ? result.stdout.length : 0;
  expect(size).toBeLessThanOrEqual(256 * 1024);
  expect(result.tookMs).toBeLessThan(4000);
});

it('input is given', async () => {
  expect(await run('cat', [], { deadlineMs: 1000, input: 'action=metadata\n' })).toMatchObject({
    kind: 'exited',
    stdout: 'action=metadata',
  });
});

it('a program that is missing is named with the package that brings it, where that is known', async () => {
  const missing = { PATH: '/no/such/folder' };
  expect(await run('ipmitool', ['-V'], { deadlineMs: 1000, env: missing })).toMatchObject({
    kind: 'missing',
    because: 'ipmitool is not installed (Debian: apt-get install ipmitool)',
  });
  expect(notInstalled('/usr/sbin/fence_ipmilan')).toMatch(/apt-get install fence-agents/);
  expect(notInstalled('my-own')).toBe('my-own is not installed');
});
