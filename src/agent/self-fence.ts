/**
 * Feeds the machine's watchdog beside everything else, for as long as core/self-fence.ts allows it. Armed only after what a
 * former life left running is stopped: until then that life's bound holds, and nobody may lengthen it.
 */
import { judgeFeeding } from '../core/self-fence.ts';
import { judgeWatchdog } from '../core/watchdog.ts';
import { watchdogFeedMs } from '../config/timing.ts';
import type { Context } from './context.ts';
import type { Tenure } from './primary/tenure.ts';

/** What a turn of the keepalive loop may take beyond its beat: a request that finds no answer, and a busy machine. */
const turnMarginMs = 1000;

export class SelfFence {
  private readonly context: Context;
  private readonly tenure: Tenure | null;
  private starving = false;

  constructor(context: Context, tenure: Tenure | null) {
    this.context = context;
    this.tenure = tenure;
  }

  /** Arms the watchdog where there is one. Its bound is published only if it holds, with what the device really counts. */
  async arm(): Promise<void> {
    const { env, board, config, history, self } = this.context;
    if (env.watchdog === null) return;
    board.keepaliveTurnMs = env.clock.monotonicMs();
    const armed = await env.watchdog.arm();
    const judged = judgeWatchdog(
      armed.armed
        ? {
            opened: true,
            countsMs: armed.timeoutMs,
            askedMs: config.node.watchdog?.timeout ?? 0,
            feedMs: watchdogFeedMs,
            boundMs: config.timing.watchdogBoundMs,
            sleep: armed.sleep,
          }
        : { opened: false, because: armed.because },
    );
    // What cannot be closed goes on ticking, and is fed.
    const isClosed = judged.verdict === 'close' && (await env.watchdog.disarm()) === null;
    board.watchdogArmed = armed.armed && !isClosed;
    board.watchdogBoundMs = judged.boundMs;
    const { because } = judged;
    if (judged.verdict === 'rely')
      env.log.info('watchdog armed', { ...judged.evidence, ...(because === 'armed' ? {} : { because }) });
    else history.happened('self-fence', `the watchdog of ${self.name} is ${because}`, { node: self.name });
  }

  /** Until `over`: then the keepalive has ended, and nothing is fed any more. */
  async run(over: AbortSignal): Promise<void> {
    const { env, board } = this.context;
    if (env.watchdog === null || !board.watchdogArmed) return;
    while (!over.aborted) {
      this.feed();
      await env.clock.sleep(watchdogFeedMs, over);
    }
  }

  /** After a stop in good order: the machine goes on without noded. */
  async disarm(): Promise<void> {
    const { env, board } = this.context;
    if (env.watchdog === null || !board.watchdogArmed) return;
    const because = await env.watchdog.disarm();
    if (because !== null) env.log.error('the watchdog could not be disarmed; it will reset this machine', { because });
  }

  private feed(): void {
    const { env, board, config } = this.context;
    const decision = judgeFeeding({
      sinceTurnMs: env.clock.monotonicMs() - board.keepaliveTurnMs,
      turnMaxMs: config.keepalive.interval + 2 * config.timing.requestTimeoutMs + turnMarginMs,
      holds: this.tenure?.holdsRole() ?? false,
      leaseLeftMs: this.tenure?.leaseLeftMs() ?? 0,
      stopBoundMs: config.timing.stopBoundMs,
    });
    if (decision.verdict === 'feed') env.watchdog?.feed();
    // The act first (here: not to act), the word after it: logging may be what hangs.
    const starves = decision.verdict === 'starve';
    if (starves && !this.starving) env.log.error('the watchdog is not fed any more', { because: decision.because });
    this.starving = starves;
  }
}
