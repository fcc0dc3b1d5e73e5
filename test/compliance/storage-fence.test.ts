/** The promises of environment/storage-fence.ts on both sides of the seam. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import { realStorageFence } from '../../src/real/resources/storage-fence.ts';
import { VirtualTime } from '../../src/sim/clock.ts';
import { SimProcess } from '../../src/sim/process.ts';
import { simStorageFence } from '../../src/sim/storage-fence.ts';
import { settleIn } from '../support/virtual.ts';

const dir = mkdtempSync(join(tmpdir(), 'nk-storage-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const facts = { node: 'node2', fenceId: 'f-1' };
const timeoutMs = 800;

function real(script: string) {
  const storageFence = { command: ['bash', '-c', script], timeout: `${timeoutMs}ms` };
  const loaded = loadConfig(
    JSON.stringify({ cluster: { name: 'c' }, zookeeper: { servers: ['a:1'] }, vms: { storageFence } }),
  );
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.errors));
  const fence = realStorageFence(loaded.config.vms);
  if (fence === null) throw new Error('it is configured');
  return { cutOff: () => fence.cutOff(facts), nowMs: () => performance.now() };
}

function simulated(mode: 'ok' | 'start-fails' | 'start-hangs') {
  const time = new VirtualTime();
  const options = { process: new SimProcess(time), timeoutMs, mode: () => mode, onCutOff: () => undefined };
  const fence = simStorageFence(options);
  const settle = settleIn(time);
  return { cutOff: () => settle(fence.cutOff(facts)), nowMs: () => time.nowMs };
}

describe.each([
  ['real', () => real('true'), () => real('echo no such pool >&2; exit 1'), () => real('trap "" TERM; sleep 60')],
  ['simulated', () => simulated('ok'), () => simulated('start-fails'), () => simulated('start-hangs')],
] as const)('the storage fence: %s', (_side, fine, failing, hanging) => {
  it('STF2: exit code 0 is success, everything else a failure with its reason, and it may be called again', async () => {
    const under = fine();
    for (let times = 0; times < 2; times += 1) expect((await under.cutOff()).ok).toBe(true);
    expect(await failing().cutOff()).toMatchObject({
      ok: false,
      because: expect.stringContaining('exit code 1') as string,
    });
  });

  it('STF1: what hangs ends within its timeout plus a second', async () => {
    const under = hanging();
    const startMs = under.nowMs();
    expect((await under.cutOff()).ok).toBe(false);
    expect(under.nowMs() - startMs).toBeLessThan(timeoutMs + 1000);
  });
});

it('STF3: the command knows the node and the fence', async () => {
  const out = join(dir, 'env');
  await real(`echo "$NODEKEEPER_HOOK $NODEKEEPER_NODE $NODEKEEPER_FENCE_ID" > ${out}`).cutOff();
  expect(readFileSync(out, 'utf8').trim()).toBe('storage-fence node2 f-1');
});

it('none is configured: there is none', () => {
  const loaded = loadConfig(JSON.stringify({ cluster: { name: 'c' }, zookeeper: { servers: ['a:1'] } }));
  expect(loaded.ok && realStorageFence(loaded.config.vms)).toBeNull();
});
