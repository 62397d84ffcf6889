/**
 * Hosts with a network of their own (`lab/lab`), the program's window on each of them on the one screen of the test.
 *
 * A web view can be driven from its own network only, and nothing leads from here into the lab: the driver runs on the host
 * and is reached through a socket in the file system, as the screen and the session bus are.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { firstLineOf, start, until } from './screen.mjs';

const LAB = resolve(import.meta.dirname, '../../../lab/lab');
const BRIDGE = join(import.meta.dirname, 'bridge.mjs');
/** A lab writes its origin's files and makes keys. */
const LAB_MS = 120_000;
const START_MS = 20_000;
/** Any port will do: each host has all of them for itself. */
const DRIVER_PORT = 4444;

/** Why there can be no lab here, or `null`. */
export function whyNoLab() {
  if (process.platform !== 'linux') return 'networks inside the machine need Linux';
  if (process.getuid() !== 0) return 'networks inside the machine need root';
  return null;
}

export class Lab {
  #servers = [];

  /** Builds a lab. @param options as of `lab up`: `{ hosts: 2, 'origin-per-ip': '20mbit' }` */
  static up(options) {
    const lab = new Lab();
    lab.run('up', ...Object.entries(options).map(([name, value]) => `--${name}=${value}`));
    return lab;
  }

  constructor() {
    this.parent = mkdtempSync(join(tmpdir(), 'lab-'));
    this.dir = join(this.parent, 'lab');
    this.env = { ...process.env, LAB_DIR: this.dir };
  }

  /** Runs a command of lab. @returns what it prints */
  run(...words) {
    const done = spawnSync(LAB, words, { env: this.env, encoding: 'utf8', timeout: LAB_MS });
    assert.equal(done.status, 0, `lab ${words.join(' ')}: ${done.stdout}${done.stderr}`);
    return done.stdout;
  }

  /** Starts a program on a host; it ends with the test. */
  on(host, words, ...stdio) {
    return start(LAB, ['exec', host, '--', ...words], this.env, ...stdio);
  }

  /** A folder of a host's own. */
  folder(host, name) {
    const path = join(this.dir, host, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /**
   * Starts a driver of web views on a host, whose programs see `env`.
   *
   * @returns its address
   */
  async driver(host, env) {
    const words = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    this.on(host, ['env', ...words, 'WebKitWebDriver', `--port=${DRIVER_PORT}`]);
    const socket = join(this.dir, host, 'driver');
    const bridge = [process.execPath, BRIDGE, socket, String(DRIVER_PORT)];
    await firstLineOf(this.on(host, bridge, 'pipe'));
    const server = createServer((near) => {
      const far = createConnection(socket);
      near.pipe(far).pipe(near);
      for (const end of [near, far]) end.on('error', () => [near, far].forEach((e) => e.destroy()));
    });
    this.#servers.push(server);
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    const address = `http://127.0.0.1:${server.address().port}`;
    await until(
      () =>
        fetch(`${address}/status`).then(
          (answer) => answer.ok,
          () => false,
        ),
      START_MS,
      `the driver on ${host}`,
    );
    return address;
  }

  /** Gives a file of the origin another name. @returns its SHA-256 */
  offer(file, name) {
    const folder = join(this.dir, 'origin/www/f');
    if (!existsSync(join(folder, name))) linkSync(join(folder, file), join(folder, name));
    const sums = readFileSync(join(folder, 'SHA256SUMS'), 'utf8').split('\n');
    return sums.find((line) => line.endsWith(`  ${file}`))?.split(' ')[0];
  }

  /** Bytes (of Ethernet frames) that a host has received from the origin. */
  received(host) {
    return JSON.parse(this.run('stats', '--json'))[host].wan_rx;
  }

  down() {
    for (const server of this.#servers) server.close();
    if (existsSync(this.dir)) this.run('down');
    rmSync(this.parent, { recursive: true, force: true });
  }
}
