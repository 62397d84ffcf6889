/** What goes wrong is told in the window, in its language: what happened, and what can be done. Nothing is lost by it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { App } from './lib/app.mjs';
import { asSeenBy, withDisks } from './lib/disks.mjs';
import { ENGLISH, isTranslated } from './lib/looks.mjs';
import { digestOf, serve } from './lib/origin.mjs';
import { stopAll, tool, until } from './lib/screen.mjs';

const MIB = 1024 * 1024;
/** An answer of the system's resolver may take its time. */
const FAIL_MS = 60_000;
const FINISH_MS = 60_000;
const SMALL_DISK_BYTES = 8 * MIB;

const CJK = /[\u4e00-\u9fff]/;
/** What is expected of every text in a language. What a system or a server said itself is quoted in its own words. */
const LANGUAGES = {
  en: (text) => assert.match(text, /^[^\u4e00-\u9fff]*[A-Za-z]{2}[^\u4e00-\u9fff]*$/u),
  'zh-CN': (text) => {
    assert.match(text, CJK);
    assert.doesNotMatch(text.replace(/“[^”]*”/g, ''), new RegExp(ENGLISH));
  },
};

after(stopAll);

for (const [language, isIn] of Object.entries(LANGUAGES)) {
  describe(`in ${language}`, () => {
    let base;
    let folder;
    let small;
    let readOnly;
    let profile;
    let app;

    before(async () => {
      base = mkdtempSync(join(tmpdir(), 'errors-'));
      [folder, small, readOnly, profile] = ['files', 'small', 'read-only', 'profile'].map((name) =>
        join(base, name),
      );
      mkdirSync(folder);
      const program = withDisks(base, { small, readOnly, smallBytes: SMALL_DISK_BYTES });
      app = await App.open(profile, { program });
      await app.choose(language);
    });

    after(async () => {
      await app?.quit();
      rmSync(base, { recursive: true, force: true });
    });

    const picture = (name) => app.picture(`errors/${name}-${language}`);

    /** The download failed, and its row says so in the window's language. @returns the title */
    async function isTold(name) {
      await app.rowIs(name, 'failed', FAIL_MS);
      const row = `[data-testid=row][data-name="${name}"]`;
      const title = await app.text(`${row} [data-testid=message]`);
      const hint = await app.text(`${row} [data-testid=hint]`);
      isIn(title);
      isIn(hint);
      assert.notEqual(title, hint);
      await app.click(row);
      await whole(name);
      await picture(name.split('.')[0]);
      await app.click('#tab-log');
      isIn(await app.text('[data-testid=log] li span'));
      await whole(`the log of ${name}`);
      await app.click('[data-testid=details-close]');
      return title;
    }

    /** All of the page is in its language. */
    const whole = (where) => (language === 'en' ? undefined : isTranslated(app, where));

    /** What was typed in the dialog is refused there, and stays to be mended. */
    async function isRefused(typed) {
      const problem = await (await app.sees('#add-problem p')).getText();
      isIn(problem.replace(typed, ''));
      assert.equal(await (await app.sees('#links')).getAttribute('value'), typed);
      await whole(typed);
      return problem;
    }

    async function closeDialog() {
      await app.empty('#links');
      app.keys('Escape');
      await app.gone('dialog');
    }

    test('a text that is no link', async () => {
      await app.add('nonsense', { dir: folder });
      const problem = await isRefused('nonsense');
      assert.match(problem, /nonsense/);
      await picture('nonsense');
      await closeDialog();
    });

    test('a kind of link that cannot be downloaded, and which can be', async () => {
      const link = 'gopher://example.org/file.iso';
      await app.add(link, { dir: folder });
      const problem = await isRefused(link);
      assert.match(problem, /gopher:/);
      assert.match(problem, /http:.*https:.*ftp:/);
      await picture('unknown-scheme');
      await closeDialog();
    });

    test('a file that the server does not have', async () => {
      await app.add(await serve('missing.iso', { script: Array(50).fill(404) }), { dir: folder });
      assert.match(await isTold('missing.iso'), /127\.0\.0\.1:\d+.*404/);
    });

    test('a server that nobody knows', async () => {
      // RFC 6761: no resolver ever knows a name under .invalid.
      await app.add('http://host.invalid/nowhere.iso', { dir: folder });
      assert.match(await isTold('nowhere.iso'), /host\.invalid/);
    });

    test('a folder that cannot be written to', async () => {
      await app.add(await serve('unwritable.iso', { bytes: MIB }), { dir: readOnly });
      assert.match(await isTold('unwritable.iso'), /read-only\/unwritable\.iso/);
    });

    test('a file that is larger than the disk, before its first byte', async () => {
      await app.add(await serve('too-large.iso', { bytes: 2 * SMALL_DISK_BYTES }), { dir: small });
      assert.match(await isTold('too-large.iso'), /16\.8 MB/);
      assert.deepEqual(readdirSync(asSeenBy(profile, small)), []);
    });

    test('a disk that gets full on the way; what has come is kept, and goes on when there is room', async () => {
      const options = { bytes: 6 * MIB, seed: 9 };
      const expected = await digestOf(await serve('full.iso', options));
      await app.add(await serve('full.iso', { ...options, 'rate-total': MIB }), { dir: small });
      await until(async () => ((await app.percent('full.iso')) ?? 0) >= 20, FINISH_MS, '20 %');
      const disk = asSeenBy(profile, small);
      const ballast = join(disk, 'ballast');
      fill(ballast);
      await isTold('full.iso');
      assert.deepEqual(readdirSync(disk).sort(), ['ballast', 'full.iso.part']);

      rmSync(ballast);
      await app.click('[data-name="full.iso"] [data-testid=action-resume]');
      const percent = await until(() => app.percent('full.iso'), FINISH_MS, 'a percent');
      assert.ok(percent >= 20, `${percent} % are kept`);
      await app.rowIs('full.iso', 'completed', FINISH_MS);
      assert.equal(sha256(join(disk, 'full.iso')), expected);
    });

    test('a file that is not the expected one is kept, under another name', async () => {
      const options = { bytes: 2 * MIB, seed: 4 };
      const served = await digestOf(await serve('other.iso', options));
      const wanted = 'ab'.repeat(32);
      await app.add(await serve('other.iso', options), { dir: folder, sha256: wanted });
      await isTold('other.iso');
      assert.equal(existsSync(join(folder, 'other.iso')), false);
      assert.equal(sha256(join(folder, 'other.iso.mismatch')), served);
    });

    test('a second start brings the window up again, and ends well', async () => {
      tool(process.env, 'xdotool', 'windowminimize', app.window);
      await until(() => !app.isShown(), FINISH_MS, 'the window to be gone');
      const second = spawnSync(process.env.MANYHANDS_BIN, ['--data-dir', profile], {
        encoding: 'utf8',
        timeout: FAIL_MS,
      });
      assert.equal(second.status, 0, second.stderr);
      assert.match(second.stderr, /running already/);
      await until(() => app.isShown() && app.isInFront(), FINISH_MS, 'the window to be in front');
    });

    test('nothing was lost by any of it: the list is whole, here and after a new start', async () => {
      const failed = ['missing', 'nowhere', 'unwritable', 'too-large', 'other'];
      const isWhole = async () => {
        await app.rowIs('full.iso', 'completed');
        for (const name of failed) await app.rowIs(`${name}.iso`, 'failed');
      };
      await isWhole();
      await picture('all');
      await app.close();
      app = await App.open(profile);
      await isWhole();
      isIn(await app.text('[data-testid=add-url]'));
    });
  });
}

const sha256 = (path) => createHash('sha256').update(readFileSync(path)).digest('hex');

/** Takes all room that is left on a disk. */
function fill(path) {
  const file = openSync(path, 'w');
  const block = Buffer.alloc(4096);
  try {
    for (;;) writeSync(file, block);
  } catch (error) {
    assert.equal(error.code, 'ENOSPC');
  } finally {
    closeSync(file);
  }
}
