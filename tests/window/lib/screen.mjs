/** A screen without a monitor, with a window manager and a session bus, and the driver of web views on it. */
import { spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:net';

const START_MS = 20_000;
/** Two windows side by side. */
const SIZE = '2360x860x24';

/** Programs that were started here, the newest last. */
const running = [];

/**
 * Starts the screen.
 *
 * @returns the environment of programs that are to be shown on it
 */
export async function startScreen() {
  // Without -noreset the server begins anew when its first short-lived client goes, and refuses the next one meanwhile.
  const display = await firstLine('Xvfb', [
    '-displayfd',
    '1',
    '-screen',
    '0',
    SIZE,
    '-noreset',
    '-nolisten',
    'tcp',
  ]);
  const env = { ...process.env, DISPLAY: `:${display}`, GDK_BACKEND: 'x11', NO_AT_BRIDGE: '1' };
  // Language and looks are those of the test, not of whoever runs it.
  Object.assign(env, { LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8', GTK_THEME: 'Adwaita' });
  delete env.WAYLAND_DISPLAY;
  env.DBUS_SESSION_BUS_ADDRESS = await firstLine(
    'dbus-daemon',
    ['--session', '--nofork', '--print-address=1'],
    env,
  );
  start('openbox', ['--sm-disable'], env);
  await until(() => tool(env, 'xprop', '-root', '_NET_SUPPORTING_WM_CHECK').includes('window id'));
  return env;
}

/** Starts WebKitWebDriver on the screen. @returns its address */
export async function startDriver(env) {
  const port = await freePort();
  start('WebKitWebDriver', [`--port=${port}`], { ...env, TAURI_WEBVIEW_AUTOMATION: 'true' });
  const address = `http://127.0.0.1:${port}`;
  await until(() =>
    fetch(`${address}/status`).then(
      (answer) => answer.ok,
      () => false,
    ),
  );
  return address;
}

/** Runs a short program on the screen. @returns what it prints */
export function tool(env, command, ...parameters) {
  return spawnSync(command, parameters, { env, encoding: 'utf8', timeout: START_MS }).stdout ?? '';
}

/** Starts a program and waits for the first line that it prints. */
export function firstLine(command, parameters, env = process.env) {
  return firstLineOf(start(command, parameters, env, 'pipe'));
}

/** The first line that a program prints; its standard output is a pipe. */
export async function firstLineOf(child) {
  let text = '';
  child.stdout.on('data', (bytes) => (text += bytes));
  const command = child.spawnfile;
  await until(() => text.includes('\n') || (child.exitCode !== null && fail(`${command} ended`)));
  return text.split('\n')[0].trim();
}

function fail(why) {
  throw new Error(why);
}

/** Starts a program that runs until `stopAll`. */
export function start(
  command,
  parameters,
  env,
  stdout = 'inherit',
  stderr = 'inherit',
  stdin = 'ignore',
) {
  const child = spawn(command, parameters, { env, stdio: [stdin, stdout, stderr] });
  child.on('error', (error) => console.error(`${command}: ${error.message}`));
  running.push(child);
  return child;
}

export function stopAll() {
  for (const child of running.reverse()) child.kill();
  running.length = 0;
}

/** Waits until something holds. Looks again and again: what is waited for is outside of this process. */
export async function until(holds, maxMs = START_MS, what = String(holds)) {
  const end = performance.now() + maxMs;
  for (;;) {
    const value = await holds();
    if (value) return value;
    if (performance.now() > end) throw new Error(`not within ${maxMs} ms: ${what}`);
    await new Promise((again) => setTimeout(again, 50));
  }
}

export function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}
