/**
 * npm run bench: measures the release build against other programs, and fails below the figures that it shall reach.
 *
 * `npm run bench -- speed` or `-- campus ftp lines losses` measures only that; `--runs N` so many times each.
 */
import { built } from './lib/cargo.mjs';
import { main, must, run, say } from './lib/run.mjs';
import { BUILD_PACKAGES, checkLanguages, ensurePackages, TEST_PACKAGES } from './lib/system.mjs';

const SPEED = 'speed';

main(async () => {
  checkLanguages();
  await ensurePackages([...BUILD_PACKAGES, ...TEST_PACKAGES]);
  say('build manyhands-cli for release');
  await must('cargo', ['build', '--release', '--locked', '-p', 'manyhands-cli']);
  const wanted = process.argv.slice(2);
  const program = ['--bin', built('release', 'manyhands-cli')];
  const tables = wanted.filter((word) => word !== SPEED);
  let good = true;
  if (wanted.length === 0 || wanted.includes(SPEED)) {
    good = (await run('lab/speed', program, { maxMinutes: 30 })).code === 0;
  }
  if (wanted.length === 0 || tables.length > 0) {
    good = (await run('lab/bench', [...program, ...tables], { maxMinutes: 90 })).code === 0 && good;
  }
  return good ? 0 : 1;
});
