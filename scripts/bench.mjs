/**
 * npm run bench: measures the release build against other programs, and fails below the figures that it shall reach.
 *
 * `npm run bench -- speed`, `-- load` or `-- campus ftp routed lines losses` measures only that; `--runs N` so many times each.
 */
import { dirname } from 'node:path';
import { built } from './lib/cargo.mjs';
import { main, must, run, say } from './lib/run.mjs';
import { BUILD_PACKAGES, checkLanguages, ensurePackages, TEST_PACKAGES } from './lib/system.mjs';

const SPEED = 'speed';
const LOAD = 'load';
/** The server that the rendezvous server is measured beside. */
const BENCH_PACKAGES = ['syncthing-discosrv'];
const RENDEZVOUS = ['-p', 'manyhands-rendezvous', '-p', 'manyhands-rendezvous-load'];

main(async () => {
  checkLanguages();
  await ensurePackages([...BUILD_PACKAGES, ...TEST_PACKAGES, ...BENCH_PACKAGES]);
  say('build manyhands-cli and the rendezvous server for release');
  await must('cargo', ['build', '--release', '--locked', '-p', 'manyhands-cli', ...RENDEZVOUS]);
  const wanted = process.argv.slice(2);
  const program = ['--bin', built('release', 'manyhands-cli')];
  const tables = wanted.filter((word) => word !== SPEED && word !== LOAD);
  let good = true;
  if (wanted.length === 0 || wanted.includes(SPEED)) {
    good = (await run('lab/speed', program, { maxMinutes: 30 })).code === 0;
  }
  if (wanted.length === 0 || wanted.includes(LOAD)) {
    const folder = ['--bin', dirname(built('release', 'manyhands-rendezvous'))];
    good = (await run('lab/load', folder, { maxMinutes: 30 })).code === 0 && good;
  }
  if (wanted.length === 0 || tables.length > 0) {
    good = (await run('lab/bench', [...program, ...tables], { maxMinutes: 90 })).code === 0 && good;
  }
  return good ? 0 : 1;
});
