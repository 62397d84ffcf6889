/**
 * Runs the window tests on a screen of their own and prints `N passed, N failed, N skipped`.
 *
 * MANYHANDS_BIN: the program, built with its page. MANYHANDS_SHOTS: a folder for pictures, when they are wanted.
 * `run.mjs drag kill` runs the files whose names hold one of the words.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDriver, startScreen, stopAll } from './lib/screen.mjs';

/** Nothing but a hang takes so long. */
const HANGS_MS = 300_000;
const LAB = join(import.meta.dirname, '../../lab/lab');
const scratch = mkdtempSync(join(tmpdir(), 'manyhands-window-'));
const tap = join(scratch, 'tap');
/** What the driver says when the process of a page has ended under it. */
const PAGE_LOST = 'session deleted because of page crash';
if (!process.env.MANYHANDS_BIN) throw new Error('MANYHANDS_BIN names the program to test');

/** Whoever started this wants it to end. */
let stopped = false;
let counts = { passed: 0, failed: 0, skipped: 0 };
try {
  const env = await startScreen();
  const driver = await startDriver(env);
  const words = process.argv.slice(2);
  const tests = readdirSync(import.meta.dirname).filter(
    (name) =>
      name.endsWith('.test.mjs') &&
      (words.length === 0 || words.some((word) => name.includes(word))),
  );
  for (const name of tests) {
    if (stopped) break;
    let found = await runFile(name, { ...env, MANYHANDS_DRIVER: driver, TMPDIR: scratch });
    if (found.failed > 0 && !stopped && found.text.includes(PAGE_LOST)) {
      // Mesa's software renderer (22.3) falls over now and then in the web engine's compositor thread, a segmentation fault in
      // swrast_dri.so. People get their page back; the driver's session is over, and the story of the tests with it.
      console.log(`${name}: the web engine has lost a page; once more from the beginning`);
      takeLabsDown();
      found = await runFile(name, { ...env, MANYHANDS_DRIVER: driver, TMPDIR: scratch });
    }
    for (const word of Object.keys(counts)) counts[word] += found[word];
  }
} catch (error) {
  counts.failed += 1;
  console.error(error);
} finally {
  stopAll();
  takeLabsDown();
  rmSync(scratch, { recursive: true, force: true });
}
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = counts.failed > 0 || counts.passed === 0 ? 1 : 0;

/** Networks that a test which failed, or was ended, has left: nobody finds them once their folder is gone. */
function takeLabsDown() {
  for (const folder of readdirSync(scratch, { recursive: true })) {
    if (!/(^|\/)lab-[^/]+\/lab$/.test(folder)) continue;
    const env = { ...process.env, LAB_DIR: join(scratch, folder) };
    spawnSync(LAB, ['down'], { env, stdio: 'inherit' });
  }
}

/** Runs the tests of one file. */
async function runFile(name, env) {
  rmSync(tap, { force: true });
  await run(
    'node',
    [
      '--test',
      '--test-concurrency=1',
      `--test-timeout=${HANGS_MS}`,
      '--test-reporter=spec',
      '--test-reporter-destination=stdout',
      '--test-reporter=tap',
      `--test-reporter-destination=${tap}`,
      join(import.meta.dirname, name),
    ],
    env,
  );
  const text = existsSync(tap) ? readFileSync(tap, 'utf8') : '';
  const of = (word) => Number(new RegExp(`^# ${word} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  const [passed, failed] = [of('pass'), of('fail') + of('cancelled')];
  const nothing = passed + failed === 0 && of('skipped') === 0;
  return { passed, failed: nothing ? 1 : failed, skipped: of('skipped') + of('todo'), text };
}

function run(command, parameters, env) {
  return new Promise((done, failed) => {
    // A group of its own: what a test that hangs has started keeps the runner waiting, and would be in the way of the next.
    const options = { env, stdio: ['ignore', 'inherit', 'inherit'], detached: true };
    const child = spawn(command, parameters, options);
    const end = setTimeout(() => process.kill(-child.pid, 'SIGKILL'), 2 * HANGS_MS);
    const stop = () => {
      stopped = true;
      process.kill(-child.pid, 'SIGKILL');
    };
    const signals = ['SIGINT', 'SIGTERM'];
    for (const signal of signals) process.on(signal, stop);
    child.on('error', failed).on('close', () => {
      clearTimeout(end);
      for (const signal of signals) process.off(signal, stop);
      done();
    });
  });
}
