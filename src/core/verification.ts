/**
 * What a probe of a BMC proves, before it matters (5.5). The probe collects facts without changing power; here they
 * become a verdict and plain sentences. The checks stand in the order in which a fence would meet them.
 */
export const bmcFaults = {
  'no-answer': 'nothing answers at this address',
  'cipher-refused': 'the BMC refuses this cipher suite',
  'wrong-credentials': 'the BMC refuses the user name or the password',
  'privilege-too-low': 'the account may log in, but not control power',
  'no-session': 'the BMC has no free session',
  'refused-now': 'the BMC refuses the command in its present state',
  nonsense: 'the BMC answered something that cannot be understood',
  timeout: 'the BMC did not finish in time',
  'tool-missing': 'ipmitool is not installed on the machine that tried',
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

export interface Verification {
  readonly canFence: boolean;
  readonly fault: BmcFault | 'other-machine' | 'shared-bmc' | 'no-bmc' | null;
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
  'tool-missing': 'install it: apt-get install ipmitool',
  misconfigured: 'correct the bmc section of that node',
  other: 'read the detail',
};

/** The verdict on one probe. `expectedGuid` is the machine's own, as its noded published it; null: not known. */
export function judgeProbe(probe: BmcProbe, expectedGuid: string | null): Verification {
  if (probe.fault !== null) {
    const because = `${bmcFaults[probe.fault]}${probe.detail === '' ? '' : ` (${probe.detail})`}`;
    return { canFence: false, fault: probe.fault, because, advice: advice[probe.fault] };
  }
  if (probe.power === 'unknown') {
    return { canFence: false, fault: 'nonsense', because: bmcFaults.nonsense, advice: advice.nonsense };
  }
  if (expectedGuid !== null && probe.guid !== null && !sameGuid(expectedGuid, probe.guid)) {
    return {
      canFence: false,
      fault: 'other-machine',
      because: `this is the BMC of another machine: it says ${probe.guid}, the node's own is ${expectedGuid}`,
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

/** Nodes that share one BMC address: a fence of one would hit the other. Returns groups of two and more. */
export function sharedBmcs(addresses: ReadonlyMap<string, string>): string[][] {
  const groups = new Map<string, string[]>();
  for (const [node, address] of addresses) groups.set(address, [...(groups.get(address) ?? []), node]);
  return [...groups.values()].filter((group) => group.length > 1);
}

/** Whether every node can be fenced by enough others: two, or all others where there are fewer (DESIGN 5.5). */
export function coverage(
  nodes: readonly string[],
  fencers: readonly string[],
  canFence: (fencer: string, target: string) => boolean,
): { readonly node: string; readonly by: string[]; readonly needed: number; readonly enough: boolean }[] {
  return nodes.map((node) => {
    const others = fencers.filter((fencer) => fencer !== node);
    const by = others.filter((fencer) => canFence(fencer, node));
    const needed = Math.max(1, Math.min(2, others.length));
    return { node, by, needed, enough: by.length >= needed };
  });
}
