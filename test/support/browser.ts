/** A real Chromium, as Debian packages it, with what went wrong in a page: its errors, and every place that it asked. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import axe from 'axe-core';
import type { Browser, Page } from 'puppeteer-core';
import puppeteer from 'puppeteer-core';

export class Chromium {
  private readonly profile = mkdtempSync(join(tmpdir(), 'nk-chromium-'));
  private browser: Browser | null = null;

  async start(): Promise<void> {
    const args = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-dev-shm-usage'];
    const executablePath = '/usr/bin/chromium';
    this.browser = await puppeteer.launch({ executablePath, args, pipe: true, userDataDir: this.profile });
  }

  async open(url: string): Promise<Watched> {
    if (this.browser === null) throw new Error('start it first');
    const page = await this.browser.newPage();
    const watched = new Watched(page);
    await page.goto(url);
    return watched;
  }

  async end(): Promise<void> {
    await this.browser?.close();
    rmSync(this.profile, { recursive: true, force: true });
  }
}

export class Watched {
  readonly page: Page;
  /** What the console called an error, and what was thrown. */
  readonly errors: string[] = [];
  readonly origins = new Set<string>();

  constructor(page: Page) {
    this.page = page;
    page.on('console', (message) => {
      if (message.type() === 'error') this.errors.push(message.text());
    });
    page.on('pageerror', (error) => void this.errors.push(String(error)));
    page.on('request', (request) => void this.origins.add(new URL(request.url()).origin));
  }

  /**
   * The text of what a selector finds, one entry for each element that is shown. In one step: puppeteer's `$$eval` looks for them first, and
   * a page that draws itself anew in between leaves only elements that are shown no more.
   */
  texts(selector: string): Promise<string[]> {
    return this.page.evaluate(
      (wanted) =>
        [...document.querySelectorAll(wanted)]
          .filter((one) => one.checkVisibility())
          .map((one) => one.textContent.trim()),
      selector,
    );
  }

  /** Waits until the page itself says so. */
  async until(what: string, withinMs: number, holds: () => Promise<boolean>): Promise<void> {
    const endMs = performance.now() + withinMs;
    while (!(await holds())) {
      if (performance.now() > endMs)
        throw new Error(`not within ${withinMs} ms: ${what}\n${(await this.texts('body')).join('\n')}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** What Tab comes by, from the top of the page until it comes back there: ids, or else labels. */
  async tabStops(): Promise<string[]> {
    await this.page.evaluate(() => {
      document.body.tabIndex = -1;
      document.body.focus();
      document.body.removeAttribute('tabindex');
      window.scrollTo(0, 0);
    });
    const stops: string[] = [];
    for (let times = 0; times < 50; times += 1) {
      await this.page.keyboard.press('Tab');
      const stop = await this.page.evaluate(() => {
        const at = document.activeElement;
        if (at === null || at === document.body) return null;
        const label = at.getAttribute('aria-label') ?? at.textContent.trim().slice(0, 20);
        return at.id === '' ? label : at.id;
      });
      if (stop === null || stop === stops[0]) return stops;
      stops.push(stop);
    }
    throw new Error(`Tab never comes back: ${stops.join(', ')}`);
  }

  /** What an audit by the WCAG's rules (axe-core) finds wrong, contrast included. */
  async audit(): Promise<string[]> {
    await this.page.evaluate(axe.source);
    const found = (await this.page.evaluate('axe.run()')) as {
      violations: { id: string; help: string; nodes: { html: string }[] }[];
    };
    return found.violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(' ')}`);
  }

  /** For people: into NODEKEEPER_PICTURES, when that is set. */
  async picture(name: string): Promise<void> {
    const folder = process.env['NODEKEEPER_PICTURES'];
    if (folder === undefined) return;
    mkdirSync(folder, { recursive: true });
    await this.page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
  }
}
