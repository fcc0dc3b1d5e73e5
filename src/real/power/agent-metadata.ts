/**
 * What a fence agent says of itself (`metadata`, the XML of ClusterLabs' FenceAgentAPI), read to check the configuration
 * before it matters: an option that it does not know, a required one that is missing, an action that it cannot do.
 */
import { XmlElement, parseXml } from '@rgrove/parse-xml';
import leven from 'leven';
import type { AgentDevice, FenceDevice } from '../../records/device.ts';
import { run } from '../process/runner.ts';

const deadlineMs = 10_000;

export interface AgentMetadata {
  readonly parameters: readonly { readonly name: string; readonly required: boolean }[];
  readonly actions: readonly string[];
}

/** Of all agents among these devices, each sentence with the device's name. */
export async function allComplaints(devices: readonly FenceDevice[]): Promise<string[]> {
  const agents = devices.filter((device) => device.kind === 'agent');
  const found = await Promise.all(
    agents.map(async (one) => (await agentComplaints(one)).map((text) => `${one.name}: ${text}`)),
  );
  return found.flat();
}

/** Everything in the configuration of this device that its agent's own words contradict; empty: nothing. */
export async function agentComplaints(device: AgentDevice): Promise<string[]> {
  const result = await run(device.agent, [], { deadlineMs, input: 'action=metadata\n' });
  if (result.kind === 'missing')
    return [`${result.because}; install it on every coordinator (Debian: apt-get install fence-agents)`];
  if (result.kind === 'timed-out') return [`${device.agent}: no metadata within ${deadlineMs / 1000} s`];
  if (result.kind !== 'exited') return [`${device.agent}: ${result.because}`];
  if (result.code !== 0)
    return [
      `${device.agent}: metadata ended with exit code ${result.code}: ${shortly(result.stderr || result.stdout)}`,
    ];
  const metadata = parseMetadata(result.stdout);
  if (typeof metadata === 'string') return [`${device.agent}: ${metadata}`];
  return complaints(device, metadata);
}

/** The sentence instead: why it is no metadata. */
export function parseMetadata(text: string): AgentMetadata | string {
  let root: XmlElement | null;
  try {
    ({ root } = parseXml(text));
  } catch (error) {
    const [why = ''] = (error as Error).message.split('\n');
    return `its metadata is not XML (${why}): ${shortly(text)}`;
  }
  if (root?.name !== 'resource-agent')
    return `its metadata is not what the fence agent API asks: expected <resource-agent>, got <${root?.name ?? ''}>`;
  const below = (list: string, item: string) =>
    children(root, list).flatMap((element) => children(element, item).map(({ attributes }) => attributes));
  return {
    parameters: below('parameters', 'parameter').map(({ name = '', required }) => ({
      name,
      required: required === '1',
    })),
    actions: below('actions', 'action').map(({ name = '' }) => name),
  };
}

function children(of: XmlElement, name: string): XmlElement[] {
  return of.children.filter((child): child is XmlElement => child instanceof XmlElement && child.name === name);
}

export function complaints(device: AgentDevice, metadata: AgentMetadata): string[] {
  const given = [...Object.keys(device.options), ...Object.keys(device.secrets)];
  const known = metadata.parameters.map(({ name }) => name);
  const found: string[] = [];
  for (const option of given) {
    if (known.some((name) => alike(name, option))) continue;
    const near = [...known].sort((a, b) => leven(a, option) - leven(b, option))[0];
    const hint = near !== undefined && leven(near, option) <= 3 ? `; did you mean "${near}"?` : '';
    found.push(`${device.agent} knows no option "${option}"${hint}`);
  }
  for (const { name, required } of metadata.parameters)
    if (required && !alike(name, 'action') && !given.some((option) => alike(option, name)))
      found.push(`${device.agent} needs the option "${name}"`);
  for (const action of ['off', 'status'])
    if (!metadata.actions.includes(action))
      found.push(`${device.agent} cannot do "${action}"; without it nothing is proved`);
  return found;
}

/** The API takes `-` and `_` for the same. */
function alike(a: string, b: string): boolean {
  return a.replaceAll('-', '_') === b.replaceAll('-', '_');
}

function shortly(text: string): string {
  return JSON.stringify(text.trim().slice(0, 120));
}
