/**
 * Proves that fencing of a node would work, without changing power: each device of each level. A few at a time: some BMCs hold
 * four sessions. What is proved stands in the store as this node's row of the matrix, and changes what is done in an emergency.
 */
import { judgeLevels, judgeNode, judgeProbe, liesOff, sharedBmcs } from '../core/verification.ts';
import type { DeviceVerification, Verification } from '../core/verification.ts';
import type { FenceDevice } from '../records/device.ts';
import { placesOf, whereIs } from '../records/device.ts';
import type { Registration } from '../records/registration.ts';
import { printRecord } from '../records/record.ts';
import { tree } from '../records/tree.ts';
import { VerificationRow } from '../records/verification.ts';
import type { VerificationEntry } from '../records/verification.ts';
import type { Context } from './context.ts';
import { openDevices } from './fencing/devices.ts';
import { readSign } from './fencing/life-sign.ts';
import { parseRow } from './fencing/proofs.ts';
import type { Peers } from './peers.ts';
import { putRecord } from './put-record.ts';

/** Between two tries to read the row of the former life. */
const recallMs = 1000;
const atOnceMax = 4;
/** Reading all accounts of a BMC takes more than one command's time on slow ones. */
const probeDeadlineFactor = 2;

/** What one probe brought. */
interface Proved {
  readonly verification: DeviceVerification;
  readonly power: 'on' | 'off' | 'unknown';
  readonly guid: string | null;
  /** Where this device is, if it says off while the node lives; null: it does not lie. */
  readonly lyingAt: string | null;
}

export class Prover {
  private readonly context: Context;
  private readonly peers: Peers;
  private readonly entries = new Map<string, VerificationEntry>();
  /** What was proved once of the devices of a node stays true: that a reading of theirs follows the node. */
  private readonly seenOnAt = new Map<string, string>();
  /** Found saying off while the node lived: stays so until they say on. */
  private readonly lying = new Set<string>();
  /** A row that the store did not take. */
  private unpublished: { readonly answers: string | null } | null = null;

  constructor(context: Context, peers: Peers) {
    this.context = context;
    this.peers = peers;
    context.board.proofs = this.entries;
  }

  /** What a former life of this noded had proved. Nothing is proved anew, or published, before that is known. */
  async recall(): Promise<void> {
    const { env, self, duties } = this.context;
    const path = tree.verification(self.name);
    let read = await env.store.read(path);
    while (!read.ok && read.code !== 'no-node' && !duties.aborted) {
      await env.clock.sleep(recallMs, duties);
      read = await env.store.read(path);
    }
    const before = read.ok ? parseRow(read.text) : null;
    for (const [name, { seenOnAt, lying }] of Object.entries(before?.entries ?? {})) {
      if (seenOnAt !== null) this.seenOnAt.set(name, seenOnAt);
      for (const where of lying) this.lying.add(liarId(name, where));
    }
  }

  /**
   * Probes everything of these, publishes the row, and marks it as the answer to a request (null: to none). Without a request nothing
   * is concluded about a node whose fence begins meanwhile: its BMC is left to that fence. Returns who that was.
   */
  async prove(registrations: readonly Registration[], answers: string | null): Promise<ReadonlySet<string>> {
    const { duties, board } = this.context;
    const calledOff = new Set<string>();
    const isCalledOff = (name: string) => {
      if (answers === null && board.underFence.has(name)) calledOff.add(name);
      return calledOff.has(name);
    };
    const shared = sharedBmcs(this.places());
    const jobs: (() => Promise<void>)[] = [];
    const done: Promise<void>[] = [];
    for (const peer of registrations) {
      const probes = this.devicesOf(peer).map(
        (device) =>
          new Promise<Proved>((resolve) =>
            jobs.push(async () => resolve(await this.checkDevice(peer, device, shared, () => isCalledOff(peer.name)))),
          ),
      );
      done.push(
        Promise.all(probes).then((proved) => {
          if (!isCalledOff(peer.name)) this.conclude(peer, proved);
        }),
      );
    }
    const worker = async () => {
      for (let job = jobs.shift(); job !== undefined && !duties.aborted; job = jobs.shift()) await job();
    };
    await Promise.all(Array.from({ length: atOnceMax }, worker));
    if (duties.aborted) return calledOff;
    await Promise.all(done);
    await this.publish(answers);
    return calledOff;
  }

  /** Writes the row that the store did not take. */
  async makeUp(): Promise<void> {
    if (this.unpublished !== null) await this.publish(this.unpublished.answers);
  }

  /** By what a fence of one node could hit another: addresses, and the GUIDs that BMCs told. */
  private places(): Map<string, string[]> {
    const found = new Map<string, string[]>();
    for (const peer of this.peers.all()) {
      const wheres = peer.devices.filter((device) => device.kind === 'ipmi').map((device) => device.where);
      const guid = this.entries.get(peer.name)?.guid ?? null;
      found.set(peer.name, [...new Set([...wheres, ...(guid === null ? [] : [`GUID ${guid}`])])]);
    }
    return found;
  }

  private devicesOf(peer: Registration): FenceDevice[] {
    const opened = openDevices(this.context.env.secrets, peer, peer.name);
    return opened.ok ? opened.value : [];
  }

  private async checkDevice(
    peer: Registration,
    device: FenceDevice,
    shared: readonly (readonly string[])[],
    isCalledOff: () => boolean,
  ): Promise<Proved> {
    const { env } = this.context;
    const group = shared.find((names) => names.includes(peer.name));
    if (device.kind === 'ipmi' && group !== undefined)
      return {
        verification: { device: device.name, ...sharedBmc(group) },
        power: 'unknown',
        guid: this.entries.get(peer.name)?.guid ?? null,
        lyingAt: null,
      };
    const lyingAt = `${device.name} ${whereIs(device)}`;
    const id = liarId(peer.name, lyingAt);
    const before = await readSign(this.context, peer.name);
    const probe = await env.power.probe(device, device.commandTimeoutMs * probeDeadlineFactor, isCalledOff);
    let verdict: Verification =
      device.kind === 'ipmi' ? judgeProbe(probe, peer.systemGuid) : judgeAgent(device.agent, judgeProbe(probe, null));
    if (verdict.canFence && probe.power === 'off' && before !== null && !isCalledOff()) {
      // Off, and yet keepalives go on? Then it would be believed in the emergency (S4).
      await env.clock.sleep(Math.round(before.intervalMs * 1.5), this.context.duties);
      const after = await readSign(this.context, peer.name);
      const again = await env.power.read(device, device.commandTimeoutMs);
      const lives = after !== null && after.incarnation === before.incarnation && after.sequence !== before.sequence;
      if (lives && again.power === 'off') this.lying.add(id);
    }
    if (probe.power === 'on') this.lying.delete(id);
    if (verdict.canFence && this.lying.has(id)) verdict = liesOff('the device says that power is off');
    return {
      verification: { device: device.name, ...verdict },
      power: probe.power,
      guid: probe.guid,
      lyingAt: this.lying.has(id) ? lyingAt : null,
    };
  }

  private conclude(peer: Registration, proved: readonly Proved[]): void {
    const { env, board } = this.context;
    const devices = proved.map((one) => one.verification);
    const opened = openDevices(env.secrets, peer, peer.name);
    const levels = judgeLevels(peer.levels, devices, peer.watchdogBoundMs);
    const sealed: Verification = {
      canFence: false,
      fault: 'no-bmc',
      because: opened.ok ? '' : opened.because,
      advice: 'give it a bmc section, and the same cluster key on all machines',
    };
    const whole = !opened.ok && levels.every((level) => level.proof !== 'holds') ? sealed : judgeNode(levels, devices);
    const powers = proved.map((one) => one.power);
    const power =
      powers.length > 0 && powers.every((one) => one === 'on') ? 'on' : powers.includes('off') ? 'off' : 'unknown';
    const lies = devices.some((one) => one.fault === 'lies-off');
    if (power === 'on') board.provedOn.set(peer.name, peer.incarnation);
    if (power === 'on') this.seenOnAt.set(peer.name, placesOf(peer.devices));
    else if (lies) board.provedOn.delete(peer.name);
    const before = this.entries.get(peer.name);
    const isSame = before?.fault === whole.fault && before.canFence === whole.canFence;
    const nowMs = env.clock.wallMs();
    this.entries.set(peer.name, {
      canFence: whole.canFence,
      levels: levels.map((level) => ({ ...level, because: level.because.slice(0, 600) })),
      power,
      seenOnAt: this.seenOnAt.get(peer.name) ?? null,
      guid: proved.find((one) => one.guid !== null)?.guid ?? null,
      fault: whole.fault,
      because: whole.because.slice(0, 1000),
      advice: whole.advice,
      lying: proved.flatMap(({ lyingAt }) => (lyingAt === null ? [] : [lyingAt])),
      sinceWallMs: isSame ? before.sinceWallMs : nowMs,
      wallMs: nowMs,
    });
    if (!isSame) this.tell(peer, before !== undefined, whole);
  }

  /** A change is an event long before it matters; that something new works is only a line of the log. */
  private tell(peer: Registration, isKnown: boolean, verdict: Verification): void {
    const { env, self, history } = this.context;
    const { canFence, fault, because, advice } = verdict;
    if (!isKnown && canFence && fault === null) {
      env.log.info('fencing verified', { node: peer.name, because });
      return;
    }
    const who =
      peer.name === self.name ? `${self.name} (itself; the proof that counts comes from its peers)` : peer.name;
    const hint = advice === null ? '' : `; ${advice}`;
    const text = canFence
      ? `${self.name} can fence ${who}: ${because}${hint}`
      : `${self.name} could not fence ${who}: ${because}${hint}`;
    if (!canFence) env.log.warn('fencing would fail', { node: peer.name, fault, because, advice });
    const kind = fault === 'lies-off' ? 'bmc-lies' : 'verification';
    history.happened(kind, text, { node: peer.name, evidence: { fault, canFence } });
  }

  private async publish(answers: string | null): Promise<void> {
    const { env, self } = this.context;
    const path = tree.verification(self.name);
    const row: VerificationRow = {
      schema: 1,
      incarnation: self.incarnation,
      answers,
      entries: Object.fromEntries(this.entries),
    };
    const isWritten = await putRecord(env, path, printRecord(VerificationRow.parse(row)));
    this.unpublished = isWritten ? null : { answers };
  }
}

/** A device of a node at one place: at another place, or of another node, it is another device. */
const liarId = (node: string, where: string) => `${node} ${where}`;

/** The same in the words of a device that is no BMC. */
function judgeAgent(agent: string, verdict: Verification): Verification {
  const because = verdict.because.replaceAll('the BMC', 'the device');
  const advice =
    verdict.advice === null
      ? null
      : `try it by hand: ${agent} -o monitor; raise the device's timeout if it is always slow`;
  return { ...verdict, because, advice };
}

function sharedBmc(group: readonly string[]): Verification {
  return {
    canFence: false,
    fault: 'shared-bmc',
    because: `${group.join(' and ')} name the same BMC: a fence of one would switch off another`,
    advice: 'correct bmc.address on these machines',
  };
}
