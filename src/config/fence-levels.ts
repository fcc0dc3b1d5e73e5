/**
 * How this machine is fenced, as its configuration says it: the levels in order, each with its devices. Pure; what the
 * names stand for is read from files by real/config-file.ts.
 */
import { fenceLevelWords } from '../core/levels.ts';
import type { WrittenConfig } from './schema.ts';

export interface ConfigViolation {
  readonly path: string;
  readonly because: string;
}

/** The levels as written, or what follows from the devices that there are. */
export function fenceLevels(config: WrittenConfig): readonly (readonly string[])[] {
  return (
    config.fencing.levels ?? [
      ...(config.bmc === undefined ? [] : [['ipmi']]),
      // All of them in one level: two outlets of two power supplies are the common case, and one alone proves nothing.
      ...(config.fencing.devices.length === 0 ? [] : [config.fencing.devices.map((device) => device.name)]),
      ...(config.node.watchdog === undefined || !watchdogCovers(config) ? [] : [['watchdog']]),
    ]
  );
}

/**
 * Whether a node's watchdog may promise that it holds nothing any more after a while. Guests go on while noded is started anew,
 * and a noded that does not reach the store does not know of them: with VMs there is no such promise.
 */
export function watchdogCovers({ vms }: WrittenConfig): boolean {
  return !vms.enabled;
}

/** What in the levels and devices cannot be carried out; empty: nothing. */
export function levelViolations(config: WrittenConfig): ConfigViolation[] {
  const found: ConfigViolation[] = [];
  const { devices } = config.fencing;
  const names = devices.map((device) => device.name);
  const known = [...(config.bmc === undefined ? [] : ['ipmi']), ...names];
  for (const [index, name] of names.entries()) {
    const path = `fencing.devices.${index}.name`;
    if ((fenceLevelWords as readonly string[]).includes(name))
      found.push({ path, because: `the name "${name}" has a meaning of its own; choose another` });
    if (names.indexOf(name) < index)
      found.push({ path, because: `two devices are named "${name}"; names must differ` });
  }
  for (const [index, device] of devices.entries()) {
    const path = `fencing.devices.${index}`;
    for (const option of Object.keys(device.secretFiles))
      if (option in device.options)
        found.push({ path, because: `the option "${option}" is given twice: in options and in secretFiles` });
    for (const option of [...Object.keys(device.options), ...Object.keys(device.secretFiles)])
      if (reserved.includes(option))
        found.push({ path, because: `the option "${option}" is set by noded itself; leave it out` });
  }
  const levels = fenceLevels(config);
  for (const [index, level] of levels.entries()) {
    const path = `fencing.levels.${index}`;
    for (const name of level) {
      const alone = name === 'watchdog' || name === 'manual';
      if (alone && level.length > 1) found.push({ path, because: `"${name}" stands alone in its level` });
      if (name === 'watchdog' && config.node.watchdog === undefined)
        found.push({ path, because: 'the level "watchdog" needs the section node.watchdog' });
      else if (name === 'watchdog' && !watchdogCovers(config))
        found.push({
          path,
          because: 'a node that runs VMs cannot be fenced by its watchdog: guests are not covered by its bound',
        });
      if (name === 'ipmi' && config.bmc === undefined)
        found.push({ path, because: 'the level "ipmi" needs the section bmc' });
      if (!alone && name !== 'ipmi' && !names.includes(name)) {
        const there = known.length === 0 ? 'none is configured' : `there are: ${known.join(', ')}`;
        found.push({ path, because: `no device is named "${name}"; ${there}` });
      }
    }
    const before = levels.slice(0, index).flat();
    const twice = level.find((name, at) => before.includes(name) || level.indexOf(name) < at);
    if (twice !== undefined)
      found.push({ path, because: `"${twice}" stands in two places; each device belongs to one level` });
  }
  for (const name of known)
    if (!levels.flat().includes(name))
      found.push({
        path: 'fencing.levels',
        because: `"${name}" is configured but stands in no level; it would never be used`,
      });
  return found;
}

/** Options of a fence agent that decide what happens: never a matter of configuration. */
const reserved = ['action', 'option', 'o', 'delay', 'nodename'];
