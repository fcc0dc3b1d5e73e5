/** `nodectl status --watch`: the cluster on the whole screen, read again and again until q or Ctrl-C. */
import { askNoded } from '../real/http/ask.ts';
import type { NamedEvent } from '../view/events.ts';
import type { ClusterView } from './cluster-view.ts';
import { readCluster } from './cluster-view.ts';
import { readEvents } from './read-events.ts';
import type { Connected } from './connect.ts';
import { pause } from './connect.ts';
import { CommandError } from './exit-codes.ts';
import type { Output } from './output.ts';
import { age } from './output.ts';
import { Screen } from './screen.ts';
import type { Painter, StatusPicture } from './status-frame.ts';
import { statusFrame } from './status-frame.ts';

const everyMs = 500;
/** Longer than everyday; a picture that is older is said to be old. */
const silentMax = 3000;
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
  const painter: Painter = {
    paint: (colour, text) => output.paint(colour, text),
    cells: isUtf8() ? ['█', '░'] : ['#', '.'],
  };
  const quitting = new AbortController();
  let from = 0;
  let picture: Picture | null = null;
  /** Since when the store is being asked; null: it is not. */
  let askedMs: number | null = null;
  const draw = () => {
    if (picture === null) return;
    const silentMs = askedMs === null ? 0 : performance.now() - askedMs;
    const staleBecause =
      picture.staleBecause ?? (silentMs > silentMax ? `the store has not answered for ${age(silentMs)}` : null);
    screen.show(statusFrame({ ...picture, staleBecause, wallMs: Date.now() }, screen.size, from, painter));
  };
  const screen = new Screen((key) => {
    const page = Math.max(1, screen.size.rows - 12);
    const step = steps[key] ?? 0;
    const most = Math.max(0, (picture?.view.nodes.length ?? 1) - 1);
    from = Math.min(most, Math.max(0, from + (Math.abs(step) > 1 ? Math.sign(step) * page : step)));
    if (['q', 'Q', '\x03', '\x04'].includes(key)) quitting.abort();
    else draw();
  }, draw);
  const look = async () => {
    try {
      picture = await takePicture(connected, describe, picture?.known ?? []);
    } catch (error) {
      if (!(error instanceof CommandError) || picture === null) throw error;
      picture = { ...picture, leaseLeftMs: null, staleBecause: error.message };
    }
  };
  const ticking = setInterval(draw, everyMs); // the clock goes on, and what is silent is said to be
  try {
    const quit = aborted(quitting.signal);
    while (!quitting.signal.aborted) {
      askedMs = performance.now();
      await Promise.race([look(), quit]);
      const tookMs = performance.now() - askedMs;
      askedMs = null;
      draw();
      await Promise.race([pause(Math.max(everyMs, tookMs * readingPart)), quit]);
    }
  } finally {
    clearInterval(ticking);
    screen.close();
  }
}

async function takePicture(
  connected: Connected,
  describe: (view: ClusterView) => Promise<Said>,
  before: readonly NamedEvent[],
): Promise<Picture> {
  const { config, store } = connected;
  const view = await readCluster(store, config);
  const news = await readEvents(store, before.at(-1) ?? null, eventsKept);
  const known = [...before, ...news].slice(-eventsKept);
  return {
    ...(await describe(view)),
    view,
    known,
    events: known.map(({ event }) => event),
    leaseLeftMs: await leaseOf(connected, view),
    leaseMs: config.timing.leaseMs,
    savingThrows: config.detection.savingThrows,
    deadAfterMs: config.keepalive.interval * config.detection.savingThrows,
    staleBecause: null,
  };
}

type Picture = Omit<StatusPicture, 'wallMs'> & { readonly known: readonly NamedEvent[] };

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
async function leaseOf({ keys }: Connected, { nodes, primary }: ClusterView): Promise<number | null> {
  const address = nodes.find(({ name }) => name === primary.holder)?.apiAddress ?? null;
  if (address === null) return null;
  const asked = await askNoded<'status'>({ address, key: keys.first.apiKey }, { kind: 'status' }, leaseAskMs);
  return asked.ok && asked.answer.node === primary.holder ? asked.answer.leaseLeftMs : null;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

function isUtf8(): boolean {
  const { LC_ALL, LC_CTYPE, LANG } = process.env;
  return /utf-?8/i.test([LC_ALL, LC_CTYPE, LANG].find((value) => value !== undefined && value !== '') ?? '');
}
