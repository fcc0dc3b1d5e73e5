/**
 * The sums that must hold between timings, the defaults that hang on others, and the worst case from failure to
 * recovery. All pure; `nodectl config check` prints them.
 *
 * The inequalities come from the measured behaviour of ZooKeeper's sessions (docs/SAFETY.md, "Timing").
 */
import { inWords } from '../core/decision.ts';
import { clockRateError, leaseMs, renewalMs } from '../core/lease.ts';
import type { ConfigViolation } from './fence-levels.ts';
import { levelViolations, watchdogCovers } from './fence-levels.ts';
import type { WrittenConfig } from './schema.ts';

export interface Timing {
  readonly sessionTimeoutMs: number;
  /** Session timeout of nodectl: so long a request outlives whoever made it and was cut off. */
  readonly requesterTimeoutMs: number;
  readonly connectTimeoutMs: number;
  /** No byte from the server for this long: the connection is cut and the next server tried. */
  readonly readTimeoutMs: number;
  readonly pingIntervalMs: number;
  readonly requestTimeoutMs: number;
  readonly quietPeriodMs: number;
  readonly detectionMs: number;
  /** How old the last acknowledged write may be at the instant of a shot. */
  readonly contactMaxMs: number;
  /** How long a primary goes on after its last proof of holding the role (core/lease.ts). */
  readonly leaseMs: number;
  /** While primary, a proof is renewed this often. */
  readonly renewalMs: number;
  /** The primary record is read anew at least this often, watches or not. */
  readonly lookMs: number;
  /** Within what time after the end of its lease everything of the primary has stopped, or the machine resets itself. */
  readonly stopBoundMs: number;
  /**
   * Within what time after its last acknowledged keepalive this machine certainly holds nothing any more, enforced by its
   * watchdog; null: it has none.
   */
  readonly watchdogBoundMs: number | null;
  /** What a successor would have to wait after owning the lock if it relied on the lease alone; it never does (decision 0004). */
  readonly graceMs: number;
}

const lookMinMs = 500;
const lookMaxMs = 2000;

/** Between the deadline of a command and the certainty that its process group is gone. */
const killMarginMs = 1000;

/** A command has to get over a change of ZooKeeper's leader. */
const requesterTimeoutMinMs = 4000;

/** How often the watchdog is fed while all is well; so long after its last right to do so the feeder may have fed it. */
export const watchdogFeedMs = 250;

/** Fills in what hangs on other values: two numbers changed, five follow. */
export function deriveTiming(config: WrittenConfig): Timing {
  const detectionMs = config.keepalive.interval * config.detection.savingThrows;
  const sessionTimeoutMs =
    config.zookeeper.sessionTimeout ??
    Math.min(30_000, Math.max(2000, 4 * config.zookeeper.tickTime, Math.round(detectionMs / 3)));
  const connectTimeoutMs = config.zookeeper.connectTimeout ?? Math.max(200, Math.round(sessionTimeoutMs / 10));
  const readTimeoutMs = Math.round(sessionTimeoutMs / 3);
  const lease = leaseMs(sessionTimeoutMs);
  const renewal = renewalMs(sessionTimeoutMs, config.keepalive.interval);
  const stopBoundMs = killMarginMs + Math.max(0, ...config.primary.resources.map((resource) => resource.stopTimeout));
  const certainMs = Math.floor(
    (1 - clockRateError) * (sessionTimeoutMs - Math.max(renewal, config.zookeeper.tickTime / 2)),
  );
  return {
    leaseMs: lease,
    renewalMs: renewal,
    lookMs: Math.min(lookMaxMs, Math.max(lookMinMs, config.keepalive.interval / 2)),
    stopBoundMs,
    watchdogBoundMs:
      config.node.watchdog === undefined || !watchdogCovers(config)
        ? null
        : lease + stopBoundMs + watchdogFeedMs + config.node.watchdog.timeout,
    graceMs: Math.max(0, lease + stopBoundMs - certainMs),
    sessionTimeoutMs,
    requesterTimeoutMs: Math.max(sessionTimeoutMs, requesterTimeoutMinMs),
    connectTimeoutMs,
    readTimeoutMs,
    pingIntervalMs: Math.round(sessionTimeoutMs / 9),
    requestTimeoutMs: readTimeoutMs,
    quietPeriodMs: config.detection.quietPeriod ?? sessionTimeoutMs + 2 * config.keepalive.interval,
    detectionMs,
    contactMaxMs: Math.min(
      config.keepalive.interval + readTimeoutMs,
      Math.round((sessionTimeoutMs * 2) / 3) + config.keepalive.interval,
    ),
  };
}

/** Every inequality that does not hold, with its sum. Empty: all hold. */
export function timingViolations(config: WrittenConfig): ConfigViolation[] {
  const timing = deriveTiming(config);
  const { interval } = config.keepalive;
  const found: ConfigViolation[] = [];
  const must = (holds: boolean, path: string, because: string) => {
    if (!holds) found.push({ path, because });
  };
  const tick = config.zookeeper.tickTime;
  must(
    timing.sessionTimeoutMs >= 4 * tick,
    'zookeeper.sessionTimeout',
    `a session must outlast 4 ticks of ZooKeeper: sessionTimeout ${inWords(timing.sessionTimeoutMs)} >= 4 x tickTime ${inWords(tick)} = ${inWords(4 * tick)} does not hold`,
  );
  must(
    timing.detectionMs >= timing.sessionTimeoutMs + interval,
    'detection.savingThrows',
    `a node must have the time to come back with a new session before it is held for dead: savingThrows ${config.detection.savingThrows} x interval ${inWords(interval)} = ${inWords(timing.detectionMs)} >= sessionTimeout ${inWords(timing.sessionTimeoutMs)} + interval ${inWords(interval)} = ${inWords(timing.sessionTimeoutMs + interval)} does not hold`,
  );
  must(
    timing.connectTimeoutMs * 2 <= timing.sessionTimeoutMs,
    'zookeeper.connectTimeout',
    `a second server must be reachable before the session ends: 2 x connectTimeout ${inWords(timing.connectTimeoutMs)} = ${inWords(2 * timing.connectTimeoutMs)} <= sessionTimeout ${inWords(timing.sessionTimeoutMs)} does not hold`,
  );
  const names = config.primary.resources.map((resource) => resource.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  must(twice === undefined, 'primary.resources', `two resources are named "${twice ?? ''}"; names must differ`);
  must(
    timing.leaseMs < (1 - clockRateError) * (timing.sessionTimeoutMs - Math.max(timing.renewalMs, tick / 2)),
    'zookeeper.sessionTimeout',
    `a primary must know that its lease is over before its session can be: lease ${inWords(timing.leaseMs)} < (1 - ${clockRateError}) x (sessionTimeout ${inWords(timing.sessionTimeoutMs)} - max(renewal ${inWords(timing.renewalMs)}, half a tick ${inWords(tick / 2)})) does not hold`,
  );
  const bmc = config.bmc;
  if (bmc !== undefined) {
    const one = bmc.commandTimeout;
    must(
      2 * one <= config.fencing.levelDeadline,
      'fencing.levelDeadline',
      `a level must have the time to order and to read: 2 x bmc.commandTimeout ${inWords(one)} = ${inWords(2 * one)} <= levelDeadline ${inWords(config.fencing.levelDeadline)} does not hold`,
    );
  }
  const watchdog = config.node.watchdog;
  if (watchdog !== undefined) {
    must(
      watchdog.timeout % 1000 === 0,
      'node.watchdog.timeout',
      `a watchdog counts whole seconds, got ${inWords(watchdog.timeout)}`,
    );
    must(
      watchdog.timeout >= 4 * watchdogFeedMs,
      'node.watchdog.timeout',
      `the watchdog must outlast a few feedings: timeout ${inWords(watchdog.timeout)} >= 4 x ${inWords(watchdogFeedMs)} does not hold`,
    );
  }
  for (const violation of levelViolations(config)) found.push(violation);
  must(
    config.fencing.retryBackoff <= config.fencing.retryBackoffMax,
    'fencing.retryBackoffMax',
    `retryBackoff ${inWords(config.fencing.retryBackoff)} <= retryBackoffMax ${inWords(config.fencing.retryBackoffMax)} does not hold`,
  );
  return found;
}

export interface WorstCaseStep {
  readonly step: string;
  readonly ms: number;
  readonly sum: string;
}

/** The worst case from the last keepalive of a dying node to its recorded fence, step by step. */
export function worstCase(config: WrittenConfig): WorstCaseStep[] {
  const timing = deriveTiming(config);
  const { interval } = config.keepalive;
  return [
    {
      step: 'last keepalive until the verdict',
      ms: timing.detectionMs + 2 * interval,
      sum: `(savingThrows ${config.detection.savingThrows} + 2) x interval ${inWords(interval)}: one until the sample that saw it last, one for a beat that comes late`,
    },
    {
      step: 'verdict until the intent is recorded',
      ms: 3 * timing.requestTimeoutMs,
      sum: `lock, read, transaction: 3 x request timeout ${inWords(timing.requestTimeoutMs)}`,
    },
    {
      step: 'intent until power reads off (one level)',
      ms: config.fencing.levelDeadline,
      sum: `levelDeadline ${inWords(config.fencing.levelDeadline)}; after that the fence has failed, and nothing is recovered`,
    },
    {
      step: 'power off until recorded as fenced',
      ms: 2 * timing.requestTimeoutMs,
      sum: `read, transaction: 2 x request timeout ${inWords(timing.requestTimeoutMs)}`,
    },
    {
      step: 'recorded until the successor has won the role',
      ms: config.primary.contentionStep + config.primary.lockTimeout + 4 * timing.requestTimeoutMs,
      sum: `contentionStep ${inWords(config.primary.contentionStep)} (the best candidate may be gone) + lockTimeout ${inWords(config.primary.lockTimeout)} + record, lock, read, write: 4 x request timeout ${inWords(timing.requestTimeoutMs)}`,
    },
    ...(config.primary.resources.length === 0
      ? []
      : [
          {
            step: 'its resources start',
            ms: config.primary.resources.reduce((sum, resource) => sum + resource.startTimeout, 0),
            sum: `start timeouts of ${config.primary.resources.map((resource) => resource.name).join(', ')}`,
          },
        ]),
  ];
}
