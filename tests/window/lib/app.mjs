/** The real program in a window, as a person uses it: clicks, keys, and what is to be seen. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Builder, By, Capabilities, error } from 'selenium-webdriver';
import { tool, until } from './screen.mjs';

const SHOW_MS = 20_000;
const MOVES = [
  error.ElementNotInteractableError,
  error.ElementClickInterceptedError,
  error.StaleElementReferenceError,
];
const PROGRAM = process.env.MANYHANDS_BIN;
const SHOTS = process.env.MANYHANDS_SHOTS;
const env = process.env;

export class App {
  /**
   * Starts the program on a profile and waits for its page.
   *
   * @param options `program`: one that becomes the program, in surroundings of its own; `server`: the address of the
   *   driver that starts it
   */
  static async open(dataDir, { program = PROGRAM, server = env.MANYHANDS_DRIVER } = {}) {
    assert.ok(PROGRAM, 'MANYHANDS_BIN names the program');
    const before = windows();
    const capabilities = new Capabilities({
      browserName: 'wry',
      'webkitgtk:browserOptions': { binary: program, args: ['--data-dir', dataDir] },
    });
    const driver = await new Builder().usingServer(server).withCapabilities(capabilities).build();
    const app = new App(driver, dataDir);
    try {
      await app.sees('[data-testid=add-url]');
      // The page is there before the window manager has shown the window: keys would go elsewhere.
      app.window = await until(
        () => windows().find((id) => !before.includes(id)),
        SHOW_MS,
        'a window to be shown',
      );
      await app.front();
    } catch (error) {
      // A driver has one session at a time: a program that is left would be in the way of all that follow.
      await app.quit();
      throw error;
    }
    return app;
  }

  constructor(driver, dataDir) {
    this.driver = driver;
    this.dataDir = dataDir;
  }

  /** Whether keys would go to this window. */
  isInFront() {
    return tool(env, 'xdotool', 'getactivewindow').trim() === this.window;
  }

  /** Brings the window to the front, so that keys go to it. A window manager that is busy with another may not have heard. */
  async front() {
    await until(
      () => {
        if (this.isInFront()) return true;
        tool(env, 'xdotool', 'windowactivate', this.window);
        return false;
      },
      SHOW_MS,
      'the window to be in front',
    );
  }

  /** Whether the window is on the screen: neither minimized nor hidden. */
  isShown() {
    return windows().includes(this.window);
  }

  /** Moves the window to a place on the screen. */
  moveTo(x, y) {
    tool(env, 'xdotool', 'windowmove', '--sync', this.window, String(x), String(y));
  }

  /** Chooses a language in the settings, `en` or `zh-CN`, and a theme, `light` or `dark`. */
  async choose(...values) {
    await this.click('[data-testid=settings]');
    await this.sees('dialog');
    // The inputs are drawn by their labels.
    await this.driver.executeScript(
      `for (const value of arguments[0]) document.querySelector('input[value="' + value + '"]').click();`,
      values,
    );
    await this.front();
    this.keys('Escape');
    await this.gone('dialog');
  }

  /** What a selector finds, or `null` where the page changes while the driver looks. */
  async #found(selector) {
    try {
      return await this.driver.findElements(By.css(selector));
    } catch (failed) {
      if (failed instanceof error.StaleElementReferenceError) return null;
      throw failed;
    }
  }

  /** Waits for an element that can be seen. */
  sees(selector, maxMs = SHOW_MS) {
    return until(
      async () => {
        for (const element of (await this.#found(selector)) ?? []) {
          if (await element.isDisplayed().catch(() => false)) return element;
        }
        return null;
      },
      maxMs,
      `${selector} to be seen`,
    );
  }

  /** Clicks on what can be clicked. The buttons of a request take no answer before they have stood still for a moment. */
  async click(selector) {
    await until(
      async () => {
        const seen = await this.sees(selector);
        const enabled = seen.isEnabled().catch(() => false);
        const deaf = seen.getAttribute('aria-disabled').catch(() => 'true');
        if (!(await enabled) || (await deaf) === 'true') return false;
        return seen.click().then(
          () => true,
          (failed) => {
            // It moves, or has gone meanwhile: a person would follow it.
            if (MOVES.some((kind) => failed instanceof kind)) return false;
            throw failed;
          },
        );
      },
      SHOW_MS,
      `${selector} to be clicked`,
    );
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

  /** What all elements say that there are now. */
  texts(selector) {
    return this.driver.executeScript(
      'return [...document.querySelectorAll(arguments[0])].map((element) => element.textContent.trim());',
      selector,
    );
  }

  /** Waits for a state of a download. */
  rowIs(name, state, maxMs = SHOW_MS) {
    return this.sees(`[data-testid=row][data-name="${name}"][data-state=${state}]`, maxMs);
  }

  /** The share that the row's bar shows, in percent. */
  async percent(name) {
    const bars = (await this.#found(`[data-name="${name}"] [role=progressbar]`)) ?? [];
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
      async () => (await this.#found(selector))?.length === 0,
      SHOW_MS,
      `${selector} to be gone`,
    );
  }

  /** Keeps a picture of the page, where somebody wants to look at it. */
  async picture(name) {
    // A hidden window is never drawn, and the driver waits for that.
    if (!SHOTS || !this.isShown()) return;
    const path = join(SHOTS, `${name}.png`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, Buffer.from(await this.driver.takeScreenshot(), 'base64'));
  }

  /** How much there is to be seen in the window, or a part of it, whatever the driver says: 0 where it has one colour. */
  contrast(part = '100%x100%+0+0') {
    const format = ['-colorspace', 'Gray', '-format', '%[fx:standard_deviation]', 'info:'];
    return Number(tool(env, 'import', '-window', this.window, '-crop', part, ...format));
  }

  /** Keeps a picture of the window as the screen has it, where somebody wants to look at it. */
  photo(name) {
    if (!SHOTS) return;
    mkdirSync(SHOTS, { recursive: true });
    tool(env, 'import', '-window', this.window, join(SHOTS, `${name}.png`));
  }

  /** Closes the window where there is no tray, says that the program is to end when it asks, and waits until it has. */
  async close() {
    assert.ok(processOf(this.dataDir), 'the program runs');
    this.keys('alt+F4');
    await until(
      async () => {
        if (processOf(this.dataDir) === null) return true;
        const asked = await this.driver
          .findElements(By.css('[data-testid=quit-confirm]'))
          .catch(() => []);
        await asked[0]?.click().catch(() => {});
        return false;
      },
      SHOW_MS,
      'the program to end',
    );
    await this.quit();
  }

  /** Kills the program, as the system does when memory is short: nothing of it runs on. */
  async kill() {
    const pid = processOf(this.dataDir);
    assert.ok(pid, 'the program runs');
    process.kill(pid, 'SIGKILL');
    await this.quit();
  }

  /** Ends the session; the program too when it still runs. */
  async quit() {
    const lives = await this.driver.getTitle().then(
      () => true,
      () => false,
    );
    await this.driver.quit().catch(() => {});
    // A session that was lost with its page ends nothing.
    const left = lives ? null : processOf(this.dataDir);
    if (left !== null) process.kill(left, 'SIGKILL');
    await until(() => processOf(this.dataDir) === null, SHOW_MS, 'the program to end');
    // The screen may give the next window the same number.
    await until(() => !this.isShown(), SHOW_MS, 'the window to go away');
  }
}

/** The windows of the program that are on the screen. */
function windows() {
  return tool(env, 'xdotool', 'search', '--onlyvisible', '--name', '^Manyhands$')
    .split('\n')
    .filter((id) => id !== '');
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
