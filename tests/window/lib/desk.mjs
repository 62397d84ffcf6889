/** A session bus of its own, with a desktop on it that the test is the user of: notifications and a tray. */
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { firstLine, start, until } from './screen.mjs';

const PROGRAM = join(import.meta.dirname, 'desk.py');
/** The program tells of what happened in another process as soon as it knows. */
const NOTICE_MS = 20_000;

export class Desk {
  /** What was notified, the oldest first: `{ id, title, body, actions }`. Those that were closed have `closed`. */
  notifications = [];
  /** Whether an icon is in the tray. */
  hasIcon = false;
  #answers = new Map();
  #orders = 0;

  /** @param socket where the bus is to be; it can be reached from other network namespaces */
  static async open(socket) {
    const bus = await firstLine('dbus-daemon', [
      '--session',
      '--nofork',
      `--address=unix:path=${socket}`,
      '--print-address=1',
    ]);
    const env = { ...process.env, DBUS_SESSION_BUS_ADDRESS: bus };
    const desk = new Desk(bus, start(PROGRAM, [], env, 'pipe', 'inherit', 'pipe'));
    await until(() => desk.ready, NOTICE_MS, 'the desktop to be there');
    return desk;
  }

  constructor(bus, child) {
    this.bus = bus;
    this.child = child;
    createInterface({ input: child.stdout }).on('line', (line) => this.#heard(JSON.parse(line)));
    child.on('exit', () => {
      for (const { failed } of this.#answers.values()) failed(new Error('the desktop has ended'));
      this.#answers.clear();
    });
  }

  #heard(told) {
    if (told.ready) this.ready = true;
    if (told.notified) this.notifications.push(told.notified);
    if (told.closed !== undefined) {
      for (const card of this.notifications) if (card.id === told.closed) card.closed = true;
    }
    if (told.tray) this.hasIcon = true;
    if (told.tray_gone) this.hasIcon = false;
    if (told.answer !== undefined) {
      const { done, failed } = this.#answers.get(told.answer);
      this.#answers.delete(told.answer);
      if (told.error === undefined) done(told);
      else failed(new Error(told.error));
    }
  }

  async #order(order) {
    if (this.child.exitCode !== null) throw new Error('the desktop has ended');
    this.#orders += 1;
    const id = this.#orders;
    const answer = new Promise((done, failed) => this.#answers.set(id, { done, failed }));
    if (!this.child.stdin.write(`${JSON.stringify({ id, ...order })}\n`)) {
      await once(this.child.stdin, 'drain');
    }
    return answer;
  }

  /** Waits for a notification that is shown now and whose title matches. */
  notified(title) {
    return until(
      () => this.notifications.find((card) => !card.closed && title.test(card.title)),
      NOTICE_MS,
      `a notification ${title}; there were: ${this.notifications.map((card) => card.title).join(' | ')}`,
    );
  }

  /** Presses a button of a notification, by its word. */
  press(card, word) {
    const [key] = Object.entries(card.actions).find(([, text]) => text === word) ?? [];
    if (key === undefined) throw new Error(`no button ${word}: ${JSON.stringify(card.actions)}`);
    return this.#order({ do: 'press', notification: card.id, action: key });
  }

  /** What the tray's menu shows: `{ label, enabled, entries }` each. */
  async menu() {
    const { entries } = await this.#order({ do: 'menu' });
    return entries.filter(({ visible, separator }) => visible && !separator);
  }

  /** Waits for an entry of the tray's menu whose label matches. @returns the entry */
  entry(label) {
    return until(
      async () => (await this.menu().catch(() => [])).find((entry) => label.test(entry.label)),
      NOTICE_MS,
      `an entry ${label} in the tray's menu`,
    );
  }

  /** Chooses an entry of the tray's menu, by its way through the submenus. */
  choose(...labels) {
    return this.#order({ do: 'choose', labels });
  }
}
