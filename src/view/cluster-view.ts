/**
 * The whole cluster as the store shows it, in the shape that `status --json` and the API promise to programs. Read only;
 * nothing here decides anything. Ages are by the store's own clock and are for people.
 */
import type { FenceStanding, NodeRole, NodeState } from '../core/node.ts';
import { displayedState, speaksForItself } from '../core/node.ts';
import type { FenceState } from '../core/fencing.ts';
import type { DeviceKnowledge } from '../core/device-trust.ts';
import { nothingKnown } from '../core/device-trust.ts';
import { levelName } from '../core/levels.ts';
import type { Fenceability } from '../core/verification.ts';
import { fenceabilityOf } from '../core/verification.ts';
import { printDuration } from '../config/duration.ts';
import type { Config } from '../config/load.ts';
import type { Store } from '../environment/store.ts';
import { DeviceKnowledgeRecord } from '../records/device-knowledge.ts';
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
import { VerificationEntry } from '../records/verification.ts';

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
  /** Its part in the primary role now; null: it is a worker, or that is not known. */
  readonly coordinatorState: string | null;
  /** What its last keepalive said of that, where it does not hold any more: it is silent, dead, fenced, or was started again. */
  readonly lastCoordinatorState: string | null;
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
  readonly proofs: Readonly<Record<string, VerificationEntry>>;
  /** What is known of its fence devices; null: the record cannot be read, and they are not used. */
  readonly knowledge: DeviceKnowledge | null;
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
    /** Why no coordinator takes the role now, as the coordinators say; null: one holds it, or nothing blocks them. */
    readonly blocked: string | null;
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
  readonly knowledge: DeviceKnowledge | null;
  /** What it verified of the others. */
  readonly proofs: Readonly<Record<string, VerificationEntry>>;
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
    readNodes(store, names),
    store.read(tree.maintenance).then((read) => maintenanceOf(read.ok ? read.text : '')),
    store.read(tree.primary).then((read) => (read.ok ? read.text : '')),
  ]);
  const seen = raw.map((node) => seenOf(node, raw, config, nowWallMs));
  const nodes = seen.map((node) => viewOf(node, seen));
  const cluster = { name: config.cluster.name, maintenance, quorum: true };
  return { ok: true, view: { cluster, ...primaryOf(primary, raw), nodes } };
}

async function readNodes(store: Store, names: readonly string[]): Promise<RawNode[]> {
  const nodes = await Promise.all(names.map((name) => readNode(store, name)));
  return Promise.all(
    nodes.map(async (node) => {
      if (node.registration?.role !== 'coordinator') return node;
      const { entries, problems } = await readVerifications(store, node.name, names);
      return { ...node, proofs: entries, problems: [...node.problems, ...problems] };
    }),
  );
}

/** What one verifier wrote of these nodes, and which records could not be read. Only what is there is read. */
export async function readVerifications(
  store: Store,
  by: string,
  targets: readonly string[],
): Promise<{ readonly entries: Readonly<Record<string, VerificationEntry>>; readonly problems: readonly string[] }> {
  const listed = await store.list(tree.verification(by));
  const there = new Set(listed.ok ? listed.names : []);
  const read = await Promise.all(
    targets
      .filter((target) => there.has(target))
      .map(async (target) => [target, await readVerified(store, by, target)] as const),
  );
  return {
    entries: Object.fromEntries(
      read.flatMap(([target, entry]) => (entry?.ok === true ? [[target, entry.record]] : [])),
    ),
    problems: read.flatMap(([target, entry]) =>
      entry?.ok === false ? [`${tree.verified(by, target)} cannot be read: ${entry.because}`] : [],
    ),
  };
}

/** Null: nothing. */
async function readVerified(store: Store, by: string, target: string): Promise<Parsed<VerificationEntry> | null> {
  const read = await store.read(tree.verified(by, target));
  return read.ok && read.text !== '' ? parseRecord(VerificationEntry, read.text) : null;
}

async function readNode(store: Store, name: string): Promise<RawNode> {
  const [registration, keepalive, session, fence, maintenance, left, devices] = await Promise.all([
    store.read(tree.node(name)),
    store.read(tree.keepalive(name)),
    store.read(tree.session(name)),
    store.read(tree.fence(name)),
    store.read(tree.nodeMaintenance(name)),
    store.read(tree.left(name)),
    store.read(tree.devices(name)),
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
    knowledge:
      !devices.ok && devices.code === 'no-node'
        ? nothingKnown
        : parsed(tree.devices(name), devices.ok ? devices.text : null, (text) =>
            parseRecord(DeviceKnowledgeRecord, text),
          ),
    proofs: {},
    problems,
  };
}

const unreadable = 'unreadable';

/** Somebody declared it; a record that cannot be read counts as maintenance too, but nobody is known to have declared it. */
export function isInDeclaredMaintenance({ maintenance }: Pick<NodeView, 'maintenance'>): boolean {
  return maintenance !== null && maintenance !== unreadable;
}

function maintenanceOf(text: string): string | null {
  if (text === '') return null;
  const parsed = parseRecord(Maintenance, text);
  if (!parsed.ok) return unreadable;
  const { on, reason, forMs } = parsed.record;
  return on ? `${reason || 'no reason given'}${forMs === null ? '' : ` (for ${printDuration(forMs)})`}` : null;
}

function leftOf(text: string): string | null {
  const parsed = text === '' ? null : parseRecord(LeftMark, text);
  if (parsed?.ok !== true || !parsed.record.left) return null;
  return `by ${parsed.record.by}${parsed.record.reason === '' ? '' : `: ${parsed.record.reason}`}`;
}

function primaryOf(text: string, nodes: readonly RawNode[]): Pick<ClusterView, 'primary' | 'problems'> {
  const blocked = blockedOf(nodes);
  const none = { holder: null, epoch: 0, state: 'none', because: noPrimary.because, sinceWallMs: 0, blocked };
  if (text === '') return { primary: none, problems: [] };
  const parsed = parseRecord(PrimaryRecord, text);
  if (!parsed.ok) {
    const problem = `${tree.primary} cannot be read: ${parsed.because}`;
    return { primary: { ...none, state: 'unknown', because: problem, blocked: null }, problems: [problem] };
  }
  const { holder, epoch, state, because, sinceWallMs, incarnation } = parsed.record;
  const now = nodes.find(({ name }) => name === holder);
  const lives = [now?.keepalive?.incarnation, now?.registration?.incarnation];
  if (lives.some((life) => life !== undefined && life !== incarnation)) {
    const ended = `${holder ?? ''}'s previous run ended; the role is free when its lease expires`;
    return { primary: { holder, epoch, state: 'ended', because: ended, sinceWallMs, blocked }, problems: [] };
  }
  // A copy may name an earlier tenure of an incarnation that lives: it knows that it does not hold the role.
  const free = state === 'none' ? blocked : now === undefined ? null : blockedOf([now]);
  return { primary: { holder, epoch, state, because, sinceWallMs, blocked: free }, problems: [] };
}

/** What the coordinators that run say; each reason once. */
function blockedOf(nodes: readonly RawNode[]): string | null {
  const said = nodes.filter(isObserving).flatMap(({ keepalive }) => keepalive?.roleBlocked ?? []);
  return said.length === 0 ? null : [...new Set(said)].join('; ');
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

/** A node with the age of its keepalive, what the others see of it, and the state that comes of both. */
interface SeenNode extends RawNode {
  readonly ageMs: number | null;
  readonly seenBy: readonly (readonly [string, PeerView])[];
  readonly state: NodeState;
}

function seenOf(node: RawNode, all: readonly RawNode[], config: Config, nowMs: number): SeenNode {
  const ageMs = node.modifiedWallMs === null ? null : Math.max(0, nowMs - node.modifiedWallMs);
  const freshMs = config.timing.detectionMs;
  const seenBy = all
    .filter(
      (other) => other.name !== node.name && other.modifiedWallMs !== null && nowMs - other.modifiedWallMs < freshMs,
    )
    .flatMap((other) => {
      const view = isObserving(other) ? other.keepalive?.peers[node.name] : undefined;
      // A view of an earlier incarnation says nothing of the one that publishes now.
      const now = node.keepalive?.incarnation;
      const isAboutNow = view?.incarnation == null || now === undefined || view.incarnation === now;
      return view === undefined || !isAboutNow ? [] : ([[other.name, view]] as const);
    });
  const { fence, keepalive } = node;
  const state = displayedState({
    keepalive: keepalive === null ? null : { state: keepalive.state, incarnation: keepalive.incarnation },
    fence: fence === null ? null : { standing: standingOf(fence.state), incarnation: fence.incarnation ?? '' },
    heldForDead: seenBy.some(([, view]) => view.verdict === 'dead'),
    stale: ageMs === null || ageMs > 2 * freshMs,
  });
  return { ...node, ageMs, seenBy, state };
}

/** Its noded looks at its peers now: one that starts or stops publishes what it saw last, for minutes. */
function isObserving({ keepalive, session }: RawNode): boolean {
  return session && keepalive?.state === 'run';
}

/** What a coordinator verified says who can fence only while it is there to fence. */
const fencingStates: readonly NodeState[] = ['run', 'starting'];

function viewOf(node: SeenNode, all: readonly SeenNode[]): NodeView {
  const { fence, keepalive, state, ageMs, seenBy } = node;
  const others = all.filter((other) => other.name !== node.name && other.registration?.role === 'coordinator');
  const proofs = others.flatMap((other) => {
    const entry = other.proofs[node.name];
    const isThere = fencingStates.includes(other.state);
    return entry === undefined || !isThere ? [] : [{ by: other.name, canFence: entry.canFence }];
  });
  return {
    name: node.name,
    role: node.registration?.role ?? null,
    state,
    priority: node.registration?.priority ?? 0,
    daemonState: keepalive?.state ?? null,
    action: node.registration?.action ?? null,
    proofs: node.proofs,
    knowledge: node.knowledge,
    keepaliveAgeMs: ageMs,
    throws: Math.max(0, ...seenBy.map(([, view]) => view.throws)),
    incarnation: keepalive?.incarnation ?? node.registration?.incarnation ?? null,
    ...roleOf(node),
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
    views: Object.fromEntries(seenBy),
    fence,
    problems: node.problems,
  };
}

/** What a keepalive says of the role is about the incarnation that published it, and only while that lives. */
function roleOf({ keepalive, registration, state }: SeenNode): Pick<NodeView, RoleField> {
  const said = keepalive?.coordinatorState ?? null;
  if (said === null || state === 'stop') return { coordinatorState: null, lastCoordinatorState: null };
  const isOther = registration !== null && registration.incarnation !== keepalive?.incarnation;
  const isNow = speaksForItself(state) && !isOther;
  return { coordinatorState: isNow ? said : null, lastCoordinatorState: isNow ? null : said };
}

type RoleField = 'coordinatorState' | 'lastCoordinatorState';

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
