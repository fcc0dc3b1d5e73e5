/**
 * What ipmitool's words mean. Exit codes are only 0 and 1 whatever happened, so the text decides; case and wording differ
 * between BMCs and versions, so it is read by meaning. Pure. Recorded outputs: test/real/power/fixtures.
 */
import type { BmcFault } from '../../core/verification.ts';

/** The first matching row wins; the order is from the most telling to the most general. */
const meanings: readonly (readonly [RegExp, BmcFault])[] = [
  [
    /unauthorized role|privilege level requested|insufficient privilege|privilege level.*(failed|denied|exceeds)/i,
    'privilege-too-low',
  ],
  [
    /invalid (authentication|integrity|confidentiality) algorithm|no (matching|cipher suite).*(cipher|match|algorithm)|unsupported cipher|cipher suite .*(not|invalid)/i,
    'cipher-refused',
  ],
  [
    /HMAC is invalid|unauthorized name|invalid (user|username|password)|incorrect password|authentication.*(failed|error)|(user|password).*(reject|denied)/i,
    'wrong-credentials',
  ],
  [/insufficient resources|no (more )?(free )?sessions?|out of (session|slot)s?/i, 'no-session'],
  [/address lookup|name or service not known|could not resolve|temporary failure in name/i, 'no-answer'],
  // It answers, but later than ipmitool waits: the answer to the first try meets the second.
  [/request match not found/i, 'timeout'],
  [/command not supported in present state|node busy|BMC initiali[sz]ation/i, 'refused-now'],
  [/username is too long|password is too long/i, 'misconfigured'],
  [
    /unable to establish|no response|timed? ?out|could not open socket|connection (refused|timed)|no route|unreachable/i,
    'no-answer',
  ],
];

/** Lines that ipmitool -v prints on healthy sessions too; they explain nothing. */
const noise =
  /^(Loading IANA|Running Get |Invalid completion code received|Discovered IPMB|Get HPM\.x|Using best available|Info: |Close Session|$)/;

/** The fault that ipmitool's words describe; `null` output on exit 0. */
export function faultOf(text: string): BmcFault {
  const told = tellingLines(text);
  for (const [pattern, fault] of meanings) if (pattern.test(told)) return fault;
  return 'other';
}

/** Completion code 0xD5: what many BMCs answer to a power-off command for a chassis that is off. (0xC0 and 0xD2: busy, starting.) */
export function isRefusedByState(text: string): boolean {
  return /command not supported in present state/i.test(text);
}

/** Power as `chassis power status` tells it: "Chassis Power is on", "power is OFF". Anything else is unknown. */
export function powerOf(stdout: string): 'on' | 'off' | 'unknown' {
  const said = [...stdout.matchAll(/power is (on|off)\b/gi)].map((match) => match[1]?.toLowerCase());
  const [first, ...rest] = said;
  if (first === undefined || rest.some((word) => word !== first)) return 'unknown';
  return first === 'on' ? 'on' : 'off';
}

/** The privilege limit of `username` in `user list`; null: not listed, or the list was not given. */
export function privilegeOf(stdout: string, username: string): string | null {
  for (const line of stdout.split('\n')) {
    const match = /^\s*\d+\s+(.{0,16}?)\s+(true|false)\s+(true|false)\s+(true|false)\s+(.+?)\s*$/.exec(line);
    if (match?.[1]?.trim() === username) return match[5] ?? null;
  }
  return null;
}

/** Whether such a limit (as `user list` prints it) is enough for power control. */
export function isEnoughPrivilege(limit: string): boolean {
  return /operator|administrator|oem/i.test(limit);
}

/** The system GUID of `mc guid`; null when it is missing or one of the placeholders that firmwares leave. */
export function guidOf(stdout: string): string | null {
  const match = /System GUID\s*:\s*([0-9a-f-]{32,36})/i.exec(stdout);
  const guid = match?.[1]?.toLowerCase() ?? null;
  if (guid === null || /^[0-]+$/.test(guid) || /^[f-]+$/.test(guid)) return null;
  return guid;
}

/** A short account of what was said, for people; one line, at most 200 characters. */
export function quote(text: string): string {
  const lines = tellingLines(text)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return lines.join('; ').slice(0, 200);
}

function tellingLines(text: string): string {
  return text
    .split('\n')
    .filter((line) => !noise.test(line.trim()))
    .join('\n');
}
