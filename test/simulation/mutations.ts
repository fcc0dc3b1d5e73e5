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
  /** No seed is known that finds it, or it would take too long: this story of test/scenarios notices it. */
  readonly story?: string;
}

/** As `within` of a mutation that a story notices. */
const byStory = (story: string) => ({ within: 0, story });

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
        'let stopped = await this.stopEverything(facts);',
        "let stopped = { ok: true, because: '' };",
      ),
    ],
    within: 50,
  },
  {
    rule: 'S1',
    what: 'the role is given away while a command runs whose guard is stopped',
    edits: [
      agent(
        'primary/holds.ts',
        'await this.change(left);\n    return this.endLapsed();',
        'await this.change(left);\n    return null;',
      ),
    ],
    within: 2000,
  },
  {
    rule: 'S1',
    what: 'the next noded leaves a command running whose guard is stopped',
    edits: [
      agent('primary/primary.ts', 'const ending = this.endFormerCommands();', 'const ending = Promise.resolve();'),
    ],
    within: 2000,
  },
  {
    rule: 'S1',
    what: 'the epoch does not grow',
    edits: [
      agent(
        'primary/epoch-memory.ts',
        'return Math.max(epoch, this.memory.highest, this.promised) + 1;',
        'return Math.max(epoch, 1);',
      ),
    ],
    within: 20,
  },
  {
    rule: 'S1',
    what: 'what a former life left running is not stopped before the role is contended for',
    edits: [
      agent(
        'primary/primary.ts',
        'const done = await keeper.stopWhatRuns(runs);',
        "const done = { ok: true, found: [], because: '' };",
      ),
    ],
    within: 2000,
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
    within: 2000,
  },
  {
    rule: 'S1',
    what: 'the bound of a watchdog that stands still in sleep is published',
    edits: [
      core('watchdog.ts', 'if (boundMs !== null && !sleep.covered) {', 'if (boundMs !== null && sleep === null) {'),
    ],
    within: 2000,
  },
  {
    rule: 'S1',
    what: "whoever answers at a node's API address is taken for that node",
    edits: [
      core('answerer.ts', 'if (answered.node === self) return', 'if (Number(answered.node) === 0) return'),
      core('answerer.ts', 'if (answered.node !== asked.node) return', 'if (answered.node === asked.nonce) return'),
      core(
        'answerer.ts',
        'asked.incarnation !== null && answered.incarnation',
        "asked.incarnation === '' && answered.incarnation",
      ),
      core('answerer.ts', 'if (to !== self)', "if (to === '')"),
      core('answerer.ts', 'if (from === self)', "if (from === '')"),
      core('failsafe.ts', 'if (asking.node === facts.self)', "if (asking.node === '')"),
    ],
    within: 2000,
  },
  {
    rule: 'S1',
    what: 'an answer to an earlier question is taken for an agreement',
    edits: [core('answerer.ts', 'if (answered.nonce !== asked.nonce) return', "if (asked.nonce === '') return")],
    within: 2000,
  },
  {
    rule: 'S1',
    what: 'any acknowledged write renews the lease, not the keepalive alone',
    edits: [
      agent(
        'context.ts',
        'return lastBeat?.generation === env.store.session().generation ? lastBeat.sentMs : null;',
        'return lastBeat === null ? null : env.store.session().lastAckSentMs;',
      ),
    ],
    within: 2000,
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
    within: 2000,
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
    what: "a person's word that a node is off is written as an intent",
    edits: [core('fencing.ts', "const word = { to: 'fenced',", "const word = { to: 'intent',")],
    within: 200,
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
    within: 2000,
  },
  {
    rule: 'S4',
    what: 'the answer to the order is taken for the power being off',
    edits: [
      agent(
        'fencing/power-level.ts',
        'continue; // read at once: most devices are quick',
        'return confirmOff(context, target, level, file, handled) as Promise<LevelOutcome | null>;',
      ),
    ],
    within: 2000,
  },
  {
    rule: 'S4',
    what: 'off is believed without a command',
    edits: [
      core('levels.ts', 'if (isOff && facts.taken && facts.readAfterTaken && isOffTwice', 'if (isOff && isOffTwice'),
      core(
        'levels.ts',
        "if (facts.requests === 0) return { step: 'request-off' };",
        "if (facts.requests === 0) return { step: isOff ? 'read-again' : 'request-off' };",
      ),
    ],
    within: 2000,
  },
  {
    rule: 'S4',
    what: 'what is known against a device is not asked',
    edits: [
      core(
        'device-trust.ts',
        '  if (wrong !== undefined && !wrong.readsOnAgain && !wrong.isCleared) return never(findingInWords(wrong), true);\n  const needsOn = wrong !== undefined ||',
        '  const needsOn =',
      ),
    ],
    within: 2000,
  },
  {
    rule: 'S3',
    what: 'a BMC is not asked whose it is before the command',
    edits: [
      agent(
        'fencing/whose.ts',
        'return { foreign: guid === null ? null : devices.foreignBmc(target, guid), fault };',
        'return { foreign: guid === "x" ? devices.foreignBmc(target, guid) : null, fault };',
      ),
    ],
    within: 2000,
  },
  {
    rule: 'S3',
    what: 'a node that woke up before the command is switched off',
    edits: [
      agent(
        'fencing/before-command.ts',
        'if (isUntouched && !isCommandedAlive) {',
        'if (isUntouched && record.id === "") {',
      ),
    ],
    within: 2000,
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
        "if (touched.answer === 'go' && mayShoot(context, file)) {",
        "if (touched.answer === 'go') {",
      ),
      agent(
        'fencing/power-level.ts',
        "if (next.step === 'request-off' && handled.every(isIdentified) && mayShoot(context, file)) {",
        "if (next.step === 'request-off' && (mayShoot(context, file) || true)) {",
      ),
      agent(
        'fencing/power-level.ts',
        'if (!file.lockStands() || duties.aborted || board.steppedDown !== null) return null;',
        'if (duties.aborted || board.steppedDown !== null) return null;',
      ),
      agent(
        'fencing/before-command.ts',
        'if (record.touched) return stillStands(context, file, also);',
        "if (record.touched) return { answer: 'go' };",
      ),
    ],
    within: 2000,
  },
  {
    rule: 'S7',
    what: 'nobody goes on with the fence of a fencer that died',
    edits: [agent('fencing/fencing.ts', "if (abandoned) this.begin(name, { kind: 'resume' });", 'void abandoned;')],
    within: 2000,
  },
  {
    rule: 'S7',
    what: 'a fence that failed is not tried again',
    edits: [agent('fencing/fencing.ts', 'await this.tryAgain(name, record, sinceMs);', 'void this.tryAgain;')],
    within: 2000,
  },
  {
    rule: 'S7',
    what: 'a disk that hangs is waited for',
    edits: [agent('disk.ts', 'return Promise.race([done, tooLate]);', 'return Promise.race([done]);')],
    within: 2000,
  },
  {
    rule: 'S7',
    what: 'a resource whose status stays unknown counts as well',
    edits: [
      core('resources.ts', 'if (unknownChecks < unknownLimit) return null;', 'if (unknownLimit > 0) return null;'),
    ],
    within: 2000,
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
    within: 2000,
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
    within: 2000,
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
        'fencing/handled-device.ts',
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
    edits: [
      core('contradiction.ts', 'if (isRecent && before.expected === expected && before.isShownAgain) return', 'return'),
    ],
    within: 20,
  },
  {
    rule: 'S8',
    what: 'a server that is contradicted is not left',
    edits: [
      core(
        'contradiction.ts',
        'if (isRecent && before.expected === expected && before.isShownAgain) return',
        'if (false) return',
      ),
    ],
    within: 2000,
  },
  {
    rule: 'S2',
    what: 'who has just started does not ask the others whether the store was restored',
    edits: [
      agent(
        'store-restore.ts',
        'await Promise.all([this.askAll(asked, restartMs), this.loaded]);',
        'await this.loaded;',
      ),
    ],
    within: 2000,
  },
  {
    rule: 'S3',
    what: 'a store that was restored from an old copy is not noticed',
    edits: [agent('witnessed-store.ts', 'return stands.ok === read.ok ? older : null;', 'return null;')],
    within: 2000,
  },
  {
    rule: 'S1',
    what: 'the cluster id and the shape of a ZooKeeper server are not looked at',
    edits: [
      agent(
        'agent.ts',
        'env.store.guard(storeGate(this.context, (because) => this.forgetStore(because)));',
        'void storeGate;',
      ),
    ],
    within: 2000,
  },
  {
    rule: 'S1',
    what: 'a cluster id that one server alone shows is enough for a node that knows none',
    edits: [
      core('one-store.ts', 'if (found >= needed) return null;', 'if (found >= Math.min(1, needed)) return null;'),
    ],
    within: 2000,
  },
  {
    rule: 'S2',
    what: 'half a list of guests is taken for a whole one',
    edits: [
      core(
        'guest-list.ts',
        'for (const half of [names, states]) if (!half.ok) return { ...half, isTorn: false };\n  if (!names.ok || !states.ok)',
        'if (!names.ok) names = { ok: true, value: [] };\n  if (!states.ok) states = { ok: true, value: [] };\n  if (!names.ok || !states.ok)',
      ),
      core(
        'guest-list.ts',
        'if (state === undefined) return torn(',
        'if (state === undefined) continue;\n    void torn(',
      ),
      core('guest-list.ts', 'if (unnamed !== undefined)', 'if (unnamed !== undefined && names.ok === null)'),
      core('guest-list.ts', 'return isDouble ?', 'return isDouble && names.ok === null ?'),
    ],
    within: 2000,
  },
  {
    rule: 'S2',
    what: 'a guest whose lookup failed is taken for gone',
    edits: [
      core(
        'guest-list.ts',
        'return listed.value.includes(uuid) ?',
        'return listed.value.includes(uuid) && uuid.length === 0 ?',
      ),
    ],
    within: 2000,
  },
  {
    rule: 'S2',
    what: 'a VM is recorded as off though libvirt has not forgotten it',
    edits: [
      agent(
        'vms/guest-acts.ts',
        'if (!removed.ok) {\n      this.tell(uuid, `${name} is off and could',
        "if (!removed.ok && event === 'gaveUp') {\n      this.tell(uuid, `${name} is off and could",
      ),
    ],
    within: 2000,
  },
  {
    rule: 'S2',
    what: 'the lock of a VM that was given away is remembered when it comes back',
    edits: [
      agent('vms/held-locks.ts', ' && clock.monotonicMs() - held.seenMs < trustMs', ''),
      agent('vms/held-locks.ts', 'this.held.has(uuid) && isNothingHere', 'uuid === node && isNothingHere'),
    ],
    within: 2000,
  },
  {
    rule: 'S2',
    what: 'a lock that was taken away is not looked for',
    edits: [agent('vms/held-locks.ts', ' && clock.monotonicMs() - held.seenMs < trustMs', '')],
    within: 2000,
  },
  {
    rule: 'S7',
    what: 'a guest that crashed and is kept is taken for off',
    edits: [
      core(
        'guest-list.ts',
        "return { power: 'crashed', reason: crashedReasons",
        "return { power: 'off', reason: crashedReasons",
      ),
    ],
    within: 2000,
  },
  {
    rule: 'S9',
    what: 'a takeover that hangs is finished before a noded that ends lets go',
    edits: [agent('primary/primary.ts', "over.addEventListener('abort', () => tenure.lose('noded ends'));", '')],
    within: 2000,
  },
  {
    rule: 'S2',
    what: 'a list of guests of the copy counts after a restore',
    edits: [
      agent(
        'vms/restored.ts',
        'if (!isOfNow || guestList === null || list.record.number < guestList)',
        'if (!isOfNow || guestList === -1)',
      ),
    ],
    within: 2000,
  },
  {
    rule: 'S2',
    what: 'after a restore nobody waits for what was begun before it',
    edits: [
      agent(
        'vms/vms.ts',
        'for (const uuid of this.tasks.keys()) this.unfinished.add(uuid);',
        'this.unfinished.clear();',
      ),
    ],
    within: 2000,
  },
  {
    rule: 'S7',
    what: 'a guest that crashed and is kept is not claimed after a restore',
    edits: [core('vm.ts', "if (guest === null || guest.power === 'off' ||", "if (guest?.power !== 'running' ||")],
    within: 2000,
  },
  {
    rule: 'S1',
    what: 'the bound counts the timeout that was asked for, not what the device counts',
    edits: [core('watchdog.ts', 'facts.boundMs - askedMs + countsMs', 'facts.boundMs')],
    ...byStory('watchdog-rounds-its-timeout'),
  },
  {
    rule: 'S3',
    what: 'the BMC of another machine is used when nothing else is left',
    edits: [
      core(
        'device-trust.ts',
        'if (foreign !== undefined && !deviceIsRight) return never(findingInWords(foreign));',
        '',
      ),
    ],
    ...byStory('bmc-of-another-node'),
  },
  {
    rule: 'S1',
    what: 'after a restore nobody waits for what the others have seen',
    edits: [
      agent(
        'primary/epoch-memory.ts',
        'if (setBackAtMs === null || this.heardOfMs === setBackAtMs) return null;',
        'if (setBackAtMs !== Infinity) return null;',
      ),
      agent(
        'primary/contend.ts',
        'if (keepalive != null) epochs.learn(keepalive);',
        'if (keepalive == null) continue;',
      ),
    ],
    ...byStory('store-restored-and-the-only-witness-registers-anew'),
  },
  {
    rule: 'S2',
    what: 'nobody waits for a node that a restored store does not list',
    edits: [
      agent('nodes-before.ts', 'unlisted: [...before].filter((name) => !names.has(name)).sort(),', 'unlisted: [],'),
    ],
    ...byStory('store-restored-from-before-a-frozen-node-joined'),
  },
  {
    rule: 'S2',
    what: 'what an incarnation knows of a restore ends with it',
    edits: [
      agent(
        'store-restore.ts',
        'if (parsed?.ok !== true) return;\n    this.previous',
        'if (parsed !== undefined) return;\n    this.previous',
      ),
    ],
    ...byStory('store-restored-while-all-are-stopped-and-one-starts-late'),
  },
  {
    rule: 'S3',
    what: 'what keepalives say of a restore is not heard',
    edits: [
      agent('monitor.ts', 'if (before !== null && before !== sequence) this.onKeepalive(name, parsed.record);', ''),
    ],
    ...byStory('restore-told-by-keepalives'),
  },
  {
    rule: 'S1',
    what: 'other hardware takes a name that its old machine has not given up',
    edits: [agent('registration.ts', 'return whyOtherMachineCounts(context, own.record);', 'return null;')],
    ...byStory('machine-replaced-while-the-old-one-hangs'),
  },
  {
    rule: 'S1',
    what: 'an agreement that is given while the bound is waited for does not count',
    edits: [agent('fencing/watchdog-level.ts', 'Math.max(sinceMs, board.agreedAtMs) + waitMs', 'sinceMs + waitMs')],
    ...byStory('agreed-while-the-bound-is-waited-for'),
  },
  {
    rule: 'S1',
    what: 'the bound of a watchdog is relied on by one that the node does not ask',
    edits: [
      agent(
        'fencing/watchdog-level.ts',
        'if (failsafeAsks === null || failsafeAsks?.includes(self) === true) return null;',
        "if (self !== '') return null;",
      ),
    ],
    ...byStory('failsafe-and-a-restarted-new-coordinator'),
  },
  {
    rule: 'S2',
    what: 'a definition is taken though a guest of it runs elsewhere',
    edits: [
      agent(
        'vms/guest-acts.ts',
        'const elsewhere = await runsElsewhere(this.context, this.peers, uuid);',
        'const elsewhere = null;',
      ),
      agent('vms/guest-acts.ts', "import { runsElsewhere } from './stray-guests.ts';", ''),
    ],
    ...byStory('defined-again-after-a-restore'),
  },
  {
    rule: 'S3',
    what: 'a maintenance that is declared while a node is powered on is not seen',
    edits: [
      agent(
        'fencing/restore.ts',
        'if (keptOff !== null || !mayShoot(context, file)) break;',
        'if (!mayShoot(context, file)) break;',
      ),
    ],
    ...byStory('maintenance-while-powering-on'),
  },
  {
    rule: 'S5',
    what: 'a maintenance ends by the clock of whoever leads the store',
    edits: [agent('maintenance.ts', 'if (seen?.mark !== mark) {', 'if (seen?.mark !== `${mark} `) {')],
    ...byStory('store-clock-ahead-in-maintenance'),
  },
  {
    rule: 'S7',
    what: 'an emptied ledger is taken for a new one',
    edits: [
      agent('fencing/fence-file.ts', "if (read.text === '' && read.version === 0)", "if (read.text === '')"),
      agent('fencing/fencing.ts', 'else if (await file.settleLedger()) {', "else if (target === '') {"),
    ],
    ...byStory('ledger-emptied-while-a-fence-waits'),
  },
  {
    rule: 'S7',
    what: 'the role is freed for ever by a record that has moved',
    edits: [agent('fencing/fence-attempt.ts', 'if (await file.hasMoved()) return;', '')],
    ...byStory('returned-while-freeing'),
  },
  {
    rule: 'S7',
    what: 'one late keepalive keeps what is recorded as fenced for ever',
    edits: [
      agent(
        'fencing/resume.ts',
        'if (await this.isPublishing(target, sign))\n      return this.waits',
        'if (sign.sequence !== null)\n      return this.waits',
      ),
    ],
    ...byStory('woke-once-then-fencer-dies'),
  },
  {
    rule: 'S7',
    what: 'nobody tells of an order that struck a node which has stopped since',
    edits: [
      agent(
        'fencing/late-order.ts',
        'const left = pause ?? (await whyNotCondemned(context, target));',
        'const left = pause;',
      ),
    ],
    ...byStory('order-that-strikes-late-on-a-stopped-node'),
  },
];
