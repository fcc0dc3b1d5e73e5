/**
 * The whole cluster as the store shows it, in the shape that `status --json` and the API promise to programs. Read only;
 * nothing here decides anything. Ages are by the store's own clock and are for people.
 */
import type { FenceStanding, NodeRole, NodeState } from '../core/node.ts';
import { displayedState } from '../core/node.ts';
import type { FenceState } from '../core/fencing.ts';
import { levelName } from '../core/levels.ts';
import type { Fenceability } from '../core/verification.ts';
import { fenceabilityOf } from '../core/verification.ts';
import { printDuration } from '../config/duration.ts';
import type { Config } from '../config/load.ts';
import type { Store } from '../environment/store.ts';
import { FenceRecord } from '../records/fence.ts';
import { Keepalive } from '../records/keepalive.ts';
import type { PeerView, SubsystemReport } from '../records/keepalive.ts';
import { LeftMark } from '../records/left.ts';
import { Maintenance } from '../records/maintenance.ts';
import { PrimaryRecord, noPrimary } from '../records/primary.ts';
import { Registration } from '../records/registration.ts';
import type { Parsed } from '../records/record.ts';
import { parseRecord } from '../records/record.ts';
import { tree } from '../records/tree.ts';
import { VerificationRow } from '../records/verification.ts';

export interface NodeView {
  readonly name: string;
  readonly role: NodeRole | null;
  readonly state: NodeState;
  readonly priority: number;
  /** What its noded says of itself. */
  readonly daemonState: Keepalive['state'] | null;
  /** What becomes of it when it is fenced. */
  readonly action: Registration['action'] | null;
  readonly keepaliveAgeMs: number | null;
  readonly throws: number;
  readonly incarnation: string | null;
  readonly coordinatorState: string | null;
  readonly maintenance: string | null;
  /** Who told it to stay out of the cluster, and why; null: nobody. */
  readonly left: string | null;
  /** Why it cannot be primary right now; null: it can. */
  readonly ineligible: string | null;
  readonly apiAddress: string | null;
  /** Whether the noded's session with the store lives right now. */
  readonly session: boolean;
  readonly sequence: number | null;
  /** How the others fence it, level by level, and through what. */
  readonly levels: readonly string[];
  readonly devices: Registration['devices'];
  /** Who could fence it when that was proved last, and whether that is enough; `unknown`: nobody has proved anything yet. */
  readonly fencers: readonly string[];
  readonly fenceability: Fenceability;
  /** Its own row of the matrix: what it has proved of the others. */
  readonly proofs: VerificationRow['entries'];
  readonly version: string | null;
  /** Of its noded, on its own machine. */
  readonly pid: number | null;
  readonly steppedDown: string | null;
  readonly subsystems: Readonly<Record<string, SubsystemReport>>;
  readonly views: Readonly<Record<string, PeerView>>;
  readonly fence: FenceRecord | null;
  /** Records that could not be read, each with its path and why. */
  readonly problems: readonly string[];
}

export interface ClusterView {
  readonly cluster: { readonly name: string; readonly maintenance: string | null; readonly quorum: boolean };
  readonly primary: {
    readonly holder: string | null;
    readonly epoch: number;
    /**
     * As recorded; `unknown`: the record cannot be read; `ended`: it names a life of the holder that is over. Nothing works
     * in the role then, and the holder's new life gives it back when the lease of the old one has run out.
     */
    readonly state: string;
    readonly because: string;
    readonly sinceWallMs: number;
  };
  /** Cluster-wide records that could not be read. */
  readonly problems: readonly string[];
  readonly nodes: readonly NodeView[];
}

interface RawNode {
  readonly name: string;
  readonly registration: Registration | null;
  readonly keepalive: Keepalive | null;
  readonly modifiedWallMs: number | null;
  readonly session: boolean;
  readonly fence: FenceRecord | null;
  readonly maintenance: string | null;
  readonly left: string | null;
  readonly verification: VerificationRow | null;
  readonly problems: readonly string[];
}

export type ClusterRead =
  { readonly ok: true; readonly view: ClusterView } | { readonly ok: false; readonly because: string };

/** Reads the cluster. `nowWallMs`: the reader's wall clock, for the ages that people see. */
export async function viewCluster(store: Store, config: Config, nowWallMs: number): Promise<ClusterRead> {
  const listed = await store.list(tree.nodes);
  if (!listed.ok && listed.code === 'no-auth')
    return { ok: false, because: 'ZooKeeper refuses this cluster key: is it the one of the other machines?' };
  if (!listed.ok && listed.code !== 'no-node') return { ok: false, because: listed.because };
  const names = listed.ok ? listed.names : [];
  const [raw, maintenance, primary] = await Promise.all([
    Promise.all(names.map((name) => readNode(store, name))),
    store.read(tree.maintenance).then((read) => maintenanceOf(read.ok ? read.text : '')),
    store.read(tree.primary).then((read) => (read.ok ? read.text : '')),
  ]);
  const nodes = raw.map((node) => viewOf(node, raw, config, nowWallMs));
  const cluster = { name: config.cluster.name, maintenance, quorum: true };
  return { ok: true, view: { cluster, ...primaryOf(primary, raw), nodes } };
}

async function readNode(store: Store, name: string): Promise<RawNode> {
  const [registration, keepalive, session, fence, maintenance, left, verification] = await Promise.all([
    store.read(tree.node(name)),
    store.read(tree.keepalive(name)),
    store.read(tree.session(name)),
    store.read(tree.fence(name)),
    store.read(tree.nodeMaintenance(name)),
    store.read(tree.left(name)),
    store.read(tree.verification(name)),
  ]);
  const problems: string[] = [];
  const parsed = <T>(path: string, text: string | null, parse: (text: string) => Parsed<T>): T | null => {
    if (text === null || text === '') return null;
    const result = parse(text);
    if (!result.ok) problems.push(`${path} cannot be read: ${result.because}`);
    return result.ok ? result.record : null;
  };
  return {
    name,
    registration: parsed(tree.node(name), registration.ok ? registration.text : null, (text) =>
      parseRecord(Registration, text),
    ),
    keepalive: parsed(tree.keepalive(name), keepalive.ok ? keepalive.text : null, (text) =>
      parseRecord(Keepalive, text),
    ),
    modifiedWallMs: keepalive.ok ? keepalive.modifiedWallMs : null,
    session: session.ok,
    fence: parsed(tree.fence(name), fence.ok ? fence.text : null, (text) => parseRecord(FenceRecord, text)),
    maintenance: maintenanceOf(maintenance.ok ? maintenance.text : ''),
    left: leftOf(left.ok ? left.text : ''),
    verification: parsed(tree.verification(name), verification.ok ? verification.text : null, (text) =>
      parseRecord(VerificationRow, text),
    ),
    problems,
  };
}

function maintenanceOf(text: string): string | null {
  if (text === '') return null;
  const parsed = parseRecord(Maintenance, text);
  if (!parsed.ok) return 'unreadable';
  const { on, reason, forMs } = parsed.record;
  return on ? `${reason || 'no reason given'}${forMs === null ? '' : ` (for ${printDuration(forMs)})`}` : null;
}

function leftOf(text: string): string | null {
  const parsed = text === '' ? null : parseRecord(LeftMark, text);
  if (parsed?.ok !== true || !parsed.record.left) return null;
  return `by ${parsed.record.by}${parsed.record.reason === '' ? '' : `: ${parsed.record.reason}`}`;
}

function primaryOf(text: string, nodes: readonly RawNode[]): Pick<ClusterView, 'primary' | 'problems'> {
  const none = { holder: null, epoch: 0, state: 'none', because: noPrimary.because, sinceWallMs: 0 };
  if (text === '') return { primary: none, problems: [] };
  const parsed = parseRecord(PrimaryRecord, text);
  if (!parsed.ok) {
    const problem = `${tree.primary} cannot be read: ${parsed.because}`;
    return { primary: { ...none, state: 'unknown', because: problem }, problems: [problem] };
  }
  const { holder, epoch, state, because, sinceWallMs, incarnation } = parsed.record;
  const now = nodes.find(({ name }) => name === holder);
  const lives = [now?.keepalive?.incarnation, now?.registration?.incarnation];
  if (lives.some((life) => life !== undefined && life !== incarnation)) {
    const ended = `${holder ?? ''} was started anew and holds nothing; the role is free when its former life's lease has run out`;
    return { primary: { holder, epoch, state: 'ended', because: ended, sinceWallMs }, problems: [] };
  }
  return { primary: { holder, epoch, state, because, sinceWallMs }, problems: [] };
}

/** Why a node cannot be primary, by its own word and by what the store shows of it. */
function hindranceOf(node: RawNode, state: NodeState): string | null {
  if (node.registration === null) return 'its registration cannot be read';
  if (node.registration.role !== 'coordinator') return 'it is a worker; only coordinators can be primary';
  if (node.left !== null) return `it has left the cluster (${node.left})`;
  if (state !== 'run') return `it is in "${state}"`;
  if (!node.session) return 'its noded has no session with the store';
  return node.keepalive?.ineligible ?? null;
}

function viewOf(node: RawNode, all: readonly RawNode[], config: Config, nowMs: number): NodeView {
  const ageMs = node.modifiedWallMs === null ? null : Math.max(0, nowMs - node.modifiedWallMs);
  const freshMs = config.timing.detectionMs;
  const views = all
    .filter(
      (other) => other.name !== node.name && other.modifiedWallMs !== null && nowMs - other.modifiedWallMs < freshMs,
    )
    .flatMap((other) => {
      const view = other.keepalive?.peers[node.name];
      return view === undefined ? [] : ([[other.name, view]] as const);
    });
  const { fence, keepalive } = node;
  const others = all.filter((other) => other.name !== node.name && other.registration?.role === 'coordinator');
  const proofs = others.flatMap((other) => {
    const entry = other.verification?.entries[node.name];
    return entry === undefined ? [] : [{ by: other.name, canFence: entry.canFence }];
  });
  const state = displayedState({
    keepalive: keepalive === null ? null : { state: keepalive.state, incarnation: keepalive.incarnation },
    fence: fence === null ? null : { standing: standingOf(fence.state), incarnation: fence.incarnation ?? '' },
    heldForDead: views.some(([, view]) => view.verdict === 'dead'),
    stale: ageMs === null || ageMs > 2 * freshMs,
  });
  return {
    name: node.name,
    role: node.registration?.role ?? null,
    state,
    priority: node.registration?.priority ?? 0,
    daemonState: keepalive?.state ?? null,
    action: node.registration?.action ?? null,
    proofs: node.verification?.entries ?? {},
    keepaliveAgeMs: ageMs,
    throws: Math.max(0, ...views.map(([, view]) => view.throws)),
    incarnation: keepalive?.incarnation ?? node.registration?.incarnation ?? null,
    coordinatorState: keepalive?.coordinatorState ?? null,
    maintenance: node.maintenance,
    left: node.left,
    ineligible: hindranceOf(node, state),
    apiAddress: node.registration?.apiAddress ?? null,
    session: node.session,
    sequence: keepalive?.sequence ?? null,
    devices: node.registration?.devices ?? [],
    fencers: proofs.filter((proof) => proof.canFence).map((proof) => proof.by),
    fenceability: fenceabilityOf(proofs, others.length),
    levels: (node.registration?.levels ?? []).map(levelName),
    version: node.registration?.version ?? null,
    pid: node.registration?.pid ?? null,
    steppedDown: keepalive?.steppedDown ?? null,
    subsystems: keepalive?.subsystems ?? {},
    views: Object.fromEntries(views),
    fence,
    problems: node.problems,
  };
}

function standingOf(state: FenceState): FenceStanding {
  switch (state) {
    case 'intent':
      return 'under-way';
    case 'fenced':
    case 'restoring':
    case 'finished':
      return 'fenced';
    case 'failed':
      return 'failed';
    case 'none':
    case 'closed':
    case 'cancelled':
      return 'none';
  }
}
