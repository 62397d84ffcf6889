/** Downloads in the window: added by hand, watched, paused, found again after a restart. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, afterEach, beforeEach, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { App, processOf } from './lib/app.mjs';
import { digestOf, serve } from './lib/origin.mjs';
import { start, stopAll, tool, until } from './lib/screen.mjs';

const MIB = 1024 * 1024;
/** A download that a test waits for to its end. */
const FINISH_MS = 60_000;

/** A part of the window where the details are when something is selected. */
const BELOW = '800x300+240+400';

let profile;
let folder;
let app;

beforeEach(async () => {
  const base = mkdtempSync(join(tmpdir(), 'window-'));
  [profile, folder] = [join(base, 'profile'), join(base, 'files')];
  mkdirSync(folder);
  app = await App.open(profile);
});

afterEach(async (context) => {
  await app?.picture(`last/${context.name}`).catch(() => {});
  await app?.quit();
  rmSync(join(profile, '..'), { recursive: true, force: true });
});

after(stopAll);

/** The name of a process, as the system cuts it; empty when it has ended. */
function nameOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8');
  } catch {
    return '';
  }
}

/** The processes below one. */
function childrenOf(pid) {
  try {
    const below = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
    return below.filter(Boolean).flatMap((child) => [Number(child), ...childrenOf(child)]);
  } catch {
    return [];
  }
}

const sha256 = (path) => createHash('sha256').update(readFileSync(path)).digest('hex');

test('a link that is typed is downloaded, and its progress is seen', async () => {
  await app.sees('[data-testid=empty]');
  await app.picture('empty');
  const options = { bytes: 24 * MIB, seed: 7 };
  const expected = await digestOf(await serve('film.mp4', options));
  const link = await serve('film.mp4', { ...options, 'rate-total': 8 * MIB });

  await app.click('[data-testid=add-url]');
  await app.type('#links', link);
  await app.type('#dir', folder);
  await app.picture('add');
  await app.click('[data-testid=add-submit]');
  await app.gone('[data-testid=add-form]');

  await app.rowIs('film.mp4', 'downloading');
  const first = await until(() => app.percent('film.mp4'), FINISH_MS, 'a first percent');
  const later = await until(
    async () => {
      const percent = await app.percent('film.mp4');
      return percent !== null && percent > first ? percent : null;
    },
    FINISH_MS,
    'more percents',
  );
  assert.ok(first < later && later <= 100, `${first} then ${later}`);
  // What was added is selected: its pieces, its sources and the graph are on the page.
  await app.sees('[data-testid=piece-map]');
  await app.sees('[data-testid=graph]');
  await app.picture('downloading');

  await app.rowIs('film.mp4', 'completed', FINISH_MS);
  assert.match(await app.text('[data-testid=row]'), /Done/);
  await app.picture('done');
  assert.equal(sha256(join(folder, 'film.mp4')), expected);
});

test('a file that the server does not have is told with what can be done', async () => {
  const link = await serve('gone.iso', { script: Array(50).fill(404) });
  await app.add(link, { dir: folder });
  await app.rowIs('gone.iso', 'failed');
  assert.match(await app.text('[data-testid=message]'), /404/);
  assert.match(await app.text('[data-testid=hint]'), /Check the link/);
  await app.picture('failed');
  assert.equal(existsSync(join(folder, 'gone.iso')), false);
});

test('the row that was chosen stays in sight when its details open', async () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((letter) => `${letter}.bin`);
  for (const name of names) {
    await app.add(await serve(name, { bytes: 1000 }), { dir: folder });
    // Also where it is the last of many.
    await app.rowIs(name, 'completed', FINISH_MS);
  }
  await app.click('[data-testid=details-close]');
  /** Waits until the last row can be seen as a whole, in a list that is so high or less. */
  const lastIsSeen = (mostPx) =>
    until(
      () =>
        app.driver.executeScript(
          `const box = (selector) => document.querySelector(selector)?.getBoundingClientRect();
          const [list, row] = [box('[data-testid=list]'), box('[data-name="h.bin"]')];
          const [moving] = document.getAnimations();
          return !moving && list.height <= arguments[0] && row?.bottom <= list.bottom && row.top >= list.top;`,
          mostPx,
        ),
      FINISH_MS,
      'the last row to be in sight',
    );
  await app.gone('[data-testid=details]');
  await lastIsSeen(1000);
  await until(
    async () => {
      // The driver clicks where the row was before the list became higher.
      await app.click('[data-testid=row][data-name="h.bin"]').catch(() => {});
      return (await app.texts('[data-testid=piece-map]')).length > 0;
    },
    FINISH_MS,
    'the details of the last row',
  );
  await lastIsSeen(400);
});

test('a page whose process is killed is loaded again; its downloads go on', async () => {
  await app.add(await serve('big.iso', { bytes: 64 * MIB, rate: MIB / 4 }), { dir: folder });
  await app.rowIs('big.iso', 'downloading');
  const program = processOf(profile);
  const isPage = (pid) => nameOf(pid).startsWith('WebKitWebProces');
  const page = childrenOf(program).find(isPage);
  assert.ok(page, 'the page has a process');
  await until(() => app.contrast(BELOW) > 0.02, FINISH_MS, 'the details to be seen');
  process.kill(page, 'SIGKILL');
  // The driver's session has ended with the page: from here on a person would look. The page begins with nothing selected, so
  // that below its one row it is empty.
  await until(
    () => app.contrast() > 0.02 && app.contrast(BELOW) === 0,
    FINISH_MS,
    'the page to be seen from its beginning',
  );
  app.photo('page-again');
  assert.equal(processOf(profile), program);
});

test('a link that makes no sense is told in place, and stays to be mended', async () => {
  await app.add('nonsense');
  const problem = await (await app.sees('#add-problem')).getText();
  assert.match(problem, /nonsense/);
  await app.type('#links', 'https://example.org/x');
  await app.type('#dir', '/proc/nowhere');
  await app.click('.disclose');
  await app.type('#sha256', 'abc');
  await app.click('[data-testid=add-submit]');
  assert.match(await (await app.sees('[data-testid=add-refused]')).getText(), /SHA-256/);
  await app.picture('refused');
  assert.equal(await (await app.sees('#links')).getAttribute('value'), 'https://example.org/x');
});

test('a download is paused, goes on, and keeps what it had', async () => {
  const options = { bytes: 16 * MIB, seed: 3 };
  const expected = await digestOf(await serve('data.zip', options));
  await app.add(await serve('data.zip', { ...options, 'rate-total': 3 * MIB }), { dir: folder });
  await until(async () => ((await app.percent('data.zip')) ?? 0) >= 10, FINISH_MS, '10 percent');
  await app.click('[data-testid=action-pause]');
  await app.rowIs('data.zip', 'paused');
  const kept = await app.percent('data.zip');
  assert.ok(kept >= 10, `${kept} % are kept`);
  await app.picture('paused');
  await app.click('[data-testid=action-resume]');
  await app.rowIs('data.zip', 'downloading');
  assert.ok((await app.percent('data.zip')) >= kept);
  await app.rowIs('data.zip', 'completed', FINISH_MS);
  assert.equal(sha256(join(folder, 'data.zip')), expected);
});

test('all downloads are paused and go on at once', async () => {
  for (const name of ['a.bin', 'b.bin']) {
    await app.add(await serve(name, { bytes: 64 * MIB, rate: MIB / 8 }), { dir: folder });
    await app.rowIs(name, 'downloading');
  }
  await app.click('[data-testid=pause-all]');
  await app.rowIs('a.bin', 'paused');
  await app.rowIs('b.bin', 'paused');
  await app.gone('[data-testid=pause-all]');
  await app.click('[data-testid=resume-all]');
  await app.rowIs('a.bin', 'downloading');
  await app.rowIs('b.bin', 'downloading');
});

test('the list is there again when the program is started again, and goes on', async () => {
  const options = { bytes: 16 * MIB, seed: 5 };
  const expected = await digestOf(await serve('thesis.pdf', options));
  await app.add(await serve('thesis.pdf', { ...options, 'rate-total': 2 * MIB }), { dir: folder });
  await until(async () => ((await app.percent('thesis.pdf')) ?? 0) >= 20, FINISH_MS, '20 percent');
  await app.close();
  app = await App.open(profile);
  await app.rowIs('thesis.pdf', 'downloading');
  const percent = await until(() => app.percent('thesis.pdf'));
  assert.ok(percent >= 20, `${percent} % are there again`);
  await app.rowIs('thesis.pdf', 'completed', FINISH_MS);
  assert.equal(sha256(join(folder, 'thesis.pdf')), expected);
});

test('closing the window where there is no tray asks before a download stops', async () => {
  await app.add(await serve('big.iso', { bytes: 64 * MIB, rate: MIB / 4 }), { dir: folder });
  await app.rowIs('big.iso', 'downloading');
  app.keys('alt+F4');
  await app.sees('[data-testid=quit-dialog]');
  await app.picture('quit');
  await app.click('[data-testid=quit-cancel]');
  await app.gone('[data-testid=quit-dialog]');
  await app.rowIs('big.iso', 'downloading');
  app.keys('alt+F4');
  const confirm = await app.sees('[data-testid=quit-confirm]');
  // The program may end before the driver has heard that it clicked.
  await confirm.click().catch(() => {});
  await until(() => processOf(profile) === null, FINISH_MS, 'the program to end');
  await app.quit();
  app = await App.open(profile);
  await app.rowIs('big.iso', 'downloading');
});

test('removing an unfinished download asks first, and takes its bytes away', async () => {
  await app.add(await serve('half.iso', { bytes: 64 * MIB, rate: MIB / 4 }), { dir: folder });
  await until(async () => ((await app.percent('half.iso')) ?? 0) >= 1, FINISH_MS, '1 percent');
  await app.click('[data-testid=row]');
  app.keys('Delete');
  await app.sees('[data-testid=remove-confirm]');
  await app.picture('remove');
  await app.click('[data-testid=remove-confirm]');
  await app.sees('[data-testid=empty]');
  await until(
    () => spawnSync('ls', ['-A', folder], { encoding: 'utf8' }).stdout === '',
    FINISH_MS,
    'an empty folder',
  );
});

test('a finished file is shown in its folder', async () => {
  await app.add(await serve('notes & more.txt', { bytes: 1000 }), { dir: folder });
  await app.rowIs('notes & more.txt', 'completed');
  const monitor = start(
    'dbus-monitor',
    ['interface=org.freedesktop.FileManager1'],
    process.env,
    'pipe',
  );
  let heard = '';
  monitor.stdout.on('data', (bytes) => (heard += bytes));
  await until(() => heard.includes('NameAcquired'), FINISH_MS, 'the monitor to listen');
  await app.click('[data-testid=action-open_folder]');
  await until(() => heard.includes('member=ShowItems'), FINISH_MS, 'a file manager to be asked');
  await until(() => heard.includes(pathToFileURL(join(folder, 'notes & more.txt')).href));
});

test('a second start shows the window that is there', async () => {
  const second = spawnSync(process.env.MANYHANDS_BIN, ['--data-dir', profile], {
    encoding: 'utf8',
    timeout: FINISH_MS,
  });
  assert.equal(second.status, 0);
  assert.match(second.stderr, /running already/);
});

test('a second start with an invite asks whether to join', async () => {
  const invite = `manyhands://join?${new URLSearchParams({
    v: '1',
    s: 'https://rendezvous.example.org:8470',
    id: `${'manyhands2'.repeat(5)}xa`,
    k: 'AAECAwQFBgcICQoLDA0ODw',
    n: 'Dorm 7 – 北楼',
  })}`;
  const second = spawnSync(process.env.MANYHANDS_BIN, ['--data-dir', profile, invite], {
    encoding: 'utf8',
    timeout: FINISH_MS,
  });
  assert.equal(second.status, 0, second.stderr);
  const said = await app.text('[data-testid=join-facts]');
  assert.ok(said.includes('Dorm 7 – 北楼') && said.includes('rendezvous.example.org:8470'), said);
  await app.picture('join');
  app.keys('Escape');
  await app.gone('dialog');
  await app.click('[data-testid=go-friends]');
  await app.driver.executeScript(`document.querySelector('input[value=groups]').click();`);
  await app.sees('[data-testid=nobody]');
});

test('a profile that the command line works on is told, on the screen too', async () => {
  const link = await serve('slow.bin', { bytes: 64 * MIB, rate: MIB / 8 });
  const other = join(profile, '../other');
  const cli = join(dirname(process.env.MANYHANDS_BIN), 'manyhands-cli');
  start(cli, ['--data-dir', other, 'get', link, '--dir', folder, '--json'], process.env, 'ignore');
  await until(() => existsSync(join(other, 'control.sock')), FINISH_MS, 'the command line to work');

  const second = start(process.env.MANYHANDS_BIN, ['--data-dir', other], process.env);
  const dialog = () =>
    tool(
      process.env,
      'xdotool',
      'search',
      '--pid',
      String(second.pid),
      '--onlyvisible',
      '--name',
      '',
    );
  await until(() => dialog().trim() !== '', FINISH_MS, 'a dialog to be seen');
  await until(
    () => {
      app.keys('Return');
      return second.exitCode !== null;
    },
    FINISH_MS,
    'the program to end',
  );
  assert.equal(second.exitCode, 1);
});
