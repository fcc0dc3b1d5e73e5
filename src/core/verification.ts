/**
 * What a probe of a BMC proves, before it matters. The probe collects facts without changing power; here they
 * become a verdict and plain sentences. The checks stand in the order in which a fence would meet them.
 */
import type { DeviceStanding } from './device-trust.ts';
import { findingKinds } from './device-trust.ts';

export const bmcFaults = {
  'no-answer': 'nothing answers at this address',
  'cipher-refused': 'the BMC refuses this cipher suite',
  'wrong-credentials': 'the BMC refuses the user name or the password',
  'privilege-too-low': 'the account may log in, but not control power',
  'no-session': 'the BMC has no free session',
  'refused-now': 'the BMC refuses the command in its present state',
  nonsense: 'the BMC answered something that cannot be understood',
  timeout: 'the BMC did not finish in time',
  'tool-missing': 'the program that speaks with it is not installed on the machine that tried',
  misconfigured: 'the configuration of this BMC cannot work',
  other: 'the BMC could not be used',
} as const;
export type BmcFault = keyof typeof bmcFaults;

/** The checks of one probe, in the order in which a fence meets them. */
export const probeChecks = ['address', 'cipher', 'password', 'privilege', 'power', 'identity'] as const;
export type ProbeCheck = (typeof probeChecks)[number];
export type ProbeOutcome = 'proved' | 'failed' | 'unknown';

export interface BmcProbe {
  readonly checks: Readonly<Record<ProbeCheck, ProbeOutcome>>;
  readonly fault: BmcFault | null;
  /** What the tool said, shortened; never contains a secret (S10). */
  readonly detail: string;
  readonly power: 'on' | 'off' | 'unknown';
  readonly cipherSuite: number | null;
  /** System GUID as the BMC tells it; null when it was not asked or did not answer. */
  readonly guid: string | null;
  readonly tookMs: number;
}

/** What is known against a device whatever it answers (core/device-trust.ts): it is distrusted. */
export const deviceFaults = {
  ...findingKinds,
  'shared-bmc': 'another node names the very same device: it is used for neither',
  unreadable: 'what is known of the device cannot be read: it is not used until that can be read',
} as const;
export type DeviceFault = keyof typeof deviceFaults;

export const nodeFaults = {
  'no-bmc': 'the node has no fence device, or its devices were encrypted with another cluster key',
} as const;

export interface Verification {
  readonly canFence: boolean;
  readonly fault: BmcFault | DeviceFault | keyof typeof nodeFaults | null;
  readonly because: string;
  /** What to do about it; null when nothing is wrong. */
  readonly advice: string | null;
}

const advice: Readonly<Record<BmcFault, string>> = {
  'no-answer': 'check address, cable, VLAN and firewall (UDP 623); is IPMI over LAN switched on in the BMC?',
  'cipher-refused': 'set bmc.cipherSuites to what the BMC offers: ipmitool channel getciphers ipmi 1',
  'wrong-credentials': 'check bmc.username and bmc.passwordFile against the BMC (at most 16 and 20 bytes)',
  'privilege-too-low': 'give the account the level OPERATOR on the LAN channel: ipmitool user priv ID 3 1',
  'no-session': 'close other IPMI sessions, or wait until the BMC drops them (often 60 s)',
  'refused-now': 'look at the BMC: it may be updating or starting',
  nonsense: 'look at what it said; a firmware update or a reset of the BMC may help',
  timeout: 'the BMC is overloaded or the way to it loses packets; raise bmc.commandTimeout if it is always slow',
  'tool-missing': 'install it: apt-get install ipmitool, or fence-agents',
  misconfigured: 'correct the bmc section of that node',
  other: 'read the detail',
};

/** The verdict on one probe. `expectedGuid` is the machine's own, as its noded published it; null: not known. `others`: the other nodes. */
export function judgeProbe(
  probe: BmcProbe,
  expectedGuid: string | null,
  others: readonly Machine[] = [],
): Verification {
  if (probe.fault !== null) {
    const because = `${bmcFaults[probe.fault]}${probe.detail === '' ? '' : ` (${probe.detail})`}`;
    return { canFence: false, fault: probe.fault, because, advice: advice[probe.fault] };
  }
  if (probe.power === 'unknown') {
    return { canFence: false, fault: 'nonsense', because: bmcFaults.nonsense, advice: advice.nonsense };
  }
  const foreign = probe.guid === null ? null : foreignBmc(probe.guid, expectedGuid, others);
  if (foreign !== null) {
    return {
      canFence: false,
      fault: 'other-machine',
      because: foreign,
      advice: 'correct bmc.address: a fence through it would switch off the wrong machine',
    };
  }
  const privilege = probe.checks.privilege === 'proved' ? 'privilege' : 'no privilege problem';
  const identity =
    expectedGuid !== null && probe.guid !== null
      ? "it is this machine's own BMC"
      : 'whose BMC it is could not be compared';
  const because = `login, ${privilege} and power reading (${probe.power}) proved in ${Math.round(probe.tookMs)} ms, cipher suite ${probe.cipherSuite ?? '?'}; ${identity}`;
  return { canFence: true, fault: null, because, advice: null };
}

/** A machine by its node's name, with the system GUID that its noded published; null: it tells none. */
export interface Machine {
  readonly name: string;
  readonly systemGuid: string | null;
}

/**
 * Why a BMC that tells this GUID is not that of the machine with the GUID `own` (null: not known); null: it may be. Of a machine that
 * does not tell its own, the BMC may still be known as that of another one.
 */
export function foreignBmc(guid: string, own: string | null, others: readonly Machine[]): string | null {
  if (own !== null && sameGuid(own, guid)) return null;
  const owner = others.find(({ systemGuid }) => systemGuid !== null && sameGuid(systemGuid, guid));
  if (own === null && owner === undefined) return null;
  const whose = owner === undefined ? 'another machine' : owner.name;
  return `this is the BMC of ${whose}: it says ${guid}${own === null ? '' : `, the node's own is ${own}`}`;
}

/**
 * GUIDs are told in either byte order (SMBIOS stores the first three fields little-endian; many BMCs do not swap):
 * both count as the same machine, as does any difference in case and hyphens.
 */
export function sameGuid(a: string, b: string): boolean {
  const x = hexOf(a);
  const y = hexOf(b);
  return x === y || swapped(x) === y;
}

function hexOf(guid: string): string {
  return guid.toLowerCase().replace(/[^0-9a-f]/g, '');
}

function swapped(hex: string): string {
  const bytes = hex.match(/../g) ?? [];
  const flip = (from: number, to: number) => bytes.slice(from, to).reverse().join('');
  return flip(0, 4) + flip(4, 6) + flip(6, 8) + bytes.slice(8).join('');
}

/** What was proved of one device, named. */
export interface DeviceVerification extends Verification {
  readonly device: string;
  /** It is not used at all, whatever else fails. */
  readonly isBarred: boolean;
}

export const levelProofs = {
  holds: 'every device of the level works, or the watchdog is armed',
  failed: 'it would fail; it is tried after everything else',
  barred: 'a device of it is distrusted so that it is not used at all',
  unknown: 'nothing can be verified beforehand (an operator confirms), or nothing was verified yet',
} as const;

export interface LevelVerification {
  readonly level: string;
  readonly proof: keyof typeof levelProofs;
  readonly because: string;
}

/** What each level is worth: all its devices must work; a watchdog must be armed; a person proves nothing. */
export function judgeLevels(
  levels: readonly (readonly string[])[],
  devices: readonly DeviceVerification[],
  watchdogBoundMs: number | null,
): LevelVerification[] {
  return levels.map((names) => {
    const level = names.join('+');
    if (level === 'manual') return { level, proof: 'unknown', because: 'it waits for the word of a person' };
    if (level === 'watchdog')
      return watchdogBoundMs === null
        ? { level, proof: 'failed', because: 'this life of the node has published no armed watchdog' }
        : {
            level,
            proof: 'holds',
            because: `its watchdog is armed, with a bound of ${Math.round(watchdogBoundMs)} ms`,
          };
    const found = names.map((name) => devices.find((one) => one.device === name));
    const failed = found.flatMap((one, index) =>
      one === undefined
        ? [`${names[index] ?? '?'} is not published`]
        : one.canFence
          ? []
          : [told(one, names.length > 1)],
    );
    const isBarred = found.some((one) => one?.isBarred === true);
    if (failed.length > 0) return { level, proof: isBarred ? 'barred' : 'failed', because: failed.join('; ') };
    const because = found.flatMap((one) => (one === undefined ? [] : [told(one, names.length > 1)])).join('; ');
    return { level, proof: 'holds', because };
  });
}

function told(one: DeviceVerification, several: boolean): string {
  return several ? `${one.device}: ${one.because}` : one.because;
}

/**
 * The node's whole standing: it can be fenced when some level holds that needs no person. The fault told is that of the
 * first level that does not hold.
 */
export function judgeNode(levels: readonly LevelVerification[], devices: readonly DeviceVerification[]): Verification {
  const works = levels.find((level) => level.proof === 'holds');
  const broken = levels.find((level) => level.proof === 'failed' || level.proof === 'barred');
  const fault = devices.find((one) => one.fault !== null);
  if (works === undefined) {
    if (fault !== undefined) return { ...fault, canFence: false };
    const because =
      broken?.because ??
      (levels.length === 0 ? 'no fence level is configured' : 'only a person can confirm that it is off');
    return {
      canFence: false,
      fault: 'no-bmc',
      because,
      advice: 'add a bmc section, or fencing.devices, to its configuration',
    };
  }
  if (broken === undefined) return { canFence: true, fault: null, because: works.because, advice: null };
  const because = `only by level ${works.level}; level ${broken.level} fails: ${broken.because}`;
  return { canFence: true, fault: fault?.fault ?? null, because, advice: fault?.advice ?? null };
}

/** A device that answers well and is distrusted all the same, as the verification tells it. */
export function distrusted(standing: DeviceStanding, fault: DeviceFault, node: string): Verification {
  return { canFence: false, fault, because: `distrusted: ${standing.because}`, advice: deviceAdvice(fault, node) };
}

/** What to do about a distrusted device. */
export function deviceAdvice(fault: DeviceFault, node: string): string {
  const clear = `when the device is repaired: nodectl fence clear ${node}`;
  const what: Readonly<Record<DeviceFault, string>> = {
    'shared-bmc': 'correct bmc.address on these machines',
    'other-machine': 'correct bmc.address: a fence through it can switch off the wrong machine',
    'wrong-state': `check bmc.address, restart the BMC; ${clear}`,
    disobeyed: `try power control by hand; ${clear}`,
    unreadable: `it is written again by any coordinator that remembers it; if none does: nodectl fence clear ${node}`,
  };
  return what[fault];
}

/** Nodes whose BMCs told the same GUID: a fence of one may hit another. */
export function sameGuids(guids: ReadonlyMap<string, string>): string[][] {
  const groups = new Map<string, string[]>();
  // Told in either byte order it is the same one.
  const canonical = (guid: string) => [hexOf(guid), swapped(hexOf(guid))].sort()[0] ?? guid;
  for (const [node, told] of guids) {
    const guid = canonical(told);
    groups.set(guid, [...(groups.get(guid) ?? []), node].sort());
  }
  return [...groups.values()].filter((group) => group.length > 1);
}

/** How many of the other coordinators must be able to fence a node: two, or the only one. */
export function fencersNeeded(others: number): number {
  return Math.max(1, Math.min(2, others));
}

/** Whether every node can be fenced by enough others: two, or all others where there are fewer. */
export function coverage(
  nodes: readonly string[],
  fencers: readonly string[],
  canFence: (fencer: string, target: string) => boolean,
): { readonly node: string; readonly by: string[]; readonly needed: number; readonly enough: boolean }[] {
  return nodes.map((node) => {
    const others = fencers.filter((fencer) => fencer !== node);
    const by = others.filter((fencer) => canFence(fencer, node));
    const needed = fencersNeeded(others.length);
    return { node, by, needed, enough: by.length >= needed };
  });
}

export type Fenceability = 'ok' | 'degraded' | 'none' | 'unknown';

/** In one word: enough others can fence it, too few, nobody, or nothing was proved yet. */
export function fenceabilityOf(proofs: readonly { readonly canFence: boolean }[], others: number): Fenceability {
  if (proofs.length === 0) return 'unknown';
  const able = proofs.filter((proof) => proof.canFence).length;
  if (able === 0) return 'none';
  return able >= fencersNeeded(others) ? 'ok' : 'degraded';
}

export interface SinglePointFacts {
  readonly nodes: readonly {
    readonly name: string;
    readonly levels: readonly string[];
    /** Places of its devices, as host:port or as people call them. */
    readonly places: readonly string[];
    /** GUIDs that its BMC told, by anybody who asked. */
    readonly guids: readonly string[];
    /** Levels that hold from somewhere. */
    readonly holding: readonly string[];
    /** Who can fence it. */
    readonly fencers: readonly string[];
  }[];
}

/** What a single failure would take away from fencing; each as a sentence. They are told, and fail the check with --strict. */
export function singlePoints({ nodes }: SinglePointFacts): string[] {
  const found: string[] = [];
  for (const node of nodes)
    if (node.fencers.length === 1 && nodes.length > 2)
      found.push(`only ${node.fencers[0] ?? ''} can fence ${node.name}: if both fail, nobody can`);
  const single = nodes.filter((node) => node.levels.filter((level) => level !== 'manual').length === 1);
  for (const [level, names] of grouped(single.map((node) => [node.levels[0] ?? '', node.name] as const)))
    found.push(
      `${names.join(', ')}: level ${level} is the only one; a BMC that loses power with its machine can confirm nothing: add an outlet or a watchdog`,
    );
  for (const node of nodes.filter((one) => !single.includes(one) && one.holding.length > 0))
    for (const level of node.levels.filter((name) => name !== 'manual' && !node.holding.includes(name)))
      found.push(`${node.name}: level ${level} holds from nowhere; only ${node.holding.join(', ')} would work`);
  for (const [guid, names] of grouped(nodes.flatMap((node) => node.guids.map((guid) => [guid, node.name] as const))))
    if (names.length > 1)
      found.push(`the BMCs of ${names.join(' and ')} tell the same GUID (${guid}): are they one BMC?`);
  const networks = grouped(
    nodes.flatMap((node) => node.places.flatMap((place) => network(place).map((net) => [net, node.name] as const))),
  );
  const [only] = [...networks];
  if (networks.size === 1 && only !== undefined && only[1].length === nodes.length && nodes.length > 1)
    found.push(
      `all fence devices stand in one network (${only[0]}): if its switch fails, nobody can be fenced by them`,
    );
  return found;
}

function grouped(pairs: readonly (readonly [string, string])[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const [key, name] of pairs)
    if (groups.get(key)?.includes(name) !== true) groups.set(key, [...(groups.get(key) ?? []), name]);
  return groups;
}

/** The /24 of an IPv4 address; names and other addresses tell nothing. */
function network(place: string): string[] {
  const match = /^(\d{1,3}\.\d{1,3}\.\d{1,3})\.\d{1,3}(:|$)/.exec(place);
  return match?.[1] === undefined ? [] : [`${match[1]}.0/24`];
}
