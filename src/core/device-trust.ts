/**
 * What is known against a fence device, and what may therefore be done with it. A finding is made once, by whichever
 * coordinator sees it, and binds all of them, across restarts, until it is refuted (S4).
 *
 * D1 A device that is known to be another machine's, or that two nodes name, is never used for either of them.
 * D2 A device that reported power off while keepalives of its node went on is not tried while it still does. When it
 *    reads on again it is tried last, and believed only if it reads on, takes the command, and then reads off.
 * D3 A device whose last power-off command left power on is tried last, until a command works.
 * D4 What cannot be read counts as distrust: nothing is commanded and nothing is believed before it can be read.
 */

export const findingKinds = {
  'wrong-state': 'it reported power off while keepalives of its node went on',
  disobeyed: 'its last power-off command left power on',
  'other-machine': 'it is the device of another machine',
} as const;
export type FindingKind = keyof typeof findingKinds;

/** One finding against one device of a node. At another place (`where`) it is another device. */
export interface DeviceFinding {
  readonly device: string;
  readonly where: string;
  readonly kind: FindingKind;
  /** `wrong-state` only: it has read on since. */
  readonly readsOnAgain: boolean;
  /** `wrong-state` only: an operator says that it is repaired. It is used in its turn, and believed when it has read on again. */
  readonly isCleared: boolean;
  /** `disobeyed` only: how many power-off commands left power on since `sinceWallMs`. */
  readonly commands: number;
  readonly because: string;
  /** The coordinator that found it. */
  readonly by: string;
  /** Wall clock of that coordinator in ms; for people. */
  readonly sinceWallMs: number;
}

/** A device by its name and place. */
export interface DevicePlace {
  readonly device: string;
  readonly where: string;
}

/** Everything that is known of the devices of one node. */
export interface DeviceKnowledge {
  readonly findings: readonly DeviceFinding[];
  /** Devices that were read as on at least once: a reading of theirs follows the power of something. */
  readonly seenOn: readonly DevicePlace[];
}

export const nothingKnown: DeviceKnowledge = { findings: [], seenOn: [] };

/** ordinary: in its turn · last: after everything else · never: no command, no belief. */
export type DeviceUse = 'ordinary' | 'last' | 'never';

export interface DeviceStanding {
  readonly use: DeviceUse;
  /** Whether off is believed only after the device was read as on in the same attempt. */
  readonly needsOn: boolean;
  /** What is known against it, as a sentence; empty: nothing. */
  readonly because: string;
}

export interface DeviceFacts {
  readonly place: DevicePlace;
  /** Null: what is known cannot be read right now. */
  readonly knowledge: DeviceKnowledge | null;
  /** Other nodes that name the very same device. */
  readonly sharedWith: readonly string[];
  /** An operator has said, with a reason, that this is the right device: only the doubt whose machine it switches is overruled. */
  readonly deviceIsRight: boolean;
}

/** What may be done with a device, by everything that is known of it. */
export function standingOf({ place, knowledge, sharedWith, deviceIsRight }: DeviceFacts): DeviceStanding {
  const never = (because: string, needsOn = false): DeviceStanding => ({ use: 'never', needsOn, because });
  const names = sharedWith.length === 1 ? 'names' : 'name';
  if (sharedWith.length > 0 && !deviceIsRight)
    return never(
      `${sharedWith.join(' and ')} also ${names} ${place.where}: a fence through it can switch off the wrong machine`,
    );
  if (knowledge === null)
    return never('what is known of this device cannot be read; it is not used until that can be read', true);
  const find = (kind: FindingKind) => knowledge.findings.find((one) => one.kind === kind && isAt(one, place));
  const foreign = find('other-machine');
  if (foreign !== undefined && !deviceIsRight) return never(findingInWords(foreign));
  const wrong = find('wrong-state');
  if (wrong !== undefined && !wrong.readsOnAgain && !wrong.isCleared) return never(findingInWords(wrong), true);
  const needsOn = wrong !== undefined || !knowledge.seenOn.some((seen) => isAt(seen, place));
  const against = wrong?.isCleared === false ? wrong : find('disobeyed');
  if (against !== undefined) return { use: 'last', needsOn, because: findingInWords(against) };
  return { use: 'ordinary', needsOn, because: '' };
}

/** A node with its devices, as registered. */
export interface OwnerOfDevices {
  readonly name: string;
  readonly devices: readonly { readonly name: string; readonly kind: 'ipmi' | 'agent'; readonly where: string }[];
}

/** The place of a fence agent's device says which one it is only when it names an outlet (or machine) of a host. */
const outlet = / \S+ plug \S/;

/** Other nodes that name the very same device. */
export function sharedWith(all: readonly OwnerOfDevices[], target: string, place: DevicePlace): string[] {
  const kind = all.find(({ name }) => name === target)?.devices.find(({ name }) => name === place.device)?.kind;
  if (kind === undefined || (kind === 'agent' && !outlet.test(place.where))) return [];
  const isSame = (one: OwnerOfDevices['devices'][number]) => one.kind === kind && one.where === place.where;
  return all
    .filter(({ name, devices }) => name !== target && devices.some(isSame))
    .map(({ name }) => name)
    .sort();
}

/** A level may be used as its worst device may. */
export function levelStanding(standings: readonly DeviceStanding[]): {
  readonly use: DeviceUse;
  readonly because: string;
} {
  const worst = standings.find(({ use }) => use === 'never') ?? standings.find(({ use }) => use === 'last');
  return worst === undefined ? { use: 'ordinary', because: '' } : { use: worst.use, because: worst.because };
}

/** A clause: "12 power-off commands left power on". */
export function findingInWords({ kind, commands, readsOnAgain, because }: DeviceFinding): string {
  switch (kind) {
    case 'wrong-state':
      return `it reported power off while its node was alive${readsOnAgain ? '; it reads on again' : ''}`;
    case 'disobeyed':
      return `${commands} power-off command${commands === 1 ? '' : 's'} left power on`;
    case 'other-machine':
      return because;
  }
}

export function isAt(one: DevicePlace, other: DevicePlace): boolean {
  return one.device === other.device && one.where === other.where;
}

/** What a coordinator found out; the fields that a kind does not use are left out. */
export type DeviceNews =
  | { readonly news: 'read-on' }
  | { readonly news: 'wrong-state' }
  | { readonly news: 'disobeyed'; readonly commands: number }
  | { readonly news: 'obeyed' }
  | { readonly news: 'other-machine'; readonly because: string }
  | { readonly news: 'own-machine' };

/**
 * The knowledge with the news; the very same object when nothing changes. `obeyed` refutes what was found against it, but not
 * whose machine it is; `read-on` alone refutes nothing (D2).
 */
export function withNews(
  knowledge: DeviceKnowledge,
  place: DevicePlace,
  told: DeviceNews,
  by: string,
  wallMs: number,
): DeviceKnowledge {
  const find = (kind: FindingKind) => knowledge.findings.find((one) => one.kind === kind && isAt(one, place));
  const without = (...kinds: readonly FindingKind[]) =>
    knowledge.findings.filter((one) => !(kinds.includes(one.kind) && isAt(one, place)));
  const fresh = { ...place, readsOnAgain: false, isCleared: false, commands: 0, by, sinceWallMs: wallMs };
  const put = (finding: DeviceFinding): DeviceKnowledge => ({
    ...knowledge,
    findings: [...without(finding.kind), finding],
  });
  switch (told.news) {
    case 'read-on': {
      const wrong = find('wrong-state');
      const seenBefore = knowledge.seenOn.some((seen) => isAt(seen, place));
      if (wrong?.isCleared === true)
        return {
          findings: without('wrong-state'),
          seenOn: seenBefore ? knowledge.seenOn : [...knowledge.seenOn, place],
        };
      if (seenBefore && (wrong === undefined || wrong.readsOnAgain)) return knowledge;
      const seenOn = seenBefore ? knowledge.seenOn : [...knowledge.seenOn, place];
      return { ...(wrong === undefined ? knowledge : put({ ...wrong, readsOnAgain: true })), seenOn };
    }
    case 'wrong-state': {
      const before = find('wrong-state');
      if (before?.readsOnAgain === false && !before.isCleared) return knowledge;
      return put({ ...fresh, kind: 'wrong-state', because: findingKinds['wrong-state'] });
    }
    case 'disobeyed': {
      const before = find('disobeyed');
      const commands = Math.min(99_999, (before?.commands ?? 0) + told.commands);
      return put({ ...(before ?? fresh), kind: 'disobeyed', commands, because: findingKinds.disobeyed });
    }
    case 'obeyed':
      return find('wrong-state') === undefined && find('disobeyed') === undefined
        ? knowledge
        : { ...knowledge, findings: without('wrong-state', 'disobeyed') };
    case 'other-machine':
      return find('other-machine')?.because === told.because
        ? knowledge
        : put({ ...fresh, kind: 'other-machine', because: told.because });
    case 'own-machine':
      return find('other-machine') === undefined ? knowledge : { ...knowledge, findings: without('other-machine') };
  }
}

/** What an operator who says that the device is repaired leaves of a finding; null: nothing. */
export function clearedOf(finding: DeviceFinding): DeviceFinding | null {
  return finding.kind === 'wrong-state' ? { ...finding, isCleared: true } : null;
}

/** Findings that are held against a device: not those that only wait for it to read on again. */
export function standingFindings<T extends DeviceFinding>(findings: readonly T[]): T[] {
  return findings.filter(({ isCleared }) => !isCleared);
}

/** Names one finding for good: the same kind against the same device, found later or by another, is another finding. */
export function findingKey({ kind, device, where, by, sinceWallMs }: DeviceFinding): string {
  return [kind, device, where, by, sinceWallMs].join('|');
}

/** Knowledge with the findings that were refuted or taken back, by their keys: they stay so in whatever copy they turn up. */
export interface KnowledgeCopy extends DeviceKnowledge {
  readonly revision: number;
  readonly ended: readonly string[];
}

/**
 * Two copies of one record, which may have parted (a store that was restored from an old copy): a finding of either stands unless
 * either knows that it has ended. Of one finding in both the copy with the higher revision tells how it stands.
 */
export function merged(one: KnowledgeCopy, other: KnowledgeCopy): KnowledgeCopy {
  const [newer, older] = one.revision >= other.revision ? [one, other] : [other, one];
  const ended = [...new Set([...older.ended, ...newer.ended])];
  const has = (finding: DeviceFinding) => newer.findings.some((mine) => findingKey(mine) === findingKey(finding));
  const findings = [...newer.findings, ...older.findings.filter((finding) => !has(finding))];
  const lives = findings.filter((finding) => !ended.includes(findingKey(finding)));
  const seenOn = [...newer.seenOn, ...older.seenOn.filter((place) => !newer.seenOn.some((mine) => isAt(mine, place)))];
  return { revision: newer.revision, findings: lives, seenOn, ended };
}
