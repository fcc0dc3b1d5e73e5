import { findingKey } from '../../src/core/device-trust.ts';
import { DeviceBook } from '../../src/agent/fencing/device-book.ts';
import { restartSettleMs } from '../../src/agent/fencing/settling.ts';
import type { History } from '../../src/agent/history.ts';
import type { Peers } from '../../src/agent/peers.ts';
import type { Environment } from '../../src/environment/environment.ts';
import type { FenceDevice } from '../../src/records/device.ts';
import { DeviceKnowledgeRecord, endedMax, findingsMax, placesMax } from '../../src/records/device-knowledge.ts';
import { printRecord } from '../../src/records/record.ts';

const path = '/nodes/node1/devices';
const place = { device: 'ipmi', where: 'bmc1:623' };
const device = { kind: 'ipmi', name: 'ipmi', address: 'bmc1', port: 623 } as unknown as FenceDevice;
const registered = { name: 'node1', devices: [{ name: 'ipmi', kind: 'ipmi', where: 'bmc1:623' }] };

/** One record in a store that can be away, and coordinators that read it. */
function stage() {
  const state = { text: null as string | null, version: 0, isAway: false, nowMs: 0 };
  const away = { ok: false, code: 'not-connected', because: 'away' } as const;
  const events: string[] = [];
  const sleeping: { readonly untilMs: number; readonly wake: () => void }[] = [];
  const store = {
    onSession: () => () => undefined,
    read: () => {
      if (state.isAway) return Promise.resolve(away);
      if (state.text === null) return Promise.resolve({ ok: false, code: 'no-node', because: '' });
      return Promise.resolve({ ok: true, text: state.text, version: state.version });
    },
    create: (_: string, text: string) => {
      if (state.isAway || state.text !== null) return Promise.resolve(away);
      Object.assign(state, { text, version: 0 });
      return Promise.resolve({ ok: true, path });
    },
    write: (_: string, text: string, version: number) => {
      if (state.isAway || version !== state.version) return Promise.resolve(away);
      Object.assign(state, { text, version: version + 1 });
      return Promise.resolve({ ok: true, version: state.version });
    },
  };
  const coordinator = (name: string) => {
    const clock = {
      wallMs: () => 1000,
      monotonicMs: () => state.nowMs,
      sleep: (ms: number) => new Promise<void>((wake) => sleeping.push({ untilMs: state.nowMs + ms, wake })),
    };
    const env = { store, clock } as unknown as Environment;
    const history: History = {
      happened: (kind) => void events.push(`${name} ${kind}`),
      flush: () => Promise.resolve(),
    };
    const peers = { all: () => [registered], get: () => registered } as unknown as Peers;
    return new DeviceBook(name, env, history, peers);
  };
  const record = () => DeviceKnowledgeRecord.parse(JSON.parse(state.text ?? ''));
  /** Time passes, and what was begun comes to its end. */
  const elapse = async (ms: number) => {
    state.nowMs += ms;
    for (const { untilMs, wake } of sleeping) if (untilMs <= state.nowMs) wake();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { state, events, coordinator, record, elapse };
}

const use = async (book: DeviceBook) => (await book.standings('node1', [place])).get('ipmi')?.use;

it('S4: what one coordinator finds binds the other, and outlives its finder', async () => {
  const { coordinator, events } = stage();
  const finder = coordinator('node2');
  await finder.tell('node1', place, { news: 'read-on' });
  await finder.tell('node1', place, { news: 'wrong-state' });
  expect(events).toEqual(['node2 device-distrusted']);
  expect(await use(coordinator('node3'))).toBe('never');
});

it('S4: found while the store is away, it counts here at once, and is written later', async () => {
  const { coordinator, state, record } = stage();
  const book = coordinator('node2');
  await book.tell('node1', place, { news: 'read-on' });
  state.isAway = true;
  await book.tell('node1', place, { news: 'wrong-state' });
  expect(book.remembered('node1').findings).toHaveLength(1);
  expect(await use(book)).toBe('never'); // it cannot be read either
  state.isAway = false;
  expect(await use(book)).toBe('never');
  await book.refresh();
  expect(record().findings).toHaveLength(1);
});

it.each([
  ['corrupt', '{nonsense'],
  ['emptied', ''],
  ['lost', null],
])(
  'S4: a record that is %s is written again by who remembers it; who does not remember it believes nothing',
  async (kind, text) => {
    const { coordinator, state, record } = stage();
    const book = coordinator('node2');
    await book.tell('node1', place, { news: 'read-on' });
    await book.tell('node1', place, { news: 'wrong-state' });
    const { revision } = record();
    state.text = text;
    if (kind === 'corrupt') expect(await use(coordinator('node9'))).toBe('never');
    expect(await use(book)).toBe('never');
    expect(record()).toMatchObject({ revision: revision + 1, findings: [{ kind: 'wrong-state', by: 'node2' }] });
  },
);

it('S4: an old copy does not bring back trust, nor lose what was found since', async () => {
  const { coordinator, state, record } = stage();
  const one = coordinator('node2');
  await one.tell('node1', place, { news: 'read-on' });
  const old = state.text;
  await one.tell('node1', place, { news: 'wrong-state' });
  state.text = old; // restored
  const other = coordinator('node3');
  await other.tell('node1', place, { news: 'disobeyed', commands: 2 }); // revision 2 once more, by another
  await other.tell('node1', place, { news: 'disobeyed', commands: 2 });
  await one.refresh();
  expect(new Set(record().findings.map(({ kind }) => kind))).toEqual(new Set(['disobeyed', 'wrong-state']));
});

it('an operator who clears it is heard by all, also by who remembers the finding', async () => {
  const { coordinator, state, record } = stage();
  const book = coordinator('node2');
  await book.tell('node1', place, { news: 'read-on' });
  await book.tell('node1', place, { news: 'disobeyed', commands: 4 });
  expect(await use(book)).toBe('last');
  const before = record();
  const ended = before.findings.map(findingKey);
  state.text = printRecord({ ...before, revision: before.revision + 1, findings: [], ended });
  expect(await use(book)).toBe('ordinary');
});

it('S4: a device that did not answer counts again a minute later, or when it has read on; what another fencer met counts too', () => {
  const { coordinator, state } = stage();
  const book = coordinator('node2');
  book.heard(device, 'no-answer', 'unknown');
  state.nowMs = 20_000;
  expect(book.unsettledMs(device)).toBe(restartSettleMs - 20_000);
  book.heard(device, null, 'on');
  expect(book.unsettledMs(device)).toBe(0);
  book.heardOf('fence1', 'node1', { unanswered: ['bmc1:623'], refused: [] });
  expect(book.unsettledMs(device)).toBe(restartSettleMs);
  state.nowMs += restartSettleMs;
  book.heardOf('fence1', 'node1', { unanswered: ['bmc1:623'], refused: [] }); // once for each fence
  expect(book.unsettledMs(device)).toBe(0);
});

it('two full copies that parted are one record again, within its bounds', async () => {
  const { coordinator, state, record } = stage();
  const book = coordinator('node2');
  const copyOf = (name: string, revision: number) => {
    const place = (index: number) => ({ device: 'ipmi', where: `${name}${index}:623` });
    const seenOn = Array.from({ length: placesMax }, (_, index) => place(index));
    const findings = Array.from({ length: findingsMax }, (_, index) => ({
      ...place(index),
      kind: 'disobeyed' as const,
      readsOnAgain: false,
      isCleared: false,
      commands: 1,
      because: 'b',
      by: name,
      sinceWallMs: index,
    }));
    const ended = Array.from({ length: endedMax }, (_, index) => `${name} ${index}`);
    return printRecord({ schema: 1, revision, findings, seenOn, ended, cleared: null });
  };
  state.text = copyOf('a', 3);
  await book.refresh();
  state.text = copyOf('b', 7); // another line of history
  await book.refresh();
  expect(record().findings).toHaveLength(findingsMax);
  const settled = state.version;
  await book.refresh();
  expect(state.version).toBe(settled);
});

it('S4: a device that refuses orders counts a minute after the first refusal of a row, whatever it refuses then, or when it has read on', () => {
  const { coordinator, state } = stage();
  const book = coordinator('node2');
  book.refused(device);
  expect(book.unsettledMs(device)).toBe(restartSettleMs);
  state.nowMs += 50_000;
  book.refused(device);
  expect(book.unsettledMs(device)).toBe(10_000);
  expect(book.unsettledBecause(device)).toContain('refused an order a moment ago');
  state.nowMs += 10_000;
  book.refused(device);
  expect(book.unsettledMs(device)).toBe(0);
  book.heard(device, null, 'on');
  book.refused(device);
  expect(book.unsettledMs(device)).toBe(restartSettleMs);
  const other = coordinator('node3');
  const suspects = { unanswered: [], refused: ['bmc1:623'] };
  other.heardOf('fence1', 'node1', suspects);
  state.nowMs += 40_000;
  other.heardOf('fence1', 'node1', suspects);
  other.refused(device);
  expect(other.unsettledMs(device)).toBe(20_000);
});

it('S4: a question that is open for a second is silence while it is open, and here alone: it may only be slow', async () => {
  const { coordinator, elapse } = stage();
  const book = coordinator('node2');
  const ended = book.asks(device);
  expect(book.unsettledMs(device)).toBe(0);
  await elapse(1000);
  expect(book.unsettledMs(device)).toBe(restartSettleMs);
  expect(book.isSilent(device)).toBe(false);
  await elapse(5000);
  ended();
  book.heard(device, 'timeout', 'unknown'); // the program had to be ended, so the device is slow
  expect(book.unsettledMs(device)).toBe(0);
  expect(coordinator('node3').saidSilent('node1')).toEqual([]);
});

it('S4: a question whose program had to be ended does not take a silence back', async () => {
  const { coordinator, record, elapse } = stage();
  const book = coordinator('node2');
  book.heard(device, 'no-answer', 'unknown');
  await elapse(restartSettleMs);
  book.heard(device, 'timeout', 'unknown');
  await elapse(0);
  expect(record().silent).toHaveLength(1);
  book.heard(device, null, 'off');
  await elapse(0);
  expect(record().silent).toEqual([]);
});

it('S4: a silence binds all until its finder has met the device settled, and is written once', async () => {
  const { coordinator, record, elapse } = stage();
  const book = coordinator('node2');
  const other = coordinator('node3');
  book.heard(device, 'no-answer', 'unknown');
  await elapse(0);
  for (let times = 0; times < 20; times += 1) {
    book.heard(device, 'no-answer', 'unknown');
    await elapse(1000);
  }
  expect(record().silent).toHaveLength(1);
  expect(record().revision).toBe(1);
  await use(other);
  expect(other.saidSilent('node1')).toEqual(['bmc1:623']);
  expect(other.unsettledMs(device)).toBe(restartSettleMs); // from now on, by its own clock
  await elapse(restartSettleMs);
  expect(other.unsettledMs(device)).toBe(0);
  expect(other.saidSilent('node1')).toEqual(['bmc1:623']); // its finder may have met it silent since
  other.heardOf('fence1', 'node1', { unanswered: [], refused: [] });
  expect(other.unsettledMs(device)).toBe(restartSettleMs);
  other.heard(device, null, 'on');
  expect(other.saidSilent('node1')).toEqual([]); // it has read on here
  book.heard(device, null, 'off');
  await elapse(0);
  expect(record().silent).toEqual([]);
});

it('S4: the silence that a former run wrote counts like any other, and is taken back by this one', async () => {
  const { coordinator, record, elapse } = stage();
  coordinator('node2').heard(device, 'no-answer', 'unknown');
  await elapse(0);
  const book = coordinator('node2');
  await use(book);
  expect(book.unsettledMs(device)).toBe(restartSettleMs);
  await elapse(1000);
  book.heard(device, null, 'on');
  await elapse(0);
  expect(record().silent).toEqual([]);
});

it('nothing grows: 100,000 findings, fences and silences of one node', async () => {
  const { coordinator, state, record } = stage();
  const book = coordinator('node2');
  for (let round = 0; round < 100_000; round += 1) {
    state.nowMs += 100;
    book.heard({ ...device, address: `bmc${round}` } as FenceDevice, 'no-answer', 'unknown');
    book.heardOf(`fence${round}`, 'node1', { unanswered: ['bmc1:623'], refused: [] });
    if (round % 1000 !== 0) continue;
    await book.tell('node1', place, { news: round % 2000 === 0 ? 'wrong-state' : 'obeyed' });
    await book.refresh();
  }
  expect(record().findings.length).toBeLessThanOrEqual(1);
  expect(Object.keys(book.allRemembered())).toEqual(['node1']);
});
