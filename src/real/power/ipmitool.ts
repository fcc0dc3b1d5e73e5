/**
 * `Power` by ipmitool over RMCP+ (lanplus). The password travels in the environment, never in the arguments (S10);
 * cipher suites are tried in the configured order and the one that worked is remembered; ipmitool's own retries are
 * bounded so that they fit our deadline (its default gives up after 20 s).
 */
import type { BmcFault, BmcProbe, ProbeCheck, ProbeOutcome } from '../../core/verification.ts';
import { bmcFaults, probeChecks } from '../../core/verification.ts';
import type { PowerAnswer, PowerIdentity, PowerReading } from '../../environment/power.ts';
import type { IpmiDevice } from '../../records/device.ts';
import { run } from '../process/runner.ts';
import type { RunResult } from '../process/runner.ts';
import {
  faultOf,
  guidOf,
  isEnoughPrivilege,
  isRefusedByState,
  powerOf,
  privilegeOf,
  quote,
} from './ipmitool-output.ts';

type Said =
  | { readonly ok: true; readonly stdout: string; readonly suite: number; readonly tookMs: number }
  | { readonly ok: false; readonly fault: BmcFault; readonly detail: string; readonly tookMs: number };

/** The LAN channel we came in on, in IPMI's numbering. */
const presentChannel = '14';

/** Asked before and after every order, and by every verification. */
const powerStatus = ['chassis', 'power', 'status'];

/** More BMCs than a cluster has. */
const bmcsMax = 2000;

export class Ipmitool {
  private readonly program: string;
  /** Suite that worked last, per BMC. */
  private readonly suites = new Map<string, number>();
  /** Commands that a BMC answered later than ipmitool's own retries wait: those are sent once, and waited for as long as there is time. */
  private readonly late = new Set<string>();

  constructor(program = 'ipmitool') {
    this.program = program;
  }

  async read(bmc: IpmiDevice, deadlineMs: number): Promise<PowerReading> {
    const said = await this.say(bmc, powerStatus, deadlineMs);
    if (!said.ok) return { power: 'unknown', fault: said.fault, because: sentence(said), tookMs: said.tookMs };
    const power = powerOf(said.stdout);
    if (power !== 'unknown')
      return { power, fault: null, because: `the BMC says that power is ${power}`, tookMs: said.tookMs };
    const because = `the BMC's answer cannot be understood: ${JSON.stringify(said.stdout.slice(0, 120))}`;
    return { power, fault: 'nonsense', because, tookMs: said.tookMs };
  }

  async order(bmc: IpmiDevice, power: 'on' | 'off', deadlineMs: number): Promise<PowerAnswer> {
    const said = await this.say(bmc, ['chassis', 'power', power], deadlineMs);
    if (!said.ok) {
      const isOffAlready = power === 'off' && isRefusedByState(said.detail);
      return { accepted: false, isOffAlready, fault: said.fault, because: sentence(said), tookMs: said.tookMs };
    }
    return {
      accepted: true,
      isOffAlready: false,
      fault: null,
      because: `the BMC took the order to power ${power}`,
      tookMs: said.tookMs,
    };
  }

  /** A BMC that refuses the question, or is too old for it, has answered. */
  async identify(bmc: IpmiDevice, deadlineMs: number): Promise<PowerIdentity> {
    const said = await this.say(bmc, ['mc', 'guid'], deadlineMs);
    if (said.ok) return { guid: guidOf(said.stdout), fault: null };
    return { guid: null, fault: said.fault === 'other' || said.fault === 'privilege-too-low' ? null : said.fault };
  }

  async probe(bmc: IpmiDevice, deadlineMs: number, isCalledOff = () => false): Promise<BmcProbe> {
    const startMs = performance.now();
    const leftMs = () => Math.max(500, deadlineMs - (performance.now() - startMs));
    const told = (outcomes: Partial<Record<ProbeCheck, ProbeOutcome>>, rest: Partial<BmcProbe>): BmcProbe => ({
      checks: { ...allUnknown(), ...outcomes },
      fault: null,
      detail: '',
      power: 'unknown',
      cipherSuite: this.suites.get(key(bmc)) ?? null,
      guid: null,
      ...rest,
      tookMs: performance.now() - startMs,
    });
    const status = await this.say(bmc, powerStatus, leftMs());
    if (!status.ok) return told(provedBefore(status.fault), { fault: status.fault, detail: status.detail });
    const power = powerOf(status.stdout);
    const login = { address: 'proved', cipher: 'proved', password: 'proved' } as const;
    if (power === 'unknown')
      return told({ ...login, power: 'failed' }, { fault: 'nonsense', detail: status.stdout.slice(0, 120) });

    if (isCalledOff()) return told({ ...login, power: 'proved' }, { power });
    // Some BMCs open a session at OPERATOR for a USER account and refuse only the power command: ask for the limit.
    const users = await this.say(bmc, ['user', 'list', presentChannel], leftMs());
    const limit = users.ok ? privilegeOf(users.stdout, bmc.username) : null;
    if (limit !== null && !isEnoughPrivilege(limit)) {
      const detail = `the account "${bmc.username}" has the level ${limit}, power control needs OPERATOR`;
      return told({ ...login, power: 'proved', privilege: 'failed' }, { fault: 'privilege-too-low', detail, power });
    }
    if (!users.ok && users.fault === 'privilege-too-low') {
      return told(
        { ...login, power: 'proved', privilege: 'failed' },
        { fault: users.fault, detail: users.detail, power },
      );
    }
    if (isCalledOff()) return told({ ...login, power: 'proved' }, { power });
    const guid = await this.say(bmc, ['mc', 'guid'], leftMs());
    const id = guid.ok ? guidOf(guid.stdout) : null;
    return told(
      {
        ...login,
        power: 'proved',
        privilege: limit === null ? 'unknown' : 'proved',
        identity: id === null ? 'unknown' : 'proved',
      },
      { power, guid: id },
    );
  }

  /** One command, with the suite that worked last or the configured ones in order. */
  private async say(bmc: IpmiDevice, command: readonly string[], deadlineMs: number): Promise<Said> {
    this.forgetOldest();
    const known = this.suites.get(key(bmc));
    const suites =
      known === undefined ? bmc.cipherSuites : [known, ...bmc.cipherSuites.filter((suite) => suite !== known)];
    const endMs = performance.now() + deadlineMs;
    let last: Said = { ok: false, fault: 'misconfigured', detail: 'no cipher suite is configured', tookMs: 0 };
    for (const suite of suites) {
      const leftMs = endMs - performance.now();
      if (leftMs < 100) break;
      const result = await run(this.program, this.args(bmc, suite, leftMs, command), {
        deadlineMs: leftMs,
        env: { IPMI_PASSWORD: bmc.password },
      });
      last = understand(result, suite, bmc.password);
      if (last.ok) this.suites.set(key(bmc), suite);
      else if (last.fault === 'timeout') this.late.add(lateKey(bmc, command));
      if (last.ok && last.tookMs < patienceMs) this.late.delete(lateKey(bmc, command));
      if (last.ok || last.fault !== 'cipher-refused') return last;
      this.suites.delete(key(bmc));
    }
    return last;
  }

  /** BMCs that have other addresses by now. What is forgotten is found out again. */
  private forgetOldest(): void {
    for (const known of [this.suites, this.late]) {
      const [oldest] = known.keys();
      if (known.size > bmcsMax && oldest !== undefined) known.delete(oldest);
    }
  }

  private args(bmc: IpmiDevice, suite: number, deadlineMs: number, command: readonly string[]): string[] {
    // Chassis commands share their way into the machine; what the BMC says of itself (its GUID) may be quick beside them.
    const isPatient = this.late.has(lateKey(bmc, command)) || this.late.has(lateKey(bmc, powerStatus));
    const { seconds, retries } = isPatient ? { seconds: onceFor(deadlineMs), retries: 1 } : ownRetries(deadlineMs);
    return [
      ...['-v', '-I', 'lanplus', '-H', bmc.address, '-p', String(bmc.port), '-U', bmc.username, '-E'],
      ...['-L', bmc.privilege.toUpperCase(), '-C', String(suite), '-N', String(seconds), '-R', String(retries)],
      ...command,
    ];
  }
}

/**
 * ipmitool's own time-out and retries, so that it gives up, and says why, before our deadline ends it. Its wait grows with
 * each retry; measured on a closed port with -N 1: 2, 6, 12 and 20 s for -R 1, 2, 3 and 4, that is N x R x (R + 1).
 */
export function ownRetries(deadlineMs: number): { seconds: number; retries: number } {
  const leftMs = deadlineMs - 500;
  const retries = leftMs >= 6000 ? 2 : 1;
  return { retries, seconds: Math.max(1, Math.floor(leftMs / (1000 * retries * (retries + 1)))) };
}

/** One long wait instead of several short ones: a slow BMC answers every try, and ipmitool mixes the answers up. */
function onceFor(deadlineMs: number): number {
  return Math.max(1, Math.ceil(deadlineMs / 1000));
}

/** A command that is answered within this is not late (any more). */
const patienceMs = 800;

function understand(result: RunResult, suite: number, password: string): Said {
  const { tookMs } = result;
  switch (result.kind) {
    case 'missing':
      return { ok: false, fault: 'tool-missing', detail: result.because, tookMs };
    case 'failed':
    case 'aborted':
      return { ok: false, fault: 'other', detail: result.because, tookMs };
    case 'timed-out':
      return { ok: false, fault: 'timeout', detail: `ended after ${Math.round(tookMs)} ms`, tookMs };
    case 'exited': {
      if (result.code === 0) return { ok: true, stdout: result.stdout, suite, tookMs };
      const text = `${result.stderr}\n${result.stdout}`;
      const quoted = password === '' ? quote(text) : quote(text).replaceAll(password, '***');
      return { ok: false, fault: faultOf(text), detail: quoted, tookMs };
    }
  }
}

function sentence(said: Extract<Said, { ok: false }>): string {
  return said.detail === '' ? bmcFaults[said.fault] : `${bmcFaults[said.fault]} (${said.detail})`;
}

function key(bmc: IpmiDevice): string {
  return `${bmc.address}:${bmc.port}`;
}

function lateKey(bmc: IpmiDevice, command: readonly string[]): string {
  return `${key(bmc)} ${command.join(' ')}`;
}

function allUnknown(): Record<ProbeCheck, ProbeOutcome> {
  return Object.fromEntries(probeChecks.map((check) => [check, 'unknown'])) as Record<ProbeCheck, ProbeOutcome>;
}

/** A fault proves that everything before it works. */
function provedBefore(fault: BmcFault): Partial<Record<ProbeCheck, ProbeOutcome>> {
  if (fault === 'no-answer') return { address: 'failed' };
  if (fault === 'cipher-refused') return { address: 'proved', cipher: 'failed' };
  if (fault === 'wrong-credentials') return { address: 'proved', cipher: 'proved', password: 'failed' };
  if (fault === 'privilege-too-low')
    return { address: 'proved', cipher: 'proved', password: 'proved', privilege: 'failed' };
  return {};
}
