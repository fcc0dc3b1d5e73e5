/**
 * After ZooKeeper was restored from an old copy, the records of VMs are of the past: a VM may run where it was moved later, and what was
 * started later may stand there as stopped. So for a while nothing is started, switched off or moved here (S2). Each node first says in
 * the records which guests it runs (`claim`); then the records are true again, if every node that runs VMs has come back. A node that
 * has not, blocks starts until its keepalives come or it is confirmed off: its guests may be running.
 *
 * A list of guests counts only if it was written after the restore. The copy holds an older one of the same incarnation, and the loop
 * that would write it again may hang in libvirt, while the keepalives continue. So each list has a number, which grows for as long as
 * its incarnation lives, and each keepalive carries the number of the list that was written over the present connection, or none. A
 * restore ends every connection: a list with that number or a later one is of after the restore. Neither side has to notice the restore
 * at the same moment as the other one, or to repeat a list that has not changed.
 */
import { inWords } from '../../core/decision.ts';
import type { Guest } from '../../core/vm.ts';
import { mustClaim } from '../../core/vm.ts';
import { parseRecord, printRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import type { VmRecord } from '../../records/vm.ts';
import { GuestList } from '../../records/vm.ts';
import type { Context } from '../context.ts';
import { Heard } from '../heard.ts';
import { unlistedInWords } from '../nodes-before.ts';
import type { Peers } from '../peers.ts';
import { putRecord } from '../put-record.ts';
import { askingInWords, vmRecordsAreOld } from '../recent-restore.ts';

/** A node has looked at its guests this often, each time with a whole list, before the records count for it. */
const looks = 3;

interface OwnView {
  /** Of all VMs. */
  readonly records: readonly VmRecord[];
  /** What libvirt showed here last; null: it did not answer. */
  readonly guests: ReadonlyMap<string, Guest> | null;
  /** Whole lists of guests since the restore. */
  readonly goodLooks: number;
  /** What is still being done here that was begun before the restore; null: nothing. */
  readonly unfinished: string | null;
}

export class RestoredVms {
  private readonly context: Context;
  private readonly peers: Peers;
  private readonly heard: Heard;
  private told = '';

  constructor(context: Context, peers: Peers) {
    this.context = context;
    this.heard = new Heard(context);
    this.peers = peers;
  }

  /** Why the records are not believed now; null: they are. */
  async whyOld(view: OwnView): Promise<string | null> {
    const { board, env, config, self } = this.context;
    const { setBackAtMs, witnessesAsked } = board;
    if (!witnessesAsked) return askingInWords(this.context);
    if (setBackAtMs === null) return null;
    if (!vmRecordsAreOld(board)) return null;
    const waiting = [this.whyNotSeen(view)];
    const { listed, unlisted } = board.nodesBefore.awaited('hypervisors', this.peers.all());
    for (const name of listed) if (name !== self.name) waiting.push(await this.whyNotHeard(name, view));
    for (const name of unlisted) if (name !== self.name) waiting.push(unlistedInWords(name));
    const leftMs = setBackAtMs + looks * config.vms.checkInterval - env.clock.monotonicMs();
    const missing = waiting.filter((because) => because !== null);
    if (leftMs <= 0 && missing.length === 0) {
      board.vmsHeardOfMs = setBackAtMs;
      this.tell(`the records of VMs count again on ${self.name}: every node has said which guests it runs`);
      return null;
    }
    const because = `ZooKeeper was restored from an old copy; no VM is started or switched off before every node has said which it runs`;
    const what = missing.length > 0 ? missing.join('; ') : `${inWords(leftMs)} left`;
    if (leftMs <= 0) this.tell(`${because}: ${what}`);
    return `${because}: ${what}`;
  }

  /** A list of the copy must not stand while libvirt is asked, for nodectl and for whoever places VMs. */
  async invalidateList(number: number): Promise<void> {
    const { env, self } = this.context;
    const unknownBecause = 'ZooKeeper was restored from an old copy; libvirt is asked again';
    const list: GuestList = {
      schema: 1,
      incarnation: self.incarnation,
      number,
      unknownBecause,
      guests: {},
      strays: [],
    };
    await putRecord(env, tree.guests(self.name), printRecord(list));
  }

  /** Why it is not known what runs on this very node, or not recorded yet; null: it is. */
  private whyNotSeen({ records, guests, goodLooks, unfinished }: OwnView): string | null {
    const { self } = this.context;
    if (guests === null) return `libvirt on ${self.name} has not listed its guests`;
    if (unfinished !== null) return `${self.name}: ${unfinished}`;
    if (goodLooks < looks) return `${self.name} looks at its guests`;
    const unclaimed = records.find((record) => mustClaim(record, self.name, guests.get(record.uuid) ?? null));
    if (unclaimed === undefined) return null;
    return `${unclaimed.name} runs on ${self.name}, and is recorded as "${unclaimed.state}" on ${unclaimed.node}`;
  }

  private async whyNotHeard(name: string, { records, guests }: OwnView): Promise<string | null> {
    const { self } = this.context;
    const runsHere = (uuid: string) => (guests?.get(uuid)?.power ?? 'off') !== 'off';
    const recordedThere = records.filter((record) => record.node === name && runsHere(record.uuid));
    const claims = (record: VmRecord) => `${record.name} runs on ${self.name} and is recorded on ${name}`;
    const heard = await this.heard.look(name);
    if (heard.kind === 'off') return recordedThere.map(claims)[0] ?? null;
    if (heard.kind === 'stopped') return `noded on ${name} is stopped, and its guests may run: start it`;
    if (heard.kind === 'not-yet') return heard.because;
    // It has registered since as one that runs no VMs; before that its kind is as it was remembered.
    const registered = this.peers.all().find((peer) => peer.name === name);
    if (registered?.vms === null && registered.incarnation === heard.keepalive.incarnation)
      return recordedThere.map(claims)[0] ?? null;
    const read = await this.context.env.store.read(tree.guests(name));
    const list = read.ok ? parseRecord(GuestList, read.text) : null;
    const { incarnation, guestList } = heard.keepalive;
    const isOfNow = list?.ok === true && list.record.incarnation === incarnation;
    if (!isOfNow || guestList === null || list.record.number < guestList)
      return `${name} has not said which guests it runs`;
    const { unknownBecause, guests: theirs } = list.record;
    if (unknownBecause !== null) return `${name}: ${unknownBecause}`;
    // Who runs a guest becomes its home, before anybody else starts it or this one gives it up.
    const runsThere = (uuid: string) => (theirs[uuid]?.power ?? 'off') !== 'off';
    const isTheirs = ({ node, uuid }: VmRecord) => node === self.name && runsThere(uuid) && !runsHere(uuid);
    const unclaimed = recordedThere.find(({ uuid }) => !runsThere(uuid));
    if (unclaimed !== undefined) return claims(unclaimed);
    const theirOwn = records.find(isTheirs);
    return theirOwn === undefined ? null : `${theirOwn.name} runs on ${name} and is recorded on ${self.name}`;
  }

  private tell(because: string): void {
    if (this.told === because) return;
    this.told = because;
    this.context.history.happened('vm', because, { node: this.context.self.name });
  }
}
