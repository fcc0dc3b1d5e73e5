/** What virsh prints, as facts. Recorded from libvirt 9.0.0 (Debian 12). Garbage is null, never "off". */
import type { Guest } from '../../core/vm.ts';
import type { MigrationProgress } from '../../environment/hypervisor.ts';

/** virDomainState, and the reasons that decisions rest on (include/libvirt/libvirt-domain.h). */
const runningReasons = ['unknown', 'booted', 'migrated', 'restored', 'from snapshot', 'unpaused', 'migration canceled'];
const pausedReasons = [
  'unknown',
  'user',
  'migration',
  'save',
  'dump',
  'I/O error',
  'watchdog',
  'from snapshot',
  'shutting down',
  'snapshot',
  'crashed',
  'starting up',
  'post-copy',
  'post-copy failed',
];
const offReasons = [
  'unknown',
  'shutdown',
  'destroyed',
  'crashed',
  'migrated',
  'saved',
  'failed',
  'from snapshot',
  'daemon',
];

export function guestOf(state: number, reason: number): Guest | null {
  switch (state) {
    case 1: // running
    case 2: // blocked
    case 4: // being shut down: it still runs
      return { power: 'running', reason: runningReasons[reason] ?? 'unknown' };
    case 3:
    case 7: // suspended by its own power management
      return { power: 'paused', reason: state === 7 ? 'suspended' : (pausedReasons[reason] ?? 'unknown') };
    case 5:
      return { power: 'off', reason: offReasons[reason] ?? 'unknown' };
    case 6:
      return { power: 'off', reason: 'crashed' };
    default:
      return null;
  }
}

/**
 * `list --all --uuid --name; domstats --state --raw` in one run. Null: it cannot be understood as a whole. A guest that came
 * or went between the two is left out, and seen at the next look.
 */
export function parseList(text: string): Map<string, Guest> | null {
  const uuidOf = new Map<string, string>();
  const guests = new Map<string, Guest>();
  let name: string | null = null;
  let state: number | null = null;
  for (const line of text.split('\n')) {
    const listed = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}) (.+)$/.exec(line);
    const domain = /^Domain: '(.*)'$/.exec(line);
    const value = /^\s+state\.(state|reason)=(\d+)$/.exec(line);
    if (listed?.[1] !== undefined && listed[2] !== undefined) uuidOf.set(listed[2].trimEnd(), listed[1]);
    else if (domain?.[1] !== undefined) [name, state] = [domain[1], null];
    else if (value?.[1] === 'state') state = Number(value[2]);
    else if (value?.[1] === 'reason' && name !== null && state !== null) {
      const uuid = uuidOf.get(name);
      const guest = guestOf(state, Number(value[2]));
      if (uuid !== undefined && guest !== null) guests.set(uuid, guest);
    } else if (line.trim() !== '') return null;
  }
  return guests;
}

/** `domstate --reason`: "running (booted)", "shut off (destroyed)". */
export function parseDomState(text: string): Guest | null {
  const match = /^([a-z ]+?)\s*(?:\((.*)\))?$/.exec(text.trim());
  const reason = match?.[2] ?? 'unknown';
  switch (match?.[1] ?? '') {
    case 'running':
    case 'idle':
    case 'in shutdown':
      return { power: 'running', reason };
    case 'paused':
    case 'pmsuspended':
      return { power: 'paused', reason };
    case 'shut off':
    case 'crashed':
      return { power: 'off', reason };
    default:
      return null;
  }
}

/** `domjobinfo`: whether something is under way, and how far. Null: it cannot be understood. */
export function parseJobInfo(text: string): (MigrationProgress & { readonly isActive: boolean }) | null {
  const field = (name: string) => new RegExp(`^${name}:\\s+(.+?)\\s*$`, 'm').exec(text)?.[1] ?? null;
  const type = field('Job type');
  if (type === null) return null;
  return {
    isActive: type !== 'None',
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
