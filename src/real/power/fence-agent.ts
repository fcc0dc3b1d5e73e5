/**
 * Power through a fence agent of ClusterLabs' kind (their FenceAgentAPI): options on standard input as `name=value`, never
 * as arguments (S10); the exit codes mean what that page says, and nothing more:
 *   status 0 on, 2 off (here only together with the word, for a shell or an argument parser exits with 2 as well);
 *   off/on 0 done, as far as the agent knows; it proves nothing, only a later status does (S4).
 * No action is ever left to an agent's default, which is reboot.
 */
import type { BmcFault, BmcProbe } from '../../core/verification.ts';
import { bmcFaults } from '../../core/verification.ts';
import type { PowerAnswer, PowerReading } from '../../environment/power.ts';
import type { AgentDevice } from '../../records/device.ts';
import { run } from '../process/runner.ts';
import { faultOf, quote } from './ipmitool-output.ts';

type Said =
  | {
      readonly ok: true;
      readonly code: number;
      readonly stdout: string;
      readonly text: string;
      readonly tookMs: number;
    }
  | { readonly ok: false; readonly fault: BmcFault; readonly because: string; readonly tookMs: number };

export async function readByAgent(device: AgentDevice, deadlineMs: number): Promise<PowerReading> {
  const said = await ask(device, 'status', deadlineMs);
  const { tookMs } = said;
  if (!said.ok) return { power: 'unknown', fault: said.fault, because: said.because, tookMs };
  const saysOff = /\boff\b/i.test(said.stdout);
  if (said.code === 0 && !saysOff)
    return { power: 'on', fault: null, because: `${device.agent} says that power is on`, tookMs };
  if (said.code === 2 && saysOff)
    return { power: 'off', fault: null, because: `${device.agent} says that power is off`, tookMs };
  if (said.code === 1) return { power: 'unknown', fault: meaningOf(said.text), because: told(device, said), tookMs };
  const because = `the answer of ${device.agent} cannot be understood: exit code ${said.code}${said.text === '' ? ' without a word' : `: ${said.text}`}`;
  return { power: 'unknown', fault: 'nonsense', because, tookMs };
}

export async function orderByAgent(device: AgentDevice, power: 'on' | 'off', deadlineMs: number): Promise<PowerAnswer> {
  const said = await ask(device, power, deadlineMs);
  const { tookMs } = said;
  if (!said.ok) return { accepted: false, isOffAlready: false, fault: said.fault, because: said.because, tookMs };
  if (said.code !== 0)
    return { accepted: false, isOffAlready: false, fault: meaningOf(said.text), because: told(device, said), tookMs };
  return {
    accepted: true,
    isOffAlready: false,
    fault: null,
    because: `${device.agent} took the order to power ${power}`,
    tookMs,
  };
}

/** `monitor`, which proves login and device, then `status`. Whether the account may switch power, no agent can tell. */
export async function probeByAgent(
  device: AgentDevice,
  deadlineMs: number,
  isCalledOff = () => false,
): Promise<BmcProbe> {
  const startMs = performance.now();
  const unknown = {
    address: 'unknown',
    cipher: 'unknown',
    password: 'unknown',
    privilege: 'unknown',
    power: 'unknown',
    identity: 'unknown',
  } as const;
  const nothing = { checks: unknown, power: 'unknown', cipherSuite: null, guid: null } as const;
  const monitored = await ask(device, 'monitor', deadlineMs / 2);
  const tookMs = () => performance.now() - startMs;
  if (!monitored.ok) return { ...nothing, fault: monitored.fault, detail: monitored.because, tookMs: tookMs() };
  // The page allows 2 for a device with a single plug that is off.
  if (monitored.code !== 0 && monitored.code !== 2)
    return { ...nothing, fault: meaningOf(monitored.text), detail: told(device, monitored), tookMs: tookMs() };
  if (isCalledOff()) return { ...nothing, fault: null, detail: 'called off', tookMs: tookMs() };
  const reading = await readByAgent(device, deadlineMs / 2);
  if (reading.power === 'unknown')
    return { ...nothing, fault: reading.fault ?? 'nonsense', detail: reading.because, tookMs: tookMs() };
  const checks = { ...unknown, address: 'proved', password: 'proved', power: 'proved' } as const;
  return { ...nothing, checks, fault: null, detail: '', power: reading.power, tookMs: tookMs() };
}

async function ask(
  device: AgentDevice,
  action: 'status' | 'monitor' | 'on' | 'off',
  deadlineMs: number,
): Promise<Said> {
  const secrets = Object.values(device.secrets).filter((value) => value !== '');
  const result = await run(device.agent, [], {
    deadlineMs,
    input: standardInput({ ...device.options, ...device.secrets, action }),
  });
  const { tookMs } = result;
  const hidden = (text: string) => secrets.reduce((hiding, secret) => hiding.replaceAll(secret, '***'), text);
  switch (result.kind) {
    case 'missing':
      return { ok: false, fault: 'tool-missing', because: result.because, tookMs };
    case 'failed':
    case 'aborted':
      return { ok: false, fault: 'other', because: `${device.agent}: ${hidden(result.because)}`, tookMs };
    case 'timed-out':
      return {
        ok: false,
        fault: 'timeout',
        because: `${device.agent} was ended after ${Math.round(tookMs)} ms`,
        tookMs,
      };
    case 'exited': {
      const text = hidden(quote(`${result.stderr}\n${result.stdout}`));
      return { ok: true, code: result.code, stdout: result.stdout, text, tookMs };
    }
  }
}

/** One option a line. The agents strip one pair of quotes, so that a value which begins with one needs another. */
export function standardInput(options: Readonly<Record<string, string>>): string {
  return Object.entries(options)
    .map(([name, value]) => `${name}=${/^["\s]|\s$/.test(value) ? `"${value}"` : value}\n`)
    .join('');
}

function meaningOf(text: string): BmcFault {
  if (/login denied|unable to connect\/login|permission denied|unauthori[sz]ed|\b401\b/i.test(text))
    return 'wrong-credentials';
  if (/not supported|unknown option|please use|required|invalid (option|parameter)|failed to parse/i.test(text))
    return 'misconfigured';
  return faultOf(text);
}

function told(device: AgentDevice, said: Extract<Said, { ok: true }>): string {
  return `${device.agent}: exit code ${said.code}: ${said.text === '' ? bmcFaults.other : said.text}`;
}
