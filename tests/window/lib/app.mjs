/** The real program in a window, as a person uses it: clicks, keys, and what is to be seen. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Builder, By, Capabilities } from 'selenium-webdriver';
import { tool, until } from './screen.mjs';

const SHOW_MS = 20_000;
const PROGRAM = process.env.MANYHANDS_BIN;
const SHOTS = process.env.MANYHANDS_SHOTS;
const env = process.env;

export class App {
  /** Starts the program on a profile and waits for its page. */
  static async open(dataDir, parameters = []) {
    assert.ok(PROGRAM, 'MANYHANDS_BIN names the program');
    const capabilities = new Capabilities({
      browserName: 'wry',
      'webkitgtk:browserOptions': { binary: PROGRAM, args: ['--data-dir', dataDir, ...parameters] },
    });
    const driver = await new Builder()
      .usingServer(env.MANYHANDS_DRIVER)
      .withCapabilities(capabilities)
      .build();
    const app = new App(driver, dataDir);
    await app.sees('[data-testid=add-url]');
    // The page is there before the window manager has shown the window: keys would go elsewhere.
    await until(
      () => tool(env, 'xdotool', 'getactivewindow', 'getwindowname').trim() === 'Manyhands',
    );
    return app;
  }

  constructor(driver, dataDir) {
    this.driver = driver;
    this.dataDir = dataDir;
  }

  /** Waits for an element that can be seen. */
  sees(selector, maxMs = SHOW_MS) {
    return until(
      async () => {
        for (const element of await this.driver.findElements(By.css(selector))) {
          if (await element.isDisplayed().catch(() => false)) return element;
        }
        return null;
      },
      maxMs,
      `${selector} to be seen`,
    );
  }

  async click(selector) {
    await (await this.sees(selector)).click();
  }

  async type(selector, text) {
    const field = await this.sees(selector);
    await field.click();
    await field.clear();
    await field.sendKeys(text);
  }

  /** Empties a field as a person does; the driver's own way tells the page nothing. */
  async empty(selector) {
    await this.click(selector);
    this.keys('ctrl+a', 'Delete');
    await until(async () => (await (await this.sees(selector)).getAttribute('value')) === '');
  }

  /** Real keys of the X server, as from a keyboard: `ctrl+v`, `Delete`. */
  keys(...keys) {
    tool(env, 'xdotool', 'key', '--clearmodifiers', ...keys);
  }

  /** What an element says. The driver's own `getText` leaves out what is cut off by an ellipsis, even if it is not. */
  async text(selector) {
    return (await (await this.sees(selector)).getAttribute('textContent')).trim();
  }

  /** Waits for a state of a download. */
  rowIs(name, state, maxMs = SHOW_MS) {
    return this.sees(`[data-testid=row][data-name="${name}"][data-state=${state}]`, maxMs);
  }

  /** The share that the row's bar shows, in percent. */
  async percent(name) {
    const bars = await this.driver.findElements(By.css(`[data-name="${name}"] [role=progressbar]`));
    const value = await bars[0]?.getAttribute('aria-valuenow').catch(() => null);
    return value === null || value === undefined ? null : Number(value);
  }

  /** Adds a link through the dialog; it stays open when it is refused. */
  async add(link, { dir, sha256 } = {}) {
    await this.click('[data-testid=add-url]');
    await this.type('#links', link);
    if (dir) await this.type('#dir', dir);
    if (sha256) {
      await this.click('.disclose');
      await this.type('#sha256', sha256);
    }
    await this.click('[data-testid=add-submit]');
  }

  async gone(selector) {
    await until(
      async () => (await this.driver.findElements(By.css(selector))).length === 0,
      SHOW_MS,
      `${selector} to be gone`,
    );
  }

  /** Keeps a picture of the page, where somebody wants to look at it. */
  async picture(name) {
    if (!SHOTS) return;
    const path = join(SHOTS, `${name}.png`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, Buffer.from(await this.driver.takeScreenshot(), 'base64'));
  }

  /** Closes the window as a person does, and waits until the program has ended. */
  async close() {
    const process = processOf(this.dataDir);
    assert.ok(process, 'the program runs');
    this.keys('alt+F4');
    await until(() => processOf(this.dataDir) === null, SHOW_MS, 'the program to end');
    await this.quit();
  }

  /** Ends the session; the program too when it still runs. */
  async quit() {
    await this.driver.quit().catch(() => {});
    await until(() => processOf(this.dataDir) === null, SHOW_MS, 'the program to end');
  }
}

/** The process that runs on a profile, or `null`. */
export function processOf(dataDir) {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      if (words[0] === PROGRAM && words.includes(dataDir)) return Number(pid);
    } catch {
      // It has ended while we looked.
    }
  }
  return null;
}
