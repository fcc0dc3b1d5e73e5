/**
 * Verifies that fencing of a node would work, without changing power: each device of each level. A few at a time: some BMCs hold
 * four sessions. What is found stands in the store as this node's row of the matrix, and what is found against a device in the
 * device's own record (device-book.ts); both change what is done in an emergency.
 */
import type { DevicePlace } from '../core/device-trust.ts';
import { isAt, sharedWith } from '../core/device-trust.ts';
import { distrusted, judgeLevels, judgeNode, judgeProbe, sameGuid, sameGuids } from '../core/verification.ts';
import type { BmcProbe, DeviceFault, DeviceVerification, Verification } from '../core/verification.ts';
import type { FenceDevice } from '../records/device.ts';
import { whereIs } from '../records/device.ts';
import type { Registration } from '../records/registration.ts';
import { parseRecord, printRecord } from '../records/record.ts';
import { tree } from '../records/tree.ts';
import { VerificationEntry, VerificationHead } from '../records/verification.ts';
import type { Context } from './context.ts';
import { openDevices } from './fencing/devices.ts';
import { beatsWatched, readSign } from './fencing/life-sign.ts';
import type { Peers } from './peers.ts';
import { putRecord } from './put-record.ts';

const atOnceMax = 4;
/** Reading all accounts of a BMC takes more than one command's time on slow ones. */
const probeDeadlineFactor = 2;
/** A device whose trust changes again and again is verified no more often than this for that. */
const trustPauseMs = 10_000;

/** What one probe brought. */
interface Proved {
  readonly verification: DeviceVerification;
  readonly power: 'on' | 'off' | 'unknown';
  readonly guid: string | null;
}

export class Prover {
  private readonly context: Context;
  private readonly peers: Peers;
  private readonly entries = new Map<string, VerificationEntry>();
  /** The GUID that each node's BMC told, and at which place. */
  private readonly guids = new Map<string, DevicePlace & { readonly guid: string }>();
  /** What was known against each device of a node when it was judged, and when (own monotonic clock) the verification began. */
  private readonly judgedWith = new Map<string, { readonly marks: Map<string, string>; readonly atMs: number }>();
  /** Nodes whose record the store did not take. */
  private readonly unpublished = new Set<string>();
  /** The request that the head of the row is still to name; null: none. */
  private unanswered: string | null = null;

  constructor(context: Context, peers: Peers) {
    this.context = context;
    this.peers = peers;
    context.board.proofs = this.entries;
  }

  /**
   * Probes everything of these, publishes what was found, and marks the row as the answer to a request (null: to none). Without a
   * request nothing is concluded about a node whose fence begins meanwhile: its BMC is left to that fence. Returns who that was.
   */
  async prove(registrations: readonly Registration[], answers: string | null): Promise<ReadonlySet<string>> {
    const { duties, board, devices } = this.context;
    const calledOff = new Set<string>();
    const isCalledOff = (name: string) => {
      if (answers === null && board.underFence.has(name)) calledOff.add(name);
      return calledOff.has(name);
    };
    await devices.refresh();
    this.forget();
    const atMs = this.context.env.clock.monotonicMs();
    for (const { name } of registrations) this.judgedWith.set(name, { marks: new Map(), atMs });
    const jobs: (() => Promise<void>)[] = [];
    const done: Promise<void>[] = [];
    for (const peer of registrations) {
      const probes = this.devicesOf(peer).map(
        (device) =>
          new Promise<Proved>((resolve) =>
            jobs.push(async () => resolve(await this.checkDevice(peer, device, () => isCalledOff(peer.name)))),
          ),
      );
      done.push(
        Promise.all(probes).then(async (proved) => {
          if (!isCalledOff(peer.name)) await this.conclude(peer, proved, answers);
        }),
      );
    }
    const worker = async () => {
      for (let job = jobs.shift(); job !== undefined && !duties.aborted; job = jobs.shift()) await job();
    };
    await Promise.all(Array.from({ length: atOnceMax }, worker));
    if (duties.aborted) return calledOff;
    await Promise.all(done);
    if (answers !== null) this.unanswered = answers;
    await this.makeUp();
    return calledOff;
  }

  /** What is known against its devices has changed since it was verified: who can fence it is another answer now. */
  isOutdated(name: string): boolean {
    const { devices, env } = this.context;
    const judged = this.judgedWith.get(name);
    if (judged === undefined || env.clock.monotonicMs() - judged.atMs < trustPauseMs) return false;
    return [...judged.marks].some(([device, mark]) => devices.trustMark(name, device) !== mark);
  }

  private judges(node: string, device: string): void {
    this.judgedWith.get(node)?.marks.set(device, this.context.devices.trustMark(node, device));
  }

  /** The store has an older row of this node: its own is written again, once there is one. */
  publishAgain(): void {
    for (const name of this.entries.keys()) this.unpublished.add(name);
  }

  /** Writes what the store did not take, and then that the request is answered. */
  async makeUp(): Promise<void> {
    for (const name of [...this.unpublished]) await this.publish(name);
    if (this.unanswered !== null && this.unpublished.size === 0 && (await this.writeHead(this.unanswered)))
      this.unanswered = null;
  }

  /** Nothing is held of this node any more: others verify it. */
  drop(name: string): void {
    for (const map of [this.entries, this.guids, this.unpublished, this.judgedWith]) map.delete(name);
  }

  private forget(): void {
    const known = new Set(this.peers.all().map(({ name }) => name));
    for (const name of [...this.entries.keys(), ...this.guids.keys(), ...this.unpublished, ...this.judgedWith.keys()])
      if (!known.has(name)) this.drop(name);
  }

  private devicesOf(peer: Registration): FenceDevice[] {
    const opened = openDevices(this.context.env.secrets, peer, peer.name);
    return opened.ok ? opened.value : [];
  }

  private async checkDevice(peer: Registration, device: FenceDevice, isCalledOff: () => boolean): Promise<Proved> {
    const { env, devices } = this.context;
    const place = { device: device.name, where: whereIs(device) };
    this.judges(peer.name, device.name);
    const before = await readSign(this.context, peer.name);
    // A probe that is not answered takes long; after a second it counts as silence here, before it has ended.
    const ended = devices.asks(device);
    const probe = await env.power
      .probe(device, device.commandTimeoutMs * probeDeadlineFactor, isCalledOff)
      .finally(ended);
    devices.heard(device, probe.fault, probe.power);
    const verdict: Verification =
      device.kind === 'ipmi'
        ? judgeProbe(probe, peer.systemGuid, this.peers.others(peer.name))
        : judgeAgent(device.agent, judgeProbe(probe, null));
    const found = (verification: Verification, isBarred = false): Proved => ({
      verification: { device: device.name, isBarred, ...verification },
      power: probe.power,
      guid: probe.guid,
    });
    if (isCalledOff()) return found(verdict);
    if (verdict.fault === 'other-machine')
      await devices.tell(peer.name, place, { news: 'other-machine', because: verdict.because });
    else if (device.kind === 'ipmi') await this.compareGuids(peer.name, place, probe, peer.systemGuid);
    if (probe.power === 'on') await devices.tell(peer.name, place, { news: 'read-on' });
    if (verdict.canFence && probe.power === 'off' && before !== null) {
      if (devices.unsettledMs(device) > 0) return found(verdict); // it has just restarted: it proves nothing either way
      // Off, and yet keepalives go on? Then it would be believed in the emergency (S4).
      await env.clock.sleep(Math.round(before.intervalMs * beatsWatched), this.context.duties);
      const after = await readSign(this.context, peer.name);
      const again = await env.power.read(device, device.commandTimeoutMs);
      const lives = after !== null && after.incarnation === before.incarnation && after.sequence !== before.sequence;
      if (lives && again.power === 'off' && !isCalledOff())
        await devices.tell(peer.name, place, { news: 'wrong-state' });
    }
    const standing = (await devices.standings(peer.name, [place])).get(device.name);
    this.judges(peer.name, device.name);
    if (standing === undefined || standing.use === 'ordinary') return found(verdict);
    if (!verdict.canFence && verdict.fault !== 'other-machine') return found(verdict, standing.use === 'never');
    return found(distrusted(standing, this.faultOf(peer.name, place), peer.name), standing.use === 'never');
  }

  /** One BMC under two addresses, or the BMC of a machine that is another node's. */
  private async compareGuids(node: string, place: DevicePlace, { guid }: BmcProbe, own: string | null): Promise<void> {
    const { devices } = this.context;
    if (guid === null) return;
    this.guids.set(node, { ...place, guid });
    const now = new Map(
      [...this.guids].flatMap(([name, told]) => {
        const isThere = this.peers
          .get(name)
          ?.devices.some(({ kind, where }) => kind === 'ipmi' && where === told.where);
        return isThere === true ? [[name, told.guid] as const] : [];
      }),
    );
    const group = sameGuids(now).find((names) => names.includes(node));
    if (group === undefined) {
      // That nobody else has told this GUID yet proves nothing; that it is the machine's own does.
      if (own !== null && sameGuid(own, guid)) await devices.tell(node, place, { news: 'own-machine' });
      return;
    }
    const because = `the BMCs of ${group.join(' and ')} report the same GUID (${guid}): they are one BMC, or a fence of one can switch off another`;
    for (const name of group) {
      const told = this.guids.get(name);
      if (told === undefined) continue;
      await devices.tell(name, { device: told.device, where: told.where }, { news: 'other-machine', because });
    }
  }

  /** The name of what is known against a device. */
  private faultOf(node: string, place: DevicePlace): DeviceFault {
    const { devices } = this.context;
    if (sharedWith(this.peers.all(), node, place).length > 0) return 'shared-bmc';
    const own = devices.remembered(node).findings.filter((finding) => isAt(finding, place));
    const order = ['other-machine', 'wrong-state', 'disobeyed'] as const;
    return order.find((kind) => own.some((finding) => finding.kind === kind)) ?? 'unreadable';
  }

  private async conclude(peer: Registration, proved: readonly Proved[], answers: string | null): Promise<void> {
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
    if (power === 'on') board.provedOn.set(peer.name, peer.incarnation);
    else if (devices.some((one) => one.fault === 'wrong-state')) board.provedOn.delete(peer.name);
    const before = this.entries.get(peer.name) ?? (await this.recall(peer.name));
    const isSame = before?.fault === whole.fault && before.canFence === whole.canFence;
    const nowMs = env.clock.wallMs();
    this.entries.set(peer.name, {
      schema: 1,
      canFence: whole.canFence,
      levels: levels.map((level) => ({ ...level, because: level.because.slice(0, 600) })),
      power,
      guid: proved.find((one) => one.guid !== null)?.guid ?? null,
      fault: whole.fault,
      because: whole.because.slice(0, 1000),
      advice: whole.advice,
      sinceWallMs: isSame ? before.sinceWallMs : nowMs,
      wallMs: nowMs,
      answers: answers ?? before?.answers ?? null,
    });
    if (!isSame) this.tell(peer, before !== undefined, whole);
    await this.publish(peer.name);
  }

  /** What the previous run of this noded found: only for since when it is so. */
  private async recall(name: string): Promise<VerificationEntry | undefined> {
    const { env, self } = this.context;
    const read = await env.store.read(tree.verified(self.name, name));
    const parsed = read.ok ? parseRecord(VerificationEntry, read.text) : null;
    return parsed?.ok === true ? parsed.record : undefined;
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
    const kind = fault === 'wrong-state' ? 'bmc-lies' : 'verification';
    history.happened(kind, text, { node: peer.name, evidence: { fault, canFence } });
  }

  private async publish(name: string): Promise<void> {
    const { env, self } = this.context;
    const entry = this.entries.get(name);
    if (entry === undefined) return;
    const path = tree.verified(self.name, name);
    const text = printRecord(VerificationEntry.parse(entry));
    // Without the head of the row there is no place for its records.
    const isWritten =
      (await putRecord(env, path, text)) || ((await this.writeHead(null)) && (await putRecord(env, path, text)));
    if (isWritten) this.unpublished.delete(name);
    else this.unpublished.add(name);
  }

  private async writeHead(answers: string | null): Promise<boolean> {
    const { env, self } = this.context;
    const head: VerificationHead = { schema: 1, incarnation: self.incarnation, answers };
    return putRecord(env, tree.verification(self.name), printRecord(VerificationHead.parse(head)));
  }
}

/** The same in the words of a device that is no BMC. */
function judgeAgent(agent: string, verdict: Verification): Verification {
  const because = verdict.because.replaceAll('the BMC', 'the device');
  const advice =
    verdict.advice === null
      ? null
      : `try it by hand: ${agent} -o monitor; raise the device's timeout if it is always slow`;
  return { ...verdict, because, advice };
}
