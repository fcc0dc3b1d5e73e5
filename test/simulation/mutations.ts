/**
 * The agent broken on purpose, once for each way in which a rule could be lost. Every text must be found exactly once in its
 * file: a mutation that no longer applies is a failure, not a pass.
 */
export interface Mutation {
  /** The rule that the checkers must find broken. */
  readonly rule: string;
  readonly what: string;
  readonly edits: readonly { readonly file: string; readonly find: string; readonly put: string }[];
  /** It is found within so many seeds, counted from 1. */
  readonly within: number;
}

const agent = (path: string, find: string, put: string) => ({ file: `src/agent/${path}`, find, put });
const core = (path: string, find: string, put: string) => ({ file: `src/core/${path}`, find, put });

export const mutations: readonly Mutation[] = [
  {
    rule: 'S1',
    what: 'the role is handed over before the resources are stopped',
    edits: [
      agent(
        'primary/relinquish.ts',
        'if (done.ok) done = await keeper.stopAll(tenure.facts);\n  if (tenure.isLost())',
        'if (tenure.isLost())',
      ),
    ],
    within: 20,
  },
  {
    rule: 'S1',
    what: 'who is deposed stops nothing',
    edits: [
      agent(
        'primary/tenure.ts',
        'let stopped = await keeper.stopAtOnce(facts);',
        "let stopped = { ok: true, because: '' };",
      ),
    ],
    within: 50,
  },
  {
    rule: 'S1',
    what: 'the epoch does not grow',
    edits: [
      agent(
        'primary/epoch-memory.ts',
        'return Math.max(epoch, this.memory.highest) + 1;',
        'return Math.max(epoch, 1);',
      ),
    ],
    within: 20,
  },
  {
    rule: 'S1',
    what: 'what a former life left running is not stopped before the role is contended for',
    edits: [agent('agent.ts', 'await primary?.cleanUp();', '')],
    within: 100,
  },
  {
    rule: 'S1',
    what: 'the bound of a watchdog is not waited for',
    edits: [
      agent(
        'fencing/watchdog-level.ts',
        'const waitMs = Math.ceil(registration.watchdogBoundMs * (1 + 2 * clockRateError));',
        'const waitMs = 0;',
      ),
    ],
    within: 1000,
  },
  {
    rule: 'S2',
    what: 'VMs are given away before their node is off',
    edits: [
      agent(
        'fencing/fence-attempt.ts',
        'const outcome = await tryLevel(',
        'await recoverVms(context, peers, target, file);\n    const outcome = await tryLevel(',
      ),
    ],
    within: 200,
  },
  {
    rule: 'S3',
    what: 'one failed saving throw is enough',
    edits: [
      core(
        'detection.ts',
        'if (throws < settings.savingThrows || silentMs < neededMs) {',
        'if (throws < 1 || silentMs < 0 * neededMs) {',
      ),
    ],
    within: 50,
  },
  {
    rule: 'S3',
    what: 'neither before the intent nor in its transaction is the keepalive looked at again',
    edits: [
      agent(
        'fencing/fence-start.ts',
        '(sign.incarnation !== trigger.memory.incarnation || sign.sequence !== trigger.memory.sequence)',
        'sign.sequence === -1',
      ),
      agent('fencing/fence-intent.ts', 'if (sign.version === null) return [];', 'if (sign.version !== -1) return [];'),
    ],
    within: 2000,
  },
  {
    rule: 'S3',
    what: 'any number of fences at once',
    edits: [
      agent(
        'fencing/fence-start.ts',
        'if (others.length < config.fencing.maxConcurrentFences) return null;',
        'if (others.length < 1000) return null;',
      ),
      core('guards.ts', 'return others.length < f.maxConcurrentFences', 'return others.length < 1000'),
    ],
    within: 200,
  },
  {
    rule: 'S4',
    what: 'the answer to the order is taken for the power being off',
    edits: [
      agent(
        'fencing/power-level.ts',
        'continue; // read at once: most devices are quick',
        "return confirm(context, target, level, file, 'it was ordered off', []);",
      ),
    ],
    within: 200,
  },
  {
    rule: 'S4',
    what: 'a device that never said on is believed',
    edits: [
      agent(
        'fencing/power-level.ts',
        'const seenOn = await wasSeenOn(context, registration, target);',
        'const seenOn = (await wasSeenOn(context, registration, target)) || true;',
      ),
      core(
        'fencers.ts',
        'export function lyingLevels(',
        'export function lyingLevels(_: unknown): string[] {\n  return [];\n}\nexport function lyingLevelsBefore(',
      ),
    ],
    within: 500,
  },
  {
    rule: 'S3',
    what: 'S5: silence is measured by the wall clocks of two machines',
    edits: [
      agent(
        'monitor.ts',
        "return { kind: 'seen', incarnation, sequence, state, intervalMs, shutdownMs };",
        "const age = this.context.env.clock.wallMs() - parsed.record.wallMs;\n    if (age > 3 * intervalMs && state === 'run' && this.memories.has(name)) {\n      const memory = this.memories.get(name);\n      if (memory !== undefined) this.fencing.condemn(name, memory, 'its wall time is old');\n    }\n    return { kind: 'seen', incarnation, sequence, state, intervalMs, shutdownMs };",
      ),
    ],
    within: 50,
  },
  {
    rule: 'S6',
    what: 'nothing is asked in the instant before the order',
    edits: [
      agent(
        'fencing/power-level.ts',
        "if (next.step === 'request-off' && mayShoot(context, file)) {",
        "if (next.step === 'request-off' && (mayShoot(context, file) || true)) {",
      ),
      agent(
        'fencing/power-level.ts',
        'if (!file.lockStands() || duties.aborted || board.steppedDown !== null) return null;',
        'if (duties.aborted || board.steppedDown !== null) return null;',
      ),
    ],
    within: 2000,
  },
  {
    rule: 'S7',
    what: 'nobody goes on with the fence of a fencer that died',
    edits: [agent('fencing/fencing.ts', "if (abandoned) this.begin(name, { kind: 'resume' });", 'void abandoned;')],
    within: 500,
  },
  {
    rule: 'S7',
    what: 'a fence that failed is not tried again',
    edits: [agent('fencing/fencing.ts', 'await this.tryAgain(name, record, sinceMs);', 'void this.tryAgain;')],
    within: 200,
  },
  {
    rule: 'S8',
    what: 'the keepalive waits for the subsystems',
    edits: [
      agent(
        'keepalive.ts',
        'await this.publish();\n      env.supervisor',
        'await env.subsystems[0]?.collect();\n      await this.publish();\n      env.supervisor',
      ),
    ],
    within: 50,
  },
  {
    rule: 'S9',
    what: 'nobody guards the lease',
    edits: [
      agent('primary/tenure.ts', 'const left = this.leaseLeftMs();', 'const left = Math.max(100, this.leaseLeftMs());'),
    ],
    within: 100,
  },
  {
    rule: 'S9',
    what: 'a read is taken for a proof of the role',
    edits: [
      agent(
        'primary/tenure.ts',
        'if (sentMs >= this.wokeMs) this.provenMs = Math.max(this.provenMs, sentMs);',
        'this.provenMs = this.context.env.clock.monotonicMs();',
      ),
    ],
    within: 2000,
  },
  {
    rule: 'S9',
    what: 'who cannot stop does not reset its machine',
    edits: [
      agent(
        'primary/tenure.ts',
        '      await this.reset(stopped.because);\n      stopped',
        '      await this.context.env.clock.sleep(1000);\n      stopped',
      ),
    ],
    within: 200,
  },
  {
    rule: 'S10',
    what: 'the registration bears the devices unsealed',
    edits: [
      agent(
        'registration.ts',
        'env.secrets.seal(JSON.stringify({ devices }), sealContext(self.name))',
        'JSON.stringify({ devices })',
      ),
    ],
    within: 5,
  },
  {
    rule: 'S10',
    what: 'the step of a fence bears its device, password included',
    edits: [
      agent(
        'fencing/power-level.ts',
        'const because = `${answer.because} (${inWords(answer.tookMs)})`;',
        'const because = `${answer.because} (${inWords(answer.tookMs)}) ${JSON.stringify(one.device)}`;',
      ),
    ],
    within: 50,
  },
  {
    rule: 'S11',
    what: 'the record of a fence does not say why',
    edits: [agent('fencing/fence-intent.ts', '    reason,\n', "    reason: '',\n")],
    within: 50,
  },
  {
    rule: 'S11',
    what: 'a server is held for wrong at the first refusal',
    edits: [core('contradiction.ts', 'if (before?.expected === expected && before.isShownAgain) return', 'return')],
    within: 20,
  },
  {
    rule: 'S8',
    what: 'a server that is contradicted is not left',
    edits: [
      core('contradiction.ts', 'if (before?.expected === expected && before.isShownAgain) return', 'if (false) return'),
    ],
    within: 1000,
  },
];
