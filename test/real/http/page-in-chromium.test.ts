/** The page in a real Chromium: by keyboard alone, in both colour schemes, on a narrow screen, while nodes die. */
import { Chromium } from '../../support/browser.ts';
import type { Watched } from '../../support/browser.ts';
import type { WatchedCluster } from '../../support/page.ts';
import { readToken, watchedCluster } from '../../support/page.ts';

const chromium = new Chromium();
let watched: WatchedCluster;
let tab: Watched;

beforeAll(async () => {
  watched = await watchedCluster();
  await chromium.start();
  tab = await chromium.open(watched.url);
}, 60_000);
afterAll(async () => {
  await chromium.end();
  await watched.close();
});

const inScheme = (value: 'light' | 'dark') => tab.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value }]);
const row = async (name: string) => (await tab.texts('#nodes tbody tr')).find((text) => text.startsWith(name)) ?? '';
const isShown = async (id: string) => (await tab.texts(`#${id}`)).length === 1;

it('it asks for the token, and says when that is the wrong one; all by keyboard', async () => {
  await tab.until('the door is shown', 5000, () => isShown('door'));
  expect(await tab.page.evaluate(() => document.activeElement?.id)).toBe('token');
  for (const scheme of ['light', 'dark'] as const) {
    await inScheme(scheme);
    expect(await tab.audit()).toEqual([]);
    await tab.picture(`door-${scheme}`);
  }
  await tab.page.focus('#token');
  await tab.page.keyboard.type('wrong');
  await tab.page.keyboard.press('Enter');
  await tab.until('the refusal is told', 5000, async () => (await tab.texts('#refused'))[0] !== '');
  expect(await tab.texts('#refused')).toEqual(['this token is not one of this cluster']);
  expect(await isShown('cluster')).toBe(false);
  // What was typed stands nowhere, and the next one goes into an empty field.
  expect(await tab.page.$eval('#token', (field) => (field as HTMLInputElement).value)).toBe('');
  await tab.page.focus('#token');
  await tab.page.keyboard.type(readToken);
  await tab.page.keyboard.press('Enter');
  await tab.until('the cluster is shown', 5000, () => isShown('cluster'));
  expect(await isShown('door')).toBe(false);
});

it('the cluster as it is: nodes, the primary with its epoch and its history, who can fence whom, events', async () => {
  expect(await tab.texts('#summary')).toEqual(['3 of 3 nodes run, as node1 sees it']);
  expect(await tab.page.title()).toBe('3/3 sim');
  expect((await tab.texts('#primary'))[0]).toMatch(/^node\d, epoch 1, since /);
  expect((await tab.texts('#lease-words'))[0]).toMatch(/^Lease: \d\.\d s of \d\.\d s left$/);
  for (const name of ['node1', 'node2', 'node3']) expect(await row(name)).toMatch(/run.*2 can$/);
  expect((await tab.texts('#matrix td')).filter((text) => text === '✓ can')).toHaveLength(6);
  expect(await tab.page.$eval('#strip', (strip) => strip.getAttribute('aria-label'))).toMatch(/node\d for /);
  expect((await tab.texts('#events tbody tr')).some((text) => text.includes('is primary with epoch 1'))).toBe(true);
});

it('Tab comes by everything that can be scrolled or followed, and back; the first stop leads past the head', async () => {
  const stops = await tab.tabStops();
  expect(stops).toEqual(['skip', 'table of nodes', 'matrix of fencing', 'table of events']);
  await tab.page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await tab.page.focus('.skip');
  expect(await tab.page.$eval('.skip', (link) => link.getBoundingClientRect().top >= 0)).toBe(true); // seen when it has the focus
  await tab.page.keyboard.press('Enter');
  expect(new URL(tab.page.url()).hash).toBe('#nodes');
});

it('throws fill up while a node is silent, and its fence is told', async () => {
  const { world } = watched;
  world.machine('node3').powerOff();
  await world.run(4000); // it is fenced by then, and not back yet
  await tab.until('a bar of throws is shown', 8000, async () => /\d of 6/.test(await row('node3')));
  const bar = await tab.page.$eval('#nodes [aria-label="throws failed by node3"]', (found) => ({
    words: found.getAttribute('aria-valuetext'),
    wide: found.firstElementChild?.getBoundingClientRect().width ?? 0,
    whole: found.getBoundingClientRect().width,
  }));
  expect(bar.words).toMatch(/^[1-6] of 6$/);
  expect(bar.wide).toBeGreaterThan(0);
  expect(bar.wide).toBeLessThanOrEqual(bar.whole);
  for (const scheme of ['light', 'dark'] as const) {
    await inScheme(scheme);
    expect(await tab.audit()).toEqual([]);
    await tab.picture(`silent-${scheme}`);
  }
  await world.run(60_000);
  await tab.until('the fence is among the events', 8000, async () =>
    (await tab.texts('#events tbody tr')).some((text) => text.includes('node3 is off: power was read as off')),
  );
  await tab.until('no throw is left of it', 8000, async () => !/of 6/.test(await row('node3')));
});

it('both colour schemes are real ones, and stand an audit', async () => {
  const backgrounds: string[] = [];
  for (const scheme of ['light', 'dark'] as const) {
    await inScheme(scheme);
    backgrounds.push(await tab.page.evaluate(() => getComputedStyle(document.body).backgroundColor));
    expect(await tab.audit()).toEqual([]);
    await tab.picture(`cluster-${scheme}`);
  }
  const [light = '', dark = ''] = backgrounds.map((colour) =>
    (colour.match(/\d+/g) ?? []).slice(0, 3).reduce((sum, part) => sum + Number(part), 0),
  );
  expect(Number(light)).toBeGreaterThan(600);
  expect(Number(dark)).toBeLessThan(150);
});

it.each([320, 800, 1900])('at %i pixels nothing but the tables scrolls sideways', async (width) => {
  await tab.page.setViewport({ width, height: 700 });
  expect(await tab.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
  await tab.picture(`width-${width}`);
});

it('a second visit in the same tab needs no token; another tab does', async () => {
  await tab.page.reload();
  await tab.until('the cluster is shown again', 5000, () => isShown('cluster'));
  const other = await chromium.open(watched.url);
  await other.until('it asks', 5000, async () => (await other.texts('#door')).length === 1);
  await other.page.close();
});

it('a noded that goes is said to be gone; what was seen last stays, and is called old', async () => {
  await watched.close();
  await tab.until('it is told', 10_000, () => isShown('stale'));
  expect((await tab.texts('#stale'))[0]).toMatch(/^Old: this noded does not answer/);
  expect(await isShown('cluster')).toBe(true);
});

it('nothing was asked elsewhere, and nothing went wrong but what was meant to', () => {
  expect([...tab.origins]).toEqual([new URL(watched.url).origin]);
  const meant = /status of 401|ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET/;
  expect(tab.errors.filter((text) => !meant.test(text))).toEqual([]);
});
