/** A program that is killed in mid-download has lost next to nothing when it is started again. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { App } from './lib/app.mjs';
import { digestOf, serve, startOrigin } from './lib/origin.mjs';
import { stopAll, until } from './lib/screen.mjs';

const MIB = 1024 * 1024;
const FILE_BYTES = 96 * MIB;
const PERCENT_BYTES = FILE_BYTES / 100;
/** What may be fetched again, at most. */
const MAX_LOST_BYTES = 16 * MIB;
const FINISH_MS = 90_000;

const base = mkdtempSync(join(tmpdir(), 'kill-'));
let app;

after(async () => {
  await app?.quit();
  stopAll();
  rmSync(base, { recursive: true, force: true });
});

test('a program that is killed goes on where it was, and finishes the file that the server has', async () => {
  const [profile, folder] = [join(base, 'profile'), join(base, 'files')];
  mkdirSync(folder);
  const options = { bytes: FILE_BYTES, seed: 11 };
  const expected = await digestOf(await serve('big.iso', options));
  const origin = await startOrigin('big.iso', { ...options, 'rate-total': 8 * MIB });

  app = await App.open(profile);
  await app.add(origin.link, { dir: folder });
  await until(
    async () => ((await app.percent('big.iso')) ?? 0) >= 40,
    FINISH_MS,
    '40 percent to be shown',
  );
  await app.picture('kill-before');
  const shown = await app.percent('big.iso');
  await app.kill();
  assert.deepEqual(readdirSync(folder), ['big.iso.part']);

  // The server stands still, so that what is seen next is what was kept and nothing that has come since.
  origin.process.kill('SIGSTOP');
  app = await App.open(profile);
  const kept = await until(() => app.percent('big.iso'), FINISH_MS, 'what was kept to be shown');
  await app.picture('kill-after');
  // A percent that is shown is rounded down: the lower one may hide almost one more.
  assert.ok(
    (kept + 1) * PERCENT_BYTES >= shown * PERCENT_BYTES - MAX_LOST_BYTES,
    `${kept} % were kept of ${shown} %`,
  );
  assert.ok(kept >= 20, `${kept} % were kept`);

  origin.process.kill('SIGCONT');
  await app.rowIs('big.iso', 'downloading');
  await until(async () => (await app.percent('big.iso')) > kept, FINISH_MS, 'more to come');
  await app.rowIs('big.iso', 'completed', FINISH_MS);
  await app.picture('kill-done');
  assert.deepEqual(readdirSync(folder), ['big.iso']);
  const found = createHash('sha256')
    .update(readFileSync(join(folder, 'big.iso')))
    .digest('hex');
  assert.equal(found, expected);
});
