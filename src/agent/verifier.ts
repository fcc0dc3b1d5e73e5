/**
 * The verifier, first form (5.5): at start, when a registration changes, and then on a slow beat, this node proves for
 * itself and every peer that fencing would work, without changing power. A few BMCs at a time: some hold four sessions.
 */
import { judgeProbe, sharedBmcs } from '../core/verification.ts';
import type { Verification } from '../core/verification.ts';
import { BmcReference } from '../records/registration.ts';
import type { Registration } from '../records/registration.ts';
import { parseRecord, printRecord } from '../records/record.ts';
import { OperatorRequest } from '../records/request.ts';
import { tree } from '../records/tree.ts';
import { VerificationRow } from '../records/verification.ts';
import type { VerificationEntry } from '../records/verification.ts';
import type { Context } from './context.ts';
import type { Peers } from './peers.ts';

const periodMs = 300_000;
const lookMs = 1000;
const atOnceMax = 4;
/** Reading all accounts of a BMC takes more than one command's time on slow ones. */
const probeDeadlineFactor = 2;

export class Verifier {
  private readonly context: Context;
  private readonly peers: Peers;
  private readonly entries = new Map<string, VerificationEntry>();
  private readonly answered = new Set<string>();
  private checked = '';

  constructor(context: Context, peers: Peers) {
    this.context = context;
    this.peers = peers;
  }

  async run(): Promise<void> {
    const { env, duties } = this.context;
    let dueMs = 0;
    while (!duties.aborted) {
      const nowMs = env.clock.monotonicMs();
      const registrations = this.wanted();
      const mark = registrations.map((peer) => `${peer.name} ${peer.bmcSealed ?? ''}`).join('\n');
      if (registrations.length > 0 && (mark !== this.checked || nowMs >= dueMs)) {
        this.checked = mark;
        await this.checkAll(registrations, null);
        dueMs = env.clock.monotonicMs() + periodMs * (0.9 + 0.2 * env.random.fraction());
      }
      await this.answerRequests();
      await env.clock.sleep(lookMs, duties);
    }
  }

  /** An operator's preflight: probe anew what it asks for, and mark the row as its answer. */
  private async answerRequests(): Promise<void> {
    const { store } = this.context.env;
    const listed = await store.list(tree.requests);
    if (!listed.ok || this.context.self.role !== 'coordinator') return;
    for (const id of listed.names.filter((name) => !this.answered.has(name))) {
      const read = await store.read(`${tree.requests}/${id}`);
      if (!read.ok) continue;
      const parsed = parseRecord(OperatorRequest, read.text);
      this.answered.add(id);
      if (!parsed.ok || parsed.record.kind !== 'verify') continue;
      const { node } = parsed.record;
      await this.checkAll(
        this.wanted().filter((peer) => node === null || peer.name === node),
        id,
      );
    }
    for (const id of this.answered) if (!listed.names.includes(id)) this.answered.delete(id);
  }

  /** Coordinators check everybody; a worker only itself (advice: a host may not reach its own BMC). */
  private wanted(): Registration[] {
    const { self } = this.context;
    return this.peers.all().filter((peer) => self.role === 'coordinator' || peer.name === self.name);
  }

  private async checkAll(registrations: readonly Registration[], answers: string | null): Promise<void> {
    const queue = [...registrations];
    const shared = sharedBmcs(
      new Map(
        registrations.flatMap((peer) => (peer.bmcAddress === null ? [] : [[peer.name, peer.bmcAddress] as const])),
      ),
    );
    const worker = async () => {
      for (let peer = queue.shift(); peer !== undefined && !this.context.duties.aborted; peer = queue.shift()) {
        await this.checkOne(peer, sharing(shared, peer.name));
      }
    };
    await Promise.all(Array.from({ length: atOnceMax }, worker));
    await this.publish(answers);
  }

  private async checkOne(peer: Registration, shared: readonly string[] | null): Promise<void> {
    const { env, self, history } = this.context;
    const startMs = env.clock.monotonicMs();
    const verification = shared === null ? await this.probe(peer) : sharedBmc(shared);
    const { canFence, fault, because, advice } = verification;
    const before = this.entries.get(peer.name);
    this.entries.set(peer.name, {
      canFence,
      fault,
      because,
      advice,
      tookMs: Math.round(env.clock.monotonicMs() - startMs),
      wallMs: env.clock.wallMs(),
    });
    if (before?.fault === fault && before.canFence === canFence) return;
    if (before === undefined && canFence) {
      env.log.info('fencing verified', { node: peer.name, because });
      return;
    }
    const who =
      peer.name === self.name ? `${self.name} (itself; the proof that counts comes from its peers)` : peer.name;
    const text = canFence
      ? `${self.name} can fence ${who} again: ${because}`
      : `${self.name} could not fence ${who}: ${because}${advice === null ? '' : `; ${advice}`}`;
    if (!canFence) env.log.warn('fencing would fail', { node: peer.name, fault, because, advice });
    history.happened('verification', text, { node: peer.name, evidence: { fault, canFence } });
  }

  private async probe(peer: Registration): Promise<Verification> {
    const { env } = this.context;
    const none = (because: string, advice: string): Verification => ({
      canFence: false,
      fault: 'no-bmc',
      because,
      advice,
    });
    if (peer.bmcSealed === null) return none('it has no BMC configured', 'add a bmc section to its configuration');
    const plain = env.secrets.open(peer.bmcSealed, `bmc ${peer.name}`);
    if (plain === null)
      return none(
        'its BMC reference was sealed with another cluster key',
        'use the same cluster key file on all machines',
      );
    const parsed = parseRecord(BmcReference, plain);
    if (!parsed.ok) return none(`its BMC reference cannot be read: ${parsed.because}`, 'restart its noded');
    const probe = await env.power.probe(parsed.record, parsed.record.commandTimeoutMs * probeDeadlineFactor);
    return judgeProbe(probe, peer.systemGuid);
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
    const text = printRecord(VerificationRow.parse(row));
    const read = await env.store.read(path);
    if (read.ok) await env.store.write(path, text, read.version);
    else if (read.code === 'no-node') await env.store.create(path, text, 'persistent');
  }
}

function sharing(groups: readonly string[][], name: string): string[] | null {
  return groups.find((group) => group.includes(name)) ?? null;
}

function sharedBmc(group: readonly string[]): Verification {
  return {
    canFence: false,
    fault: 'shared-bmc',
    because: `${group.join(' and ')} name the same BMC address: a fence of one would switch off another`,
    advice: 'correct bmc.address on these machines',
  };
}
