/**
 * npm start: installs what is missing, builds, and opens the window.
 *
 * `npm start -- --data-dir DIR` and other parameters go to the program.
 */
import { spawn } from 'node:child_process';
import { built } from './lib/cargo.mjs';
import { buildUi, ensureNodeModules } from './lib/npm.mjs';
import { main, must, say } from './lib/run.mjs';
import { BUILD_PACKAGES, checkLanguages, ensurePackages } from './lib/system.mjs';

main(async () => {
  checkLanguages();
  await ensurePackages(BUILD_PACKAGES);
  await ensureNodeModules();
  await buildUi();
  say('build Manyhands (the first time takes about ten minutes)');
  await must('cargo', ['build', '--release', '--locked', '-p', 'manyhands', '-p', 'manyhands-cli']);
  say('open the window');
  return open(built('release', 'manyhands'), process.argv.slice(2));
});

/** Runs the program on this terminal until it ends. */
function open(program, parameters) {
  return new Promise((done, failed) => {
    const child = spawn(program, parameters, { stdio: 'inherit' });
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
    child.on('error', failed);
    child.on('close', (code) => done(code ?? 1));
  });
}
