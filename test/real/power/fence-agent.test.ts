/** Fence agents of ClusterLabs' kind, real ones and bad ones, against a real BMC simulator. */
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AgentDevice } from '../../../src/records/device.ts';
import { agentComplaints, complaints, parseMetadata } from '../../../src/real/power/agent-metadata.ts';
import { orderByAgent, probeByAgent, readByAgent, standardInput } from '../../../src/real/power/fence-agent.ts';
import { judgeProbe } from '../../../src/core/verification.ts';
import { IpmiSim, bmcPassword } from '../../support/ipmi-sim.ts';

const own = new URL('../../support/fence-agent.sh', import.meta.url).pathname;
const deadlineMs = 8000;
const dir = mkdtempSync(join(tmpdir(), 'nk-agent-'));
let bmc: IpmiSim;

beforeAll(async () => {
  bmc = await IpmiSim.start();
});
afterAll(() => {
  bmc.stop();
  rmSync(dir, { recursive: true, force: true });
});
beforeEach(() => bmc.setPower(true));

const device = (options: Record<string, string> = {}, agent = own): AgentDevice => ({
  kind: 'agent',
  name: 'pdu',
  agent,
  options: {
    ip: '127.0.0.1',
    username: 'operator',
    ...(agent === own ? { port: String(bmc.port) } : { ipport: String(bmc.port) }),
    ...options,
  },
  secrets: { password: bmcPassword },
  commandTimeoutMs: deadlineMs,
  delayMs: 0,
  retries: 3,
});
const ipmilan = (more: Record<string, string> = {}) =>
  device({ lanplus: '1', privlvl: 'operator', cipher: '3', ...more }, 'fence_ipmilan');
const script = (name: string, body: string) => {
  const file = join(dir, name);
  writeFileSync(file, `#!/bin/sh\n${body}\n`);
  chmodSync(file, 0o755);
  return file;
};

describe.each([
  ['our own', () => device()],
  ["Debian's fence_ipmilan", () => ipmilan()],
])('%s', (_name, make) => {
  it('reads, orders off and on; only a reading says that it is so', async () => {
    expect(await readByAgent(make(), deadlineMs)).toMatchObject({ power: 'on', fault: null });
    expect(await orderByAgent(make(), 'off', deadlineMs)).toMatchObject({ accepted: true });
    expect(await readByAgent(make(), deadlineMs)).toMatchObject({ power: 'off', fault: null });
    expect(await orderByAgent(make(), 'on', deadlineMs)).toMatchObject({ accepted: true });
    expect(await readByAgent(make(), deadlineMs)).toMatchObject({ power: 'on' });
  }, 30_000);

  it('a probe proves login and reading, and switches nothing', async () => {
    const before = bmc.orders().length;
    const probe = await probeByAgent(make(), 2 * deadlineMs);
    expect(judgeProbe(probe, null)).toMatchObject({ canFence: true });
    expect(bmc.orders()).toHaveLength(before);
  }, 30_000);

  it('a wrong password is a fault, never off', async () => {
    bmc.setPower(false);
    const wrong = { ...make(), secrets: { password: 'not-this' } };
    const reading = await readByAgent(wrong, deadlineMs);
    expect(reading.power).toBe('unknown');
    expect(JSON.stringify(reading)).not.toContain('not-this');
    expect((await orderByAgent(wrong, 'on', deadlineMs)).accepted).toBe(false);
  }, 30_000);

  it('nothing of its configuration is complained about', async () => {
    expect(await agentComplaints(make())).toEqual([]);
  }, 15_000);
});

describe('bad agents', () => {
  it.each([
    ['garbage', /on/],
    ['hang', /was ended after/],
    ['exit-7', /exit code 7: something else/],
    ['usage', /exit code 2: usage/],
  ])('%s is never off', async (mode, because) => {
    bmc.setPower(false);
    const reading = await readByAgent(device({ mode }), 1500);
    expect(reading.power).not.toBe('off');
    expect(reading.because).toMatch(because);
  });

  it('S4: success claimed while power is on is only a claim', async () => {
    const claims = device({ mode: 'claims' });
    expect(await orderByAgent(claims, 'off', deadlineMs)).toMatchObject({ accepted: true });
    expect(await readByAgent(claims, deadlineMs)).toMatchObject({ power: 'on' });
  }, 20_000);

  it('S10: a secret that an agent prints is not quoted, and none is ever in the arguments or the environment', async () => {
    const reading = await readByAgent(device({ mode: 'secret' }), deadlineMs);
    expect(reading.because).toMatch(/cannot log in with \*\*\*/);
    const hanging = orderByAgent(device({ mode: 'hang' }), 'off', 1000);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const seen = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .flatMap((pid) => {
        try {
          return [readFileSync(`/proc/${pid}/cmdline`, 'utf8'), readFileSync(`/proc/${pid}/environ`, 'utf8')];
        } catch {
          return []; // ended in the meantime
        }
      });
    expect(seen.filter((text) => text.includes(own)).length).toBeGreaterThan(0);
    // ipmitool of a test that runs beside this one has it in its environment, as it should.
    const foreign = (text: string) => text.includes('IPMI_PASSWORD=');
    expect(seen.filter((text) => text.includes(bmcPassword) && !foreign(text))).toEqual([]);
    expect((await hanging).fault).toBe('timeout');
  });

  it('an agent that is not there', async () => {
    const reading = await readByAgent(device({}, '/nowhere/fence_it'), deadlineMs);
    expect(reading).toMatchObject({ power: 'unknown', fault: 'tool-missing' });
    expect(await agentComplaints(device({}, '/nowhere/fence_it'))).toEqual([
      expect.stringMatching(/not installed.*apt-get install fence-agents/) as string,
    ]);
  });
});

describe('metadata', () => {
  it('is read from a real agent, and checks the options by name', async () => {
    expect(await agentComplaints(ipmilan({ adress: 'x' }))).toEqual([
      expect.stringMatching(/fence_ipmilan knows no option "adress"/) as string,
    ]);
    expect(await agentComplaints({ ...device(), options: {} })).toEqual([
      expect.stringMatching(/needs the option "ip"/) as string,
    ]);
  }, 15_000);

  it.each([
    ['not XML', 'echo this is no XML', /its metadata is not XML.*this is no XML/],
    ['half of it', 'echo "<resource-agent><parameters>"', /its metadata is not XML/],
    ['another document', 'echo "<html/>"', /expected <resource-agent>, got <html>/],
    ['an exit code', 'echo broken >&2; exit 3', /exit code 3: "broken"/],
    ['no action that is needed', 'echo "<resource-agent/>"', /cannot do "off"; without it nothing is proved/],
  ])('%s is said, with the text quoted', async (_what, body, because) => {
    const found = await agentComplaints({ ...device({}, script('fence_bad', body)), options: {}, secrets: {} });
    expect(found.join('\n')).toMatch(because);
  });

  it('names with - and _ are the same; a near name is offered', () => {
    const text =
      '<resource-agent><parameters><parameter name="power_wait" required="0"/></parameters><actions><action name="off"/><action name="status"/></actions></resource-agent>';
    const metadata = parseMetadata(text);
    if (typeof metadata === 'string') throw new Error(metadata);
    const one = { ...device(), secrets: {} };
    expect(complaints({ ...one, options: { 'power-wait': '3' } }, metadata)).toEqual([]);
    expect(complaints({ ...one, options: { powerwait: '3' } }, metadata)).toEqual([
      expect.stringMatching(/did you mean "power_wait"/) as string,
    ]);
  });
});

it('one option a line; a value that begins with a quote or ends in a blank is wrapped in quotes', () => {
  expect(standardInput({ ip: 'a b', x: '"y', z: 'end ' })).toBe('ip=a b\nx=""y"\nz="end "\n');
});
