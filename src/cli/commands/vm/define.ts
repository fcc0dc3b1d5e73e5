/** nodectl vm define|undefine|modify: a VM's definition and what is known beside it. */
import { randomUUID } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { claimOf, keptApart, placeOne, selectors } from '../../../core/placement.ts';
import type { Selector } from '../../../core/placement.ts';
import type { Operation, Store } from '../../../environment/store.ts';
import { readDomainXml, xmlBytesMax } from '../../../real/libvirt/domain-xml.ts';
import type { DomainFacts } from '../../../real/libvirt/domain-xml.ts';
import { printRecord } from '../../../records/record.ts';
import { tree } from '../../../records/tree.ts';
import type { VmRecord } from '../../../records/vm.ts';
import { antiAffinityPattern, newVm } from '../../../records/vm.ts';
import { auditEntry } from '../../audit.ts';
import { readCluster } from '../../cluster-view.ts';
import type { Arguments, Command } from '../../command.ts';
import { flag, text } from '../../command.ts';
import { confirmName } from '../../confirm.ts';
import type { Connected } from '../../connect.ts';
import { pause, requester, withStore } from '../../connect.ts';
import { CommandError, exitCodes } from '../../exit-codes.ts';
import { durationOption } from '../../seconds.ts';
import type { StoredVm } from '../../vms.ts';
import { findVm, readVms, surveyNodes, writeVm } from '../../vms.ts';
import { findNode } from '../node.ts';

const traits = {
  selector: {
    type: 'string',
    choices: Object.keys(selectors),
    describe: 'by what its target is chosen (default: vms.selector)',
  },
  limit: { type: 'string', describe: 'nodes that it may run on, e.g. node1,node2; empty: any' },
  'anti-affinity': {
    type: 'string',
    describe: 'groups, e.g. db,web: VMs of one group are never put on the same node; empty: none',
  },
  autostart: {
    type: 'boolean',
    describe: 'start it by itself when it was stopped only because no node was left for it',
  },
  'migration-method': {
    type: 'string',
    choices: ['live', 'shutdown'],
    describe: 'how it moves when nothing else is said (default: live)',
  },
} as const;

export const define: Command = {
  usage: 'define <file>',
  describe:
    "Take a VM's libvirt XML into the cluster (- reads standard input). libvirt on its node checks it; it is not started. A guest that runs there already is taken up as it is.",
  positionals: { file: { type: 'string', describe: 'the XML of a domain, with <name>, <uuid> and <memory>' } },
  options: {
    node: { type: 'string', describe: 'its node (default: the best one)' },
    ...traits,
    timeout: { type: 'string', default: '60s', describe: "how long to wait for libvirt's word" },
  },
  examples: [['nodectl vm define web1.xml --node node2 --limit node2,node3', 'then: nodectl vm start web1']],
  run: (args, output) =>
    withStore(args, async (connected) => {
      const { xml, domain } = readFile(text(args, 'file') ?? '');
      const record = await newRecord(connected, args, domain);
      await create(connected.store, record, xml);
      const outcome = await checkedBy(connected.store, record, durationOption(args, 'timeout'));
      if (outcome !== null) {
        await removeAll(connected.store, record);
        throw new CommandError(exitCodes.failed, `${record.name} is not taken: ${outcome}`);
      }
      const { state } = (await findVm(connected.store, record.uuid)).record;
      output.line(
        state === 'start'
          ? `${record.name} is defined on ${record.node}; its guest runs there already, and is taken up as it is`
          : `${record.name} is defined on ${record.node}; nodectl vm start ${JSON.stringify(record.name)} starts it`,
      );
      return exitCodes.done;
    }),
};

export const undefine: Command = {
  usage: 'undefine <name>',
  describe: 'Forget a VM that is off: its record and its XML. Its disks are not touched.',
  positionals: { name: { type: 'string', describe: 'name or UUID of the VM' } },
  options: { yes: { type: 'boolean', default: false, describe: 'do not ask' } },
  run: (args, output) =>
    withStore(args, async ({ store }) => {
      const { record } = await findVm(store, text(args, 'name') ?? '');
      const isOff = !record.active && ['provision', 'stop', 'disable', 'fail'].includes(record.state);
      if (!isOff)
        throw new CommandError(
          exitCodes.refused,
          `${record.name} is not forgotten: it is in "${record.state}" on ${record.node}${record.active ? ', and a guest of it may run' : ''}; stop it first`,
        );
      await confirmName(args, record.name, `This makes the cluster forget the VM ${record.name}.`);
      await removeAll(store, record);
      output.line(`${record.name} is forgotten`);
      return exitCodes.done;
    }),
};

export const modify: Command = {
  usage: 'modify <name>',
  describe:
    'Change what is known of a VM. A new XML (of the same UUID) is taken while it is off, and checked by libvirt.',
  positionals: { name: { type: 'string', describe: 'name or UUID of the VM' } },
  options: {
    xml: { type: 'string', describe: 'a file with its new XML' },
    ...traits,
    timeout: { type: 'string', default: '60s', describe: "how long to wait for libvirt's word" },
  },
  run: (args, output) =>
    withStore(args, async ({ store, config }) => {
      const { nodes } = await readCluster(store, config);
      const vm = await findVm(store, text(args, 'name') ?? '');
      const changes = traitsOf(args, vm.record);
      for (const name of changes.limit) findNode(nodes, name);
      const file = text(args, 'xml');
      if (file === undefined) {
        if (!(await writeVm(store, vm, changes, 'its traits are changed'))) throw busy(vm.record.name);
      } else await replaceXml(store, vm, file, changes, durationOption(args, 'timeout'));
      output.line(`${vm.record.name} is changed`);
      const now = { ...vm.record, ...changes };
      const { vms } = await readVms(store);
      const apart = keptApart(now, now.node, claimOf(now).nodes.includes(now.node) ? claimsOf(vms) : []);
      if (apart !== null)
        output.line(`! it is on ${now.node}, and ${apart}: nodectl vm migrate moves one of them away`);
      return exitCodes.done;
    }),
};

const claimsOf = (vms: readonly StoredVm[]) => vms.map(({ record }) => claimOf(record));

const busy = (name: string) =>
  new CommandError(exitCodes.failed, `${name} was changed by somebody else just now; try again`);

function readFile(file: string): { xml: string; domain: DomainFacts } {
  let xml: string;
  try {
    const size = file === '-' ? 0 : statSync(file).size;
    if (size > xmlBytesMax)
      throw new CommandError(exitCodes.usage, `${file}: it has ${size} bytes; at most ${xmlBytesMax} are taken`);
    xml = readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(
      exitCodes.usage,
      `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  const read = readDomainXml(xml);
  if (!read.ok) throw new CommandError(exitCodes.usage, `${file}: ${read.because}`);
  return { xml, domain: read.domain };
}

type Traits = Pick<VmRecord, 'selector' | 'limit' | 'antiAffinity' | 'autostart' | 'migrationMethod'>;

function traitsOf(args: Arguments, before: Traits): Traits {
  const limit = text(args, 'limit');
  const groups = text(args, 'anti-affinity');
  return {
    selector: (text(args, 'selector') as Selector | undefined) ?? before.selector,
    limit: limit === undefined ? before.limit : wordsOf(limit),
    antiAffinity: groups === undefined ? before.antiAffinity : wordsOf(groups).map(checkGroup),
    autostart: args['autostart'] === undefined ? before.autostart : flag(args, 'autostart'),
    migrationMethod:
      (text(args, 'migration-method') as VmRecord['migrationMethod'] | undefined) ?? before.migrationMethod,
  };
}

function wordsOf(list: string): string[] {
  const words = list.split(',').map((name) => name.trim());
  return [...new Set(words.filter((name) => name !== ''))];
}

function checkGroup(group: string): string {
  if (antiAffinityPattern.test(group)) return group;
  throw new CommandError(
    exitCodes.usage,
    `--anti-affinity: ${JSON.stringify(group)} is no name of a group: letters, digits, "_", "." and "-", at most 63`,
  );
}

async function newRecord({ store, config }: Connected, args: Arguments, domain: DomainFacts): Promise<VmRecord> {
  const view = await readCluster(store, config);
  const { vms } = await readVms(store);
  const claims = claimsOf(vms);
  const given = traitsOf(args, {
    selector: config.vms.selector,
    limit: [],
    antiAffinity: [],
    autostart: false,
    migrationMethod: 'live',
  });
  for (const name of given.limit) findNode(view.nodes, name);
  const survey = await surveyNodes(store, view, vms);
  const wanted = text(args, 'node');
  if (wanted !== undefined) {
    findNode(view.nodes, wanted);
    const node = survey.find((candidate) => candidate.name === wanted);
    if (node?.hindrance != null) throw new CommandError(exitCodes.refused, `${wanted} takes no VM: ${node.hindrance}`);
    const apart = keptApart({ ...domain, ...given }, wanted, claims);
    if (apart !== null) throw new CommandError(exitCodes.refused, `${wanted} does not take it: ${apart}`);
    if (given.limit.length > 0 && !given.limit.includes(wanted))
      throw new CommandError(exitCodes.usage, `--node ${wanted} is not in --limit ${given.limit.join(',')}`);
  }
  const placed = wanted === undefined ? placeOne({ ...domain, ...given }, survey, null) : { node: wanted, because: '' };
  if (placed.node === null)
    throw new CommandError(exitCodes.refused, `no node takes ${domain.name}: ${placed.because}`);
  return newVm({
    ...domain,
    ...given,
    node: placed.node,
    by: requester(),
    nowWallMs: Date.now(),
    writeId: randomUUID(),
  });
}

/** Names and UUIDs are unique: every definition also writes the parent, so that of two at once one has to look again. */
async function create(store: Store, record: VmRecord, xml: string): Promise<void> {
  const parent = await store.read(tree.vms);
  if (!parent.ok) throw new CommandError(exitCodes.unreachable, `${tree.vms}: ${parent.because}; does a noded run?`);
  const { vms } = await readVms(store);
  const same = vms.find((vm) => vm.record.uuid === record.uuid || vm.record.name === record.name);
  if (same !== undefined) {
    const what = same.record.uuid === record.uuid ? `the UUID ${record.uuid}` : `the name "${record.name}"`;
    throw new CommandError(
      exitCodes.refused,
      `${what} belongs to a VM already (${same.record.name} on ${same.record.node}); vm modify changes that one`,
    );
  }
  const done = await store.commit([
    { kind: 'write', path: tree.vms, text: '', version: parent.version },
    { kind: 'create', path: tree.vm(record.uuid), text: printRecord(record), mode: 'persistent' },
    {
      kind: 'create',
      path: tree.vmDefinition(record.uuid),
      text: printRecord({ schema: 1, xml }),
      mode: 'persistent',
    },
    auditEntry(`${record.name}: defined on ${record.node}`),
  ]);
  if (!done.ok) throw new CommandError(exitCodes.failed, `${record.name} could not be recorded: ${done.because}`);
}

/** libvirt's refusal, or null when it has taken the definition. */
async function checkedBy(store: Store, { uuid, name, node }: VmRecord, withinMs: number): Promise<string | null> {
  const endMs = Date.now() + withinMs;
  for (;;) {
    const { record } = await findVm(store, uuid);
    if (record.state === 'fail') return record.because;
    if (record.state !== 'provision') return null;
    if (record.notTaken !== null) return record.notTaken;
    if (Date.now() > endMs)
      throw new CommandError(
        exitCodes.timedOut,
        `${name} is recorded, but ${node} has not checked it yet (does its libvirt answer?); vm show tells, vm undefine takes it back`,
      );
    await pause(100);
  }
}

async function replaceXml(
  store: Store,
  vm: StoredVm,
  file: string,
  changes: Partial<VmRecord>,
  withinMs: number,
): Promise<void> {
  const { record } = vm;
  const { xml, domain } = readFile(file);
  if (domain.uuid !== record.uuid)
    throw new CommandError(exitCodes.usage, `${file} is of another VM (UUID ${domain.uuid}, not ${record.uuid})`);
  if (record.active || !['stop', 'disable', 'fail', 'provision'].includes(record.state))
    throw new CommandError(
      exitCodes.refused,
      `${record.name} is in "${record.state}": its XML is changed only while it is off`,
    );
  const { vms } = await readVms(store);
  if (vms.some((other) => other.record.uuid !== record.uuid && other.record.name === domain.name))
    throw new CommandError(exitCodes.refused, `the name "${domain.name}" belongs to another VM`);
  const old = await store.read(tree.vmDefinition(record.uuid));
  if (!old.ok) throw new CommandError(exitCodes.failed, `its definition cannot be read: ${old.because}`);
  const next: VmRecord = { ...record, ...changes, ...domain, state: 'provision', writeId: randomUUID() };
  const done = await store.commit([
    { kind: 'write', path: tree.vm(record.uuid), text: printRecord(next), version: vm.version },
    {
      kind: 'write',
      path: tree.vmDefinition(record.uuid),
      text: printRecord({ schema: 1, xml }),
      version: old.version,
    },
    auditEntry(`${record.name}: it gets a new XML`),
  ]);
  if (!done.ok) throw busy(record.name);
  const refused = await checkedBy(store, next, withinMs);
  if (refused !== null)
    throw new CommandError(exitCodes.failed, `${record.name} has its new XML, and libvirt refuses it: ${refused}`);
}

/** Record, XML and all, in one transaction. */
async function removeAll(store: Store, { uuid, name }: VmRecord): Promise<void> {
  const paths = [tree.vmDefinition(uuid), tree.vmProgress(uuid), tree.vmLock(uuid), tree.vm(uuid)];
  const read = await Promise.all(paths.map(async (path) => ({ path, value: await store.read(path) })));
  const removals = read.flatMap(({ path, value }): Operation[] =>
    value.ok ? [{ kind: 'remove', path, version: value.version }] : [],
  );
  const done = await store.commit([...removals, auditEntry(`${name}: forgotten`)]);
  if (!done.ok) throw new CommandError(exitCodes.failed, `it is not forgotten: ${done.because}; try again`);
}
