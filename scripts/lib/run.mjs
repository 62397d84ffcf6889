/** Runs other programs, in view of the user. */
import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { resolve } from 'node:path';

/** The top of the checkout. */
export const ROOT = resolve(import.meta.dirname, '../..');

/** What is kept of a program's output, for its summary: the end says how it went. */
const KEPT_BYTES = 256 * 1024;
/** How long a program that was asked to end may take. */
const GRACE_MS = 10_000;

/** Something that the user can mend; told without a stack. */
export class Trouble extends Error {}

/** The output of a short command, or `null` when it is not there or fails. */
export function ask(command, ...parameters) {
  const done = spawnSync(command, parameters, { cwd: ROOT, encoding: 'utf8', timeout: 60_000 });
  return done.status === 0 ? done.stdout.trim() : null;
}

/**
 * Runs a program to its end and shows what it prints.
 *
 * @param options `terminal`: it may ask the user for a password
 * @returns its exit code and the end of its output, both streams together
 */
export function run(
  command,
  parameters,
  { env = {}, maxMinutes = 60, quiet = false, terminal = false } = {},
) {
  return new Promise((done, failed) => {
    const child = spawn(command, parameters, {
      cwd: ROOT,
      env: { ...process.env, ...env },
      stdio: [terminal ? 'inherit' : 'ignore', 'pipe', 'pipe'],
      // A group of its own, so that what it started ends with it. It has no terminal then.
      detached: !terminal,
    });
    let output = '';
    const keep = (stream) => (bytes) => {
      if (!quiet) stream.write(bytes);
      output = (output + bytes).slice(-KEPT_BYTES);
    };
    child.stdout.on('data', keep(process.stdout));
    child.stderr.on('data', keep(process.stderr));
    const end = (signal) => {
      try {
        process.kill(terminal ? child.pid : -child.pid, signal);
      } catch {
        // It has ended already.
      }
    };
    let late = false;
    const limit = setTimeout(() => {
      late = true;
      end('SIGTERM');
      setTimeout(() => end('SIGKILL'), GRACE_MS).unref();
    }, maxMinutes * 60_000);
    const stop = (signal) => {
      end('SIGTERM');
      process.exit(128 + constants.signals[signal]);
    };
    process.once('SIGINT', stop).once('SIGTERM', stop);
    child.on('error', (error) => {
      clearTimeout(limit);
      failed(error.code === 'ENOENT' ? new Trouble(`${command} is not there.`) : error);
    });
    child.on('close', (code, signal) => {
      clearTimeout(limit);
      process.off('SIGINT', stop).off('SIGTERM', stop);
      if (late) output += `\n${command} was stopped after ${maxMinutes} minutes.\n`;
      done({ code: late || signal ? 1 : code, output });
    });
  });
}

/** Runs a program that has to succeed. */
export async function must(command, parameters, options) {
  const { code } = await run(command, parameters, options);
  if (code !== 0) throw new Trouble(`${command} ${parameters.join(' ')} failed (${code}).`);
}

/** Tells what happens now. */
export function say(text) {
  const bold = process.stdout.isTTY ? ['\x1b[1m', '\x1b[0m'] : ['', ''];
  console.log(`${bold[0]}▶ ${text}${bold[1]}`);
}

/** Runs the main part of a script; trouble is told in its own words. */
export function main(script) {
  script().then(
    (code) => process.exit(code ?? 0),
    (error) => {
      console.error(error instanceof Trouble ? `\n${error.message}` : error);
      process.exit(1);
    },
  );
}
