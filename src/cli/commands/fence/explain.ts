/**
 * nodectl fence explain NODE: why it was, was not, or will not be fenced, as a readable account (S11).
 * nodectl fence simulate NODE: the whole decision as of now, touching nothing.
 */
import { inWords } from '../../../core/decision.ts';
import { fenceStates, isUnderWay } from '../../../core/fencing.ts';
import { nodeStates } from '../../../core/node.ts';
import { readCluster } from '../../cluster-view.ts';
import type { NodeView } from '../../cluster-view.ts';
import type { Command } from '../../command.ts';
import { flag, jsonOption, text } from '../../command.ts';
import { withStore } from '../../connect.ts';
import { exitCodes } from '../../exit-codes.ts';
import { leftOff } from '../../left-off.ts';
import type { Output } from '../../output.ts';
import { age, clockTime } from '../../output.ts';
import { readEvents } from '../../read-events.ts';
import { findNode } from '../node.ts';
import { ago, attemptedInWords, outranks } from './attempted.ts';
import type { Outlook, OutlookAttempt } from './outlook.ts';
import { nextInWords } from './next-try.ts';
import { outlookOf, wouldFail } from './outlook.ts';

/** Events about the node that are shown, the newest. */
const eventsShown = 20;

export const explain: Command = {
  usage: 'explain <node>',
  describe: 'Explain why a node was, was not, or will not be fenced: observations, guards, levels and steps.',
  positionals: { node: { type: 'string', describe: 'the node' } },
  options: jsonOption,
  run: (args, output) =>
    withStore(args, async ({ store, config }) => {
      const view = await readCluster(store, config);
      const node = findNode(view.nodes, text(args, 'node') ?? '');
      const outlook = await outlookOf(store, config, view, node);
      const about = (await readEvents(store, null, 0))
        .map(({ event }) => event)
        .filter((event) => event.node === node.name);
      if (flag(args, 'json')) {
        output.json({
          node: node.name,
          state: node.state,
          roleBlocked: view.primary.blocked,
          views: node.views,
          outlook,
          fence: node.fence,
          events: about,
        });
        return exitCodes.done;
      }
      output.line(`${output.paint('bold', node.name)} is ${node.state}: ${nodeStates[node.state]}`);
      if (view.primary.blocked !== null)
        output.line(output.paint('yellow', `nobody takes the primary role: ${view.primary.blocked}`));
      printSeen(node, output);
      printOutlook(outlook, output);
      printLastFence(node, output);
      if (node.fence?.state === 'failed')
        output.line(output.paint('yellow', `  ${nextInWords(view, config, node.fence, Date.now())}`));
      const left = node.state === 'fenced' ? leftOff(node.fence) : null;
      if (left !== null) output.line(output.paint('yellow', `  ${left.sentence}`));
      output.line();
      output.line(output.paint('bold', 'what happened'));
      if (about.length === 0) output.line('  nothing yet');
      for (const event of about.slice(-eventsShown))
        output.line(`  ${clockTime(event.wallMs)}  ${event.by}: ${event.kind}: ${event.because}`);
      return exitCodes.done;
    }),
};

export const simulate: Command = {
  usage: 'simulate <node>',
  describe:
    'Show what would happen if a node fell silent now: who would fence it, how, and what would be recovered. Touches nothing. Exit 4: a guard would hold; 1: nobody could fence it.',
  positionals: { node: { type: 'string', describe: 'the node' } },
  options: jsonOption,
  run: (args, output) =>
    withStore(args, async ({ store, config }) => {
      const view = await readCluster(store, config);
      const node = findNode(view.nodes, text(args, 'node') ?? '');
      const outlook = await outlookOf(store, config, view, node);
      const { earlyEvidence } = config.fencing;
      if (flag(args, 'json')) output.json(outlook);
      else {
        const { detectionMs } = config.timing;
        const early = earlyEvidence ? ', or at once when its power reads off twice' : '';
        output.line(`if ${output.paint('bold', node.name)} fell silent now:`);
        output.line(`  the verdict would fall after ${inWords(detectionMs)}${early}`);
        printOutlook(outlook, output);
      }
      if (outlook.guards.length > 0) return exitCodes.refused;
      return outlook.attempts.some((attempt) => !wouldFail(attempt)) ? exitCodes.done : exitCodes.failed;
    }),
};

function printSeen(node: NodeView, output: Output): void {
  output.line();
  output.line(output.paint('bold', 'what is seen of it'));
  output.line(
    `  its last keepalive is number ${node.sequence ?? '-'}, ${age(node.keepaliveAgeMs)} old; its session is ${node.session ? 'live' : 'gone'}`,
  );
  for (const [by, seen] of Object.entries(node.views)) {
    output.line(`  ${by}: ${seen.verdict}: ${seen.because}`);
    if (seen.held !== null) output.line(output.paint('yellow', `  ${by} does not fence it: ${seen.held}`));
  }
  if (Object.keys(node.views).length === 0) output.line('  no observer has anything against it');
}

function printOutlook(
  { node, observers, guards, attempts, late, barred, endsWithPerson, afterwards }: Outlook,
  output: Output,
): void {
  output.line();
  output.line(output.paint('bold', 'who would fence it, and how'));
  output.line(`  observed by ${observers.join(', ') || 'nobody'}`);
  for (const { guard, because } of guards)
    output.line(output.paint('yellow', `  held back now by the guard "${guard}": ${because}`));
  if (guards.length === 0) output.line('  no guard would hold it back now');
  for (const [index, attempt] of attempts.entries())
    output.line(`  ${index + 1}. level ${attempt.level} by ${attempt.by}: ${knownOf(attempt, output)}`);
  if (attempts.length === 0) output.line(output.paint('red', '  nobody could fence it'));
  for (const { level, because } of barred) output.line(output.paint('red', `  level ${level} is not used: ${because}`));
  for (const { level, because, isAllThereIs } of late)
    output.line(`  level ${level} is ${isAllThereIs ? 'tried all the same' : 'tried after all others'}: ${because}`);
  if (endsWithPerson || attempts.every(wouldFail))
    output.line(
      `  if none works, it is tried again and again until an operator confirms that it is off: nodectl fence confirm ${node}`,
    );
  for (const sentence of afterwards) output.line(`  afterwards ${sentence}`);
}

/** What is known of an attempt, the newest first: a failed attempt outranks an older verification. */
function knownOf({ proof, because, verifiedWallMs, attempted, distrusted }: OutlookAttempt, output: Output): string {
  const nowWallMs = Date.now();
  if (distrusted !== null) return `${output.paint('red', 'distrusted')}: ${distrusted}`;
  const when = verifiedWallMs === null ? '' : ` ${ago(verifiedWallMs, nowWallMs)}`;
  const word = proof === 'holds' ? `verified${when}` : `not verified`;
  const verified = `${proof === 'failed' ? output.paint('red', `would fail, verified${when}`) : word}: ${because}`;
  if (attempted === null) return verified;
  const tried = attemptedInWords(attempted, nowWallMs);
  if (attempted.state === 'trying') return `${output.paint('yellow', tried)}; ${verified}`;
  if (!outranks(attempted, verifiedWallMs)) return `${verified}; before that, ${output.paint('yellow', tried)}`;
  return `${output.paint('red', tried)}${verifiedWallMs === null ? '' : `; before that, ${verified}`}`;
}

function printLastFence({ fence }: NodeView, output: Output): void {
  output.line();
  output.line(output.paint('bold', 'its last fence'));
  if (fence === null || fence.state === 'none') {
    output.line('  it was never fenced');
    return;
  }
  if (isUnderWay(fence.state)) output.line(output.paint('yellow', `  it is under way: ${fenceStates[fence.state]}`));
  output.line(
    `  ${fence.state}, by ${fence.fencer}${fence.level === null ? '' : `, level ${fence.level}`}: ${fence.reason}`,
  );
  for (const step of fence.steps)
    output.line(`    ${clockTime(step.wallMs)}  ${step.by}: ${step.what}: ${step.because}`);
}
