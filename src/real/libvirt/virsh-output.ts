/** What virsh prints, as facts. Recorded from libvirt 9.0.0 (Debian 12). Garbage is null, never "off". */
import type { GuestState, NamedGuest } from '../../core/guest-list.ts';
import { guestInWords } from '../../core/guest-list.ts';
import type { Guest } from '../../core/vm.ts';
import type { MigrationProgress } from '../../environment/hypervisor.ts';

/** `list --all --uuid --name`. Null: it cannot be understood as a whole. */
export function parseNames(text: string): NamedGuest[] | null {
  const named: NamedGuest[] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const [, uuid, name] = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}) (.+)$/.exec(line) ?? [];
    if (uuid === undefined || name === undefined) return null;
    named.push({ uuid, name });
  }
  return named;
}

/** `domstats --state --raw`. Null: it cannot be understood as a whole. */
export function parseStates(text: string): GuestState[] | null {
  const states: GuestState[] = [];
  for (const block of text.split(/\n(?=Domain: )/)) {
    if (block.trim() === '') continue;
    const lines = /^Domain: '(.*)'\n\s+state\.state=(\d+)\n\s+state\.reason=(\d+)\s*$/.exec(block.trimStart());
    if (lines?.[1] === undefined) return null;
    states.push({ name: lines[1], state: Number(lines[2]), reason: Number(lines[3]) });
  }
  return states;
}

/** `list --all --uuid`. Null: it cannot be understood as a whole. */
export function parseUuids(text: string): string[] | null {
  const lines = text.split('\n').map((line) => line.trim());
  const uuids = lines.filter((line) => line !== '');
  return uuids.every((line) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(line)) ? uuids : null;
}

/** `domstate --reason`: "running (booted)", "shut off (destroyed)". */
export function parseDomState(text: string): Guest | null {
  const [, state = '', reason = 'unknown'] = /^([a-z ]+?)\s*(?:\((.*)\))?$/.exec(text.trim()) ?? [];
  return guestInWords(state, reason);
}

export interface JobInfo extends MigrationProgress {
  readonly isActive: boolean;
  /** Old versions of libvirt do not say what kind of job it is. */
  readonly isMigration: boolean;
}

/** `domjobinfo`: whether something is under way, and how far. Null: it cannot be understood. */
export function parseJobInfo(text: string): JobInfo | null {
  const field = (name: string) => new RegExp(`^${name}:\\s+(.+?)\\s*$`, 'm').exec(text)?.[1] ?? null;
  const type = field('Job type');
  if (type === null) return null;
  return {
    isActive: type !== 'None',
    isMigration: type !== 'None' && /migration/i.test(field('Operation') ?? 'migration'),
    totalBytes: bytes(field('Data total')),
    leftBytes: bytes(field('Data remaining')),
    copiedBytes: bytes(field('Data processed')),
  };
}

const units: Readonly<Record<string, number>> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

function bytes(text: string | null): number | null {
  const match = /^([\d.]+) ([KMGT]?i?B)$/.exec(text ?? '');
  const unit = units[match?.[2] ?? ''];
  return match === null || unit === undefined ? null : Math.round(Number(match[1]) * unit);
}
