/**
 * nodectl fence clear NODE: an operator says that a distrusted fence device is repaired. The findings against it are dropped; what is
 * still wrong is found again by the next verification, or by the next command that does not work.
 */
import type { DeviceFinding } from '../../../core/device-trust.ts';
import { clearedOf, findingInWords, findingKey, standingFindings } from '../../../core/device-trust.ts';
import { DeviceKnowledgeRecord, endedMax } from '../../../records/device-knowledge.ts';
import { parseRecord, printRecord } from '../../../records/record.ts';
import { tree } from '../../../records/tree.ts';
import { auditEntry } from '../../audit.ts';
import { readCluster } from '../../cluster-view.ts';
import type { Command } from '../../command.ts';
import { jsonOption, flag, text } from '../../command.ts';
import type { Connected } from '../../connect.ts';
import { requester, withStore } from '../../connect.ts';
import { confirmName } from '../../confirm.ts';
import { CommandError, exitCodes } from '../../exit-codes.ts';
import { findNode } from '../node.ts';
import { underWay } from './follow.ts';
import { readRecord } from './read-fence.ts';
import { stopHint } from './stop-hint.ts';

/** The place of what cannot be read any more, of whichever device it was. */
const everywhere = '-';

/** Tries against coordinators that write the same record at the same moment. */
const triesMax = 5;

export const clear: Command = {
  usage: 'clear <node>',
  describe:
    'Trust a distrusted fence device again after it was repaired. A verification checks what can be read; whether it obeys, only a fence shows.',
  positionals: { node: { type: 'string', describe: 'the node whose device it is' } },
  options: {
    device: { type: 'string', describe: 'only this device, as the levels name it (default: all of the node)' },
    reason: { type: 'string', default: '', describe: 'what was repaired, for the record' },
    yes: { type: 'boolean', default: false, describe: 'do not ask, although a fence of the node is under way' },
    ...jsonOption,
  },
  examples: [['nodectl fence clear node2 --reason "BMC firmware updated"', 'when fence-check says "distrusted"']],
  run: (args, output) =>
    withStore(args, async (connected) => {
      const { nodes } = await readCluster(connected.store, connected.config);
      const node = findNode(nodes, text(args, 'node') ?? '');
      const device = text(args, 'device') ?? null;
      const names = node.devices.map(({ name }) => name);
      if (device !== null && !names.includes(device))
        throw new CommandError(
          exitCodes.usage,
          `${node.name} has no device "${device}"; it has: ${names.join(', ') || 'none'}`,
        );
      const fence = await readRecord(connected.store, node.name);
      if (fence !== null && (fence.state === 'intent' || fence.state === 'failed'))
        await confirmName(
          args,
          node.name,
          `${underWay(fence)}. With a trusted device it is carried out now: ${node.name} is powered off. ${stopHint({ nodes }, connected.config, fence)}.`,
        );
      const cleared = await clearFindings(connected, node.name, device, text(args, 'reason') ?? '');
      if (flag(args, 'json')) output.json({ node: node.name, cleared });
      else if (cleared.length === 0) output.line(`nothing is known against the fence devices of ${node.name}`);
      else
        for (const finding of cleared)
          output.line(
            finding.where === everywhere
              ? finding.because
              : `${node.name}: device ${finding.device} (${finding.where}) is trusted again; it was distrusted because ${findingInWords(finding)}`,
          );
      return exitCodes.done;
    }),
};

async function clearFindings(
  { store }: Connected,
  node: string,
  device: string | null,
  reason: string,
): Promise<DeviceFinding[]> {
  const path = tree.devices(node);
  /** What a write was to drop whose answer was lost. */
  let unclear: DeviceFinding[] = [];
  for (let tries = 0; tries < triesMax; tries += 1) {
    const read = await store.read(path);
    if (!read.ok && read.code === 'no-node') return unclear;
    if (!read.ok && unclear.length > 0) break;
    if (!read.ok) throw new CommandError(exitCodes.unreachable, `${read.because}; nothing was cleared`);
    const parsed = parseRecord(DeviceKnowledgeRecord, read.text);
    const before = parsed.ok ? parsed.record : null;
    const gone = standingFindings(before?.findings ?? []).filter((one) => device === null || one.device === device);
    if (before !== null && gone.length === 0) return unclear;
    const by = requester();
    const record: DeviceKnowledgeRecord = {
      schema: 1,
      revision: (before?.revision ?? 0) + 1,
      findings: (before?.findings ?? []).flatMap((one) => (gone.includes(one) ? (clearedOf(one) ?? []) : [one])),
      ...{ seenOn: before?.seenOn ?? [], silent: before?.silent ?? [] },
      ended: [
        ...new Set([...(before?.ended ?? []), ...gone.filter((one) => clearedOf(one) === null).map(findingKey)]),
      ].slice(-endedMax),
      cleared: { by, reason, wallMs: Date.now() },
    };
    const what =
      before === null
        ? `what was known of the fence devices of ${node} could not be read, and is dropped`
        : `the fence devices of ${node} are trusted again (${gone.map((one) => `${one.device}: ${findingInWords(one)}`).join('; ')})`;
    const because = `${what}${reason === '' ? '' : `: ${reason}`}`;
    const done = await store.commit([
      { kind: 'write', path, text: printRecord(DeviceKnowledgeRecord.parse(record)), version: read.version },
      auditEntry(because, node),
    ]);
    if (done.ok) {
      return before === null
        ? [
            {
              device: 'all',
              where: everywhere,
              kind: 'other-machine',
              readsOnAgain: false,
              isCleared: false,
              commands: 0,
              because: what,
              by,
              sinceWallMs: 0,
            },
          ]
        : gone;
    }
    if (done.code === 'not-connected')
      throw new CommandError(
        exitCodes.unreachable,
        'no ZooKeeper server answers: is there a quorum? Nothing was cleared',
      );
    if (done.code === 'unclear')
      unclear = gone; // the next look says whether it was written
    else if (done.code !== 'bad-version') throw new CommandError(exitCodes.failed, `not cleared: ${done.because}`);
  }
  if (unclear.length > 0)
    throw new CommandError(
      exitCodes.timedOut,
      `the connection to ZooKeeper was lost before it answered: whether the findings are cleared is not known. See: nodectl status`,
    );
  throw new CommandError(exitCodes.failed, `not cleared: ${path} changes all the time; try again`);
}
