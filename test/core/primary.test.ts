import { test as property, fc } from '@fast-check/jest';
import { turnMs, bestOther, judgeEligibility } from '../../src/core/contention.ts';
import type { EligibilityFacts } from '../../src/core/contention.ts';
import { disagreements } from '../../src/core/election.ts';
import { judgeAgreement } from '../../src/core/failsafe.ts';
import { judgeLease, leaseLeftMs, leaseMs, renewalMs } from '../../src/core/lease.ts';
import { step } from '../../src/core/machine.ts';
import { endsAtMs, standingMaintenance } from '../../src/core/maintenance.ts';
import type { PrimaryEvent, PrimaryState } from '../../src/core/primary.ts';
import { holdsSomething, primaryEvents, primaryStates, primaryTable } from '../../src/core/primary.ts';
import { judgeHealth, statusOfExitCode, stopOrder } from '../../src/core/resources.ts';
import type { TransferEvent, TransferState } from '../../src/core/transfer.ts';
import { inTheWay, isOver, transferEvents, transferStates, transferTable } from '../../src/core/transfer.ts';
import type { Transition } from '../../src/core/transitions.ts';
import {
  findLoop,
  loopAdvice,
  loopPauseMs,
  nameOfCycle,
  transitionsMax,
  withTransition,
} from '../../src/core/transitions.ts';

const states = Object.keys(primaryStates) as PrimaryState[];
const events = Object.keys(primaryEvents) as PrimaryEvent[];

describe('the table of the role', () => {
  it('S1: start is reached by `appointed`, and again only by who could not stop; release only by `stopped`', () => {
    for (const state of states)
      for (const event of events) {
        const cell = primaryTable[state][event];
        if (!('to' in cell)) continue;
        if (cell.actions.includes('start'))
          expect([`${state} ${event}`]).toContain(
            cell.to === 'takeover' && (event === 'appointed' || event === 'stopFailed') ? `${state} ${event}` : '',
          );
        if (cell.actions.includes('release')) expect(event).toBe('stopped');
        if (cell.to === 'secondary') expect(event).toBe('stopped');
      }
  });

  it('S9: whoever holds anything stops at once when the role is lost; what cannot be stopped resets the machine', () => {
    for (const state of states.filter((one) => holdsSomething(one) && one !== 'deposed'))
      expect(primaryTable[state].lost).toEqual({ to: 'deposed', actions: ['stopAtOnce'] });
    expect(primaryTable.deposed.stopFailed).toEqual({ to: 'deposed', actions: ['reset'] });
  });

  it('whatever is asked of a secondary that holds nothing changes nothing', () => {
    for (const event of ['askedToRelinquish', 'lost'] as const)
      expect(step(primaryTable, 'secondary', event).kind).toBe('ignored');
  });
});

describe('the lease', () => {
  it('S9: it is two thirds of the session and is over exactly then', () => {
    expect(leaseMs(6000)).toBe(4000);
    expect(judgeLease({ nowMs: 3999, provenMs: 0, leaseMs: 4000 }).verdict).toBe('holds');
    expect(judgeLease({ nowMs: 4000, provenMs: 0, leaseMs: 4000 }).verdict).toBe('over');
    expect(leaseLeftMs({ nowMs: 5000, provenMs: -Infinity, leaseMs: 4000 })).toBe(-Infinity);
  });

  property.prop([fc.integer({ min: 1000, max: 60_000 }), fc.integer({ min: 200, max: 60_000 })])(
    'it is renewed several times before it is over, and never more often than every 50 ms',
    (sessionTimeout, interval) => {
      const renewal = renewalMs(sessionTimeout, interval);
      expect(renewal).toBeGreaterThanOrEqual(50);
      expect(renewal * 6).toBeLessThanOrEqual(leaseMs(sessionTimeout) + 1);
    },
  );
});

describe('who may stand, and when', () => {
  const fit: EligibilityFacts = {
    role: 'coordinator',
    daemonState: 'run',
    sessionLive: true,
    keepaliveAgeMs: 400,
    keepaliveMaxMs: 2000,
    steppedDown: false,
    maintenance: null,
    barredMs: 0,
    barredBecause: '',
  };
  it('only a coordinator that runs, is reachable, not condemned, not in maintenance and not barred', () => {
    expect(judgeEligibility(fit).verdict).toBe('eligible');
    const hindered: [Partial<EligibilityFacts>, RegExp][] = [
      [{ role: 'worker' }, /worker/],
      [{ daemonState: 'shutdown' }, /"shutdown"/],
      [{ daemonState: 'starting' }, /"starting"/],
      [{ sessionLive: false }, /session/],
      [{ keepaliveAgeMs: null }, /has not acknowledged a keepalive of it yet/],
      [{ keepaliveAgeMs: 2001 }, /has acknowledged no keepalive of it for 2 s/],
      [{ steppedDown: true }, /stepped down/],
      [{ maintenance: 'new disk' }, /maintenance: new disk/],
      [{ barredMs: 5000, barredBecause: 'db does not start' }, /5 s more: db does not start/],
    ];
    for (const [change, because] of hindered) {
      const judged = judgeEligibility({ ...fit, ...change });
      expect(judged.verdict).toBe('not-eligible');
      expect(judged.because).toMatch(because);
    }
  });

  it('the best candidate goes at once, the others in turn: priority, then name, never by locale', () => {
    const all = ['node10', 'node2', 'b'].map((name) => ({ name, priority: name === 'b' ? 1 : 5, incarnation: 'x' }));
    expect([...all].map(({ name }) => turnMs(name, all, 300))).toEqual([300, 600, 0]);
    expect(turnMs('stranger', all, 300)).toBe(900);
    expect(bestOther('b', all)?.name).toBe('node10');
    expect(bestOther('a', [])).toBeNull();
  });
});

describe('resources', () => {
  it('are stopped in the reverse of the order in which they start', () => {
    expect(stopOrder(['vip', 'db', 'app'])).toEqual(['app', 'db', 'vip']);
  });

  it('what died is restarted a bounded number of times, then handed on, but only if somebody else is there', () => {
    const facts = {
      name: 'db',
      because: 'exit code 3',
      maxRestarts: 3,
      otherCandidates: 1,
      status: 'stopped',
      restarts: 0,
      unknownChecks: 0,
      unknownLimit: 3,
    } as const;
    expect(judgeHealth({ ...facts, status: 'running' }).verdict).toBe('well');
    expect(judgeHealth({ ...facts, status: 'dead' }).verdict).toBe('restart');
    expect([0, 1, 2, 3].map((restarts) => judgeHealth({ ...facts, restarts }).verdict)).toEqual([
      'restart',
      'restart',
      'restart',
      'relinquish',
    ]);
    expect(judgeHealth({ ...facts, restarts: 9, otherCandidates: 0 }).verdict).toBe('restart');
  });

  it.each([
    // checks, restarts, others: verdict
    [1, 0, 1, 'wait'],
    [2, 0, 1, 'wait'],
    [3, 0, 1, 'restart'],
    [2, 3, 1, 'wait'],
    [3, 3, 1, 'relinquish'],
    [3, 3, 0, 'wait'], // it may well run, and nobody else can have it
  ] as const)(
    'unknown for %d of 3 checks, %d of 3 restarts, %d other candidates: %s',
    (unknownChecks, restarts, otherCandidates, verdict) => {
      const judged = judgeHealth({
        name: 'db',
        status: 'unknown',
        because: 'exit code 4',
        unknownChecks,
        unknownLimit: 3,
        restarts,
        maxRestarts: 3,
        otherCandidates,
      });
      expect(judged.verdict).toBe(verdict);
      expect(judged.because).toMatch(/^status of db is unknown: .*exit code 4/);
    },
  );

  it('the exit code of a status command is read as LSB says', () => {
    const codes = [0, 1, 2, 3, 4, 5, 126, 127, 128, 150];
    expect(codes.map(statusOfExitCode)).toEqual([
      'running',
      'dead',
      'dead',
      'stopped',
      ...codes.slice(4).map(() => 'unknown'),
    ]);
  });
});

describe('a transfer', () => {
  it('ends in one of three ways, and stays there', () => {
    const over = (Object.keys(transferStates) as TransferState[]).filter(isOver);
    expect(over).toEqual(['done', 'failed', 'refused']);
    for (const state of over)
      for (const event of Object.keys(transferEvents) as TransferEvent[])
        expect('ignored' in transferTable[state][event]).toBe(true);
  });

  it('is done only by the start of the new holder; refused only while nothing was touched', () => {
    for (const [state, row] of Object.entries(transferTable))
      for (const [event, cell] of Object.entries(row)) {
        if (!('to' in cell)) continue;
        if (cell.to === 'done') expect(`${state} ${event}`).toBe('starting started');
        if (cell.to === 'refused') expect(`${state} ${event}`).toBe('asked refuse');
        if (cell.to === 'starting') expect(`${state} ${event}`).toBe('stopping handedOver');
      }
  });

  it('everything that is in the way is said at once', () => {
    const facts = {
      holder: 'node1',
      recordState: 'primary',
      target: 'node2',
      nodes: [
        { name: 'node1', hindrance: null },
        { name: 'node2', hindrance: null },
        { name: 'node3', hindrance: 'it is a worker' },
      ],
      epochSeen: 4,
      epoch: 4,
      blocked: null,
      underWay: null,
    };
    expect(inTheWay(facts)).toEqual([]);
    expect(inTheWay({ ...facts, target: null })).toEqual([]);
    expect(inTheWay({ ...facts, target: 'node1' })).toEqual(['node1 is primary already']);
    expect(inTheWay({ ...facts, target: 'node3' })).toEqual(['node3 cannot be primary: it is a worker']);
    expect(inTheWay({ ...facts, target: 'nodeX' })).toEqual(['there is no node "nodeX"']);
    expect(inTheWay({ ...facts, holder: null, recordState: 'none' })[0]).toMatch(/nobody is primary/);
    expect(inTheWay({ ...facts, recordState: 'takeover' })[0]).toMatch(/a switch is under way/);
    expect(inTheWay({ ...facts, recordState: 'ended', blocked: 'node3 has not been heard since' })).toEqual([
      'nobody takes the role: node3 has not been heard since',
    ]);
    expect(inTheWay({ ...facts, epochSeen: 3, underWay: 't-7' })).toHaveLength(2);
    expect(inTheWay({ ...facts, target: null, nodes: facts.nodes.filter(({ name }) => name !== 'node2') })[0]).toMatch(
      /no other node can be primary \(node3: it is a worker\)/,
    );
  });
});

it('6.5: only who has lost the store too, and knows this very holder, agrees', () => {
  const asking = { node: 'node1', incarnation: 'x', epoch: 3 };
  const known = { holder: 'node1', incarnation: 'x', epoch: 3 };
  const judge = (change: object) =>
    judgeAgreement({ self: 'node2', sessionLive: false, known, asking, ...change }).verdict;
  expect(judge({})).toBe('agree');
  expect(judge({ sessionLive: true })).toBe('decline');
  expect(judge({ known: null })).toBe('decline');
  for (const other of [{ holder: 'node3' }, { incarnation: 'y' }, { epoch: 4 }, { epoch: 2 }, { holder: null }])
    expect(judge({ known: { ...known, ...other } })).toBe('decline');
});

it('S5: a maintenance is as old as the store says when it is first seen, never younger than none, and never older than its end', () => {
  expect([300, 0, -500, 1000, 5000].map((ageMs) => endsAtMs(70_000, 1000, ageMs))).toEqual([
    70_700, 71_000, 71_000, 70_000, 70_000,
  ]);
});

it('a maintenance stands until its time is over', () => {
  const facts = { on: true, reason: 'disk', leftMs: 1 };
  expect(standingMaintenance(facts)).toBe('disk');
  expect(standingMaintenance({ ...facts, leftMs: 0 })).toBeNull();
  expect(standingMaintenance({ ...facts, leftMs: null })).toBe('disk');
  expect(standingMaintenance({ ...facts, on: false })).toBeNull();
  expect(standingMaintenance({ ...facts, reason: '' })).toBe('no reason given');
});

describe('the ring of transitions', () => {
  const moves = (words: string): Transition[] =>
    words.split(' ').map((word, index) => {
      const [from = '', event = '', to = ''] = word.split(':');
      return { wallMs: index * 1000, monotonicMs: index * 1000, epoch: 1, from, event, to, because: '' };
    });
  const lost = 's:appointed:t t:started:p p:lost:d d:stopped:s';
  const handed = 's:appointed:t t:started:p p:askedToRelinquish:r r:stopped:s';

  it('keeps the newest, at least 64 of them', () => {
    let ring: Transition[] = [];
    for (let k = 0; k < 300; k += 1) ring = withTransition(ring, { ...(moves(lost)[0] as Transition), epoch: k });
    expect(ring.length).toBe(transitionsMax);
    expect(transitionsMax).toBeGreaterThanOrEqual(64);
    expect(ring.at(-1)?.epoch).toBe(299);
  });

  it('R40: the same cycle of failures three times in a row is a loop; a role handed to and fro is none', () => {
    expect(findLoop([])).toBeNull();
    expect(findLoop(moves(`${lost} ${lost}`))).toBeNull();
    expect(findLoop(moves(`${lost} ${lost} ${lost}`))).toEqual({ cycle: lost.split(' '), times: 3 });
    expect(findLoop(moves(`${handed} ${handed} ${handed} ${handed}`))).toBeNull();
    const old = moves(`${lost} ${lost} ${lost}`).map((one, index) => ({ ...one, wallMs: index * 400_000 }));
    expect(findLoop(old)).toBeNull();
    expect(loopAdvice({ cycle: lost.split(' '), times: 3 })).toMatch(/lost again and again.*election leave/);
    expect(loopAdvice({ cycle: ['t:startFailed:r', 'r:stopped:s'], times: 3 })).toMatch(/cannot be started here/);
  });

  it('a cycle has one name wherever one stands in it; the pause doubles up to a minute', () => {
    expect(nameOfCycle(['a', 'b', 'c'])).toBe(nameOfCycle(['c', 'a', 'b']));
    expect([3, 4, 5, 20].map(loopPauseMs)).toEqual([1000, 2000, 4000, 60_000]);
  });
});

it('R54: answers of coordinators that do not fit together are named, each once', () => {
  const answer = (node: string, status: number, primary: string | null, epoch = 4) => ({
    node,
    status: { status, primary, epoch, message: 'm' },
    because: '',
  });
  const fine = [answer('a', 200, 'a'), answer('b', 303, 'a')];
  expect(disagreements(fine)).toEqual([]);
  expect(disagreements([...fine, answer('c', 200, 'c', 5)])).toContain(
    'a (epoch 4) and c (epoch 5) both say that they are primary',
  );
  expect(disagreements([...fine, answer('c', 303, 'b')])).toEqual(['c holds b for primary, but a says that it is']);
  expect(disagreements([...fine, answer('c', 303, 'a', 3)])).toEqual([
    'c knows epoch 3, but a is primary with epoch 4',
  ]);
  expect(disagreements([...fine, { node: 'c', status: null, because: 'timeout: late' }])).toEqual([
    'c does not answer: timeout: late',
  ]);
  expect(disagreements([answer('a', 202, 'a'), answer('b', 503, null)])).toEqual([
    'nobody says that it is primary',
    'a is in transition: m',
    'b: m',
  ]);
});
