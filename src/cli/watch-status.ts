/** `nodectl status --watch`: the cluster on the whole screen, read again and again until q or Ctrl-C. */
import type { HistoryEvent } from '../records/history.ts';
import { askNoded } from '../real/http/ask.ts';
import type { ClusterView } from './cluster-view.ts';
import { readCluster } from './cluster-view.ts';
import { readEvents } from './read-events.ts';
import type { Connected } from './connect.ts';
import { pause } from './connect.ts';
import { CommandError } from './exit-codes.ts';
import type { Output } from './output.ts';
import { Screen } from './screen.ts';
import type { Painter, StatusPicture } from './status-frame.ts';
import { statusFrame } from './status-frame.ts';

const everyMs = 500;
/** So that watching a large cluster does not load its store: reading takes at most this part of the time. */
const readingPart = 10;
const leaseAskMs = 400;
const eventsKept = 100;

export type Said = Pick<StatusPicture, 'head' | 'remarks'>;

export async function watchStatus(
  connected: Connected,
  output: Output,
  describe: (view: ClusterView) => Promise<Said>,
): Promise<void> {
  const { config, store } = connected;
  const painter: Painter = {
    paint: (colour, text) => output.paint(colour, text),
    cells: isUtf8() ? ['█', '░'] : ['#', '.'],
  };
  let from = 0;
  let isOver = false as boolean;
  let waking = new AbortController();
  let picture: StatusPicture | null = null;
  const draw = () => {
    if (picture !== null) screen.show(statusFrame(picture, screen.size, from, painter));
  };
  const screen = new Screen((key) => {
    const page = Math.max(1, screen.size.rows - 12);
    const step = steps[key] ?? 0;
    const most = Math.max(0, (picture?.view.nodes.length ?? 1) - 1);
    from = Math.min(most, Math.max(0, from + (Math.abs(step) > 1 ? Math.sign(step) * page : step)));
    isOver ||= ['q', 'Q', '\x03', '\x04'].includes(key);
    waking.abort();
    draw();
  }, draw);
  let events: HistoryEvent[] = [];
  let newest = '';
  try {
    while (!isOver) {
      const startMs = performance.now();
      try {
        const view = await readCluster(store, config);
        const found = await readEvents(store, newest, eventsKept);
        newest = found.at(-1)?.name ?? newest;
        events = [...events, ...found.map(({ event }) => event)].slice(-eventsKept);
        const leaseLeftMs = await leaseOf(connected, view);
        picture = {
          ...(await describe(view)),
          view,
          events,
          leaseLeftMs,
          leaseMs: config.timing.leaseMs,
          savingThrows: config.detection.savingThrows,
          deadAfterMs: config.keepalive.interval * config.detection.savingThrows,
          wallMs: Date.now(),
          staleBecause: null,
        };
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        if (picture === null) throw error;
        picture = { ...picture, wallMs: Date.now(), leaseLeftMs: null, staleBecause: error.message };
      }
      draw();
      const tookMs = performance.now() - startMs;
      waking = new AbortController();
      await Promise.race([pause(Math.max(everyMs, tookMs * readingPart)), aborted(waking.signal)]);
    }
  } finally {
    screen.close();
  }
}

const steps: Readonly<Record<string, number>> = {
  '\x1b[A': -1,
  k: -1,
  '\x1b[B': 1,
  j: 1,
  '\x1b[5~': -2,
  '\x1b[6~': 2,
  ' ': 2,
};

/** As the primary itself says; null: there is none, or it does not answer at once. */
async function leaseOf({ key }: Connected, { nodes, primary }: ClusterView): Promise<number | null> {
  const address = nodes.find(({ name }) => name === primary.holder)?.apiAddress ?? null;
  if (address === null) return null;
  const asked = await askNoded<'status'>({ address, key: key.apiKey }, { kind: 'status' }, leaseAskMs);
  return asked.ok ? asked.answer.leaseLeftMs : null;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

function isUtf8(): boolean {
  const { LC_ALL, LC_CTYPE, LANG } = process.env;
  return /utf-?8/i.test([LC_ALL, LC_CTYPE, LANG].find((value) => value !== undefined && value !== '') ?? '');
}
