/**
 * Two people, each with a computer and a window of their own, fetch a file together.
 *
 * Lin and Mo are on hosts of a lab, in one network with a server that gives each address 20 Mbit/s. Each has a session bus
 * with notifications and a tray. The tests are one story: each goes on where the one before it ended.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { By } from 'selenium-webdriver';
import { App, processOf } from './lib/app.mjs';
import { Desk } from './lib/desk.mjs';
import { Lab, whyNoLab } from './lib/lab.mjs';
import { stopAll, until } from './lib/screen.mjs';

const MIB = 1024 * 1024;
const FILE_BYTES = 48 * MIB;
const SLOW = '20mbit';
/** For what is only to be finished. */
const FAST = '400mbit';
/** Payload a second at 20 Mbit/s, of what Ethernet frames carry. */
const SLOW_BYTES_PER_S = (20e6 / 8) * (1448 / 1514);
/** Others are found, and answer, in seconds. */
const MEET_MS = 60_000;
const FINISH_MS = 120_000;

const CJK = /[\u4e00-\u9fff]/;

const missing = whyNoLab();
// Where nothing may be missing, a skip is a failure.
const options = missing && process.env.CI !== 'true' ? { skip: missing } : {};

let lab;
let lin;
let mo;
let desks;

before(async () => {
  if (options.skip) return;
  assert.equal(missing, null, missing ?? '');
  lab = Lab.up({ hosts: 4, lan: '1gbit', 'origin-per-ip': SLOW, files: '48M,192M' });
  desks = {
    lin: await Desk.open(join(lab.parent, 'bus-lin')),
    mo: await Desk.open(join(lab.parent, 'bus-mo')),
  };
  lin = await open('h1', 'Lin', desks.lin);
  lin.moveTo(10, 40);
  mo = await open('h2', 'Mo', desks.mo);
  mo.moveTo(1180, 40);
});

afterEach(async (context) => {
  await lin?.picture(`last/${context.name}, Lin`).catch(() => {});
  await mo?.picture(`last/${context.name}, Mo`).catch(() => {});
});

after(async () => {
  try {
    for (const app of [lin, mo]) await app?.quit();
  } finally {
    try {
      lab?.down();
    } finally {
      stopAll();
    }
  }
});

/** Starts the program on a host that has a person's name. */
async function open(host, name, desk) {
  lab.run('exec', host, '--', 'hostname', name);
  const server = await lab.driver(host, {
    DBUS_SESSION_BUS_ADDRESS: desk.bus,
    TAURI_WEBVIEW_AUTOMATION: 'true',
  });
  const app = await App.open(lab.folder(host, 'profile'), { server });
  app.host = host;
  return app;
}

/** A picture in which neither the pointer nor the keyboard is at anything. */
async function picture(app, name) {
  await app.driver.executeScript('document.activeElement?.blur();');
  // The driver moves nothing where it believes the pointer to be.
  await app.driver.actions().move({ x: 710, y: 20 }).move({ x: 720, y: 27 }).perform();
  await until(
    () =>
      app.driver.executeScript(`
        const moving = document.getAnimations().map(({ effect }) => effect.target);
        return !document.querySelector('button:hover') && !moving.some((part) => part.closest('button'));`),
    MEET_MS,
    'the buttons to be at rest',
  );
  await app.picture(name);
}

/** Lin begins a download of a file that the server has under `name`. @returns its SHA-256 */
async function linBegins(name, file = '48M.bin') {
  const digest = lab.offer(file, name);
  await lin.click('[data-testid=filter-all]');
  await lin.add(`https://origin.lab/f/${name}`, { dir: lab.folder('h1', 'Downloads') });
  await lin.rowIs(name, 'downloading');
  return digest;
}

/** Lin asks people for help with the selected download. */
async function linAsks(...names) {
  await lin.click('[data-testid=ask-friends]');
  await lin.sees('[data-testid=ask-dialog]');
  for (const name of names) {
    await lin.sees(`[data-testid=candidate][data-name="${name}"]:enabled`, MEET_MS);
  }
  for (const box of await lin.driver.findElements(By.css('[data-testid=candidate]'))) {
    const wanted = names.includes(await box.getAttribute('data-name'));
    if ((await box.isSelected()) !== wanted) await box.click();
  }
  const ticked = () =>
    lin.driver.executeScript(`
      const boxes = document.querySelectorAll('[data-testid=candidate]:checked');
      return [...boxes].map((box) => box.dataset.name).sort().join();`);
  await until(async () => (await ticked()) === [...names].sort().join(), MEET_MS, `only ${names}`);
  await lin.picture('together/ask');
  await lin.click('[data-testid=ask-submit]');
  await lin.gone('[data-testid=ask-dialog]');
}

/** What Lin is told of what somebody answered. */
function linIsTold(name, state) {
  return lin.sees(`[data-testid=help-answer][data-name="${name}"][data-state=${state}]`, MEET_MS);
}

/** Waits until Lin sees that somebody brings something. */
function linSeesHelpOf(name) {
  return until(
    async () => {
      const [text] = await lin.texts(`[data-testid=source][data-name="${name}"] .rate`);
      return /[1-9].*\/[s秒]/.test(text ?? '');
    },
    MEET_MS,
    `throughput of ${name} to be seen`,
  );
}

/** Waits until Mo, who looks at what he helps with, sees that more was sent. */
function moSeesSent(bytes) {
  return until(
    async () => {
      const row = await mo.sees('[data-testid=helping][data-peer-name=Lin]');
      return Number(await row.getAttribute('data-sent')) > bytes;
    },
    MEET_MS,
    `${bytes} bytes to be sent`,
  );
}

/** The share of the bytes that somebody brought, as Lin sees it, in percent. */
async function shareOf(name) {
  const [text] = await lin.texts(`[data-testid=source][data-name="${name}"] td:last-child .small`);
  return Number(/([\d.]+)\s*%/.exec(text ?? '')?.[1] ?? 0);
}

/** Waits for the end of a download, and compares the file with the server's. */
async function linHas(name, digest) {
  await lin.rowIs(name, 'completed', FINISH_MS);
  const path = join(lab.folder('h1', 'Downloads'), name);
  const found = createHash('sha256').update(readFileSync(path)).digest('hex');
  assert.equal(found, digest);
}

/** The server gives more, for the rest of a download that has shown what it was for. */
async function finishSoon(name, digest) {
  lab.run('shape', 'origin', '--per-ip', FAST);
  await linHas(name, digest);
  lab.run('shape', 'origin', '--per-ip', SLOW);
}

test('both meet without any set-up; Mo switches lending on', options, async () => {
  assert.ok(desks.lin.hasIcon && desks.mo.hasIcon, 'both have an icon in the tray');
  // The server of the lab has a private address, which nobody fetches from for others by default.
  await mo.click('[data-testid=settings]');
  await mo.click('[data-testid=lending-private]');
  await mo.front();
  mo.keys('Escape');
  await mo.gone('dialog');
  await mo.click('[data-testid=lending-switch]');
  // The first time it says on what terms.
  await mo.sees('[data-testid=lend-dialog]');
  await mo.picture('together/lend');
  await mo.click('[data-testid=lend-confirm]');
  await mo.gone('[data-testid=lend-dialog]');
  await lin.click('[data-testid=go-friends]');
  await lin.sees('[data-testid=peer][data-name=Mo][data-online=true][data-lending=true]', MEET_MS);
  await lin.picture('together/friends');
  await mo.click('[data-testid=go-requests]');
  await mo.picture('together/no-requests');
});

test(
  'Lin asks, Mo accepts in the window, and the file comes over both lines',
  options,
  async () => {
    const digest = await linBegins('lecture.mp4');
    const before = lab.received('h2');
    await linAsks('Mo');
    await linIsTold('Mo', 'asked');

    const request = '[data-testid=request][data-peer-name=Lin]';
    await mo.sees(request, MEET_MS);
    await mo.picture('together/request');
    const said = await mo.text(request);
    assert.match(said, /origin\.lab/);
    assert.match(said, /50\.3 MB/);
    await mo.click(`${request} [data-testid=request-accept]`);

    await linSeesHelpOf('Mo');
    await mo.click('[data-testid=go-helping]');
    await mo.sees('[data-testid=helping][data-peer-name=Lin]');
    await moSeesSent(MIB);
    await mo.picture('together/helping');
    await linHas('lecture.mp4', digest);
    await lin.picture('together/done');
    assert.ok((await shareOf('Mo')) >= 20, `Mo brought ${await shareOf('Mo')} %`);
    const fetched = lab.received('h2') - before;
    assert.ok(fetched >= 0.2 * FILE_BYTES, `Mo's computer fetched ${fetched} bytes`);
    await until(
      async () => (await mo.texts('[data-testid=helping]')).length === 0,
      MEET_MS,
      'the session to end',
    );
  },
);

test('four hands: everybody is seen in the picture of a download', options, async () => {
  const helpers = ['Mo', 'Ana', 'Wei'];
  for (const [host, name] of [
    ['h3', 'Ana'],
    ['h4', 'Wei'],
  ]) {
    const cli = join(dirname(process.env.MANYHANDS_BIN), 'manyhands-cli');
    const words = ['--data-dir', lab.folder(host, 'profile'), '--name', name, 'lend'];
    lab.on(host, [cli, ...words, '--accept', 'all', '--allow-private-origins'], 'ignore', 'ignore');
  }
  await linBegins('fieldwork-photos.zip');
  await until(async () => (await lin.percent('fieldwork-photos.zip')) >= 10, MEET_MS, '10 percent');
  await lin.click('[data-name="fieldwork-photos.zip"] [data-testid=action-pause]');
  await lin.rowIs('fieldwork-photos.zip', 'paused');

  const name = 'debian-13.0.0-amd64-netinst.iso';
  const digest = await linBegins(name, '192M.bin');
  await linAsks(...helpers);
  await mo.click('[data-testid=filter-all]');
  await mo.sees('[data-testid=prompt]', MEET_MS);
  await mo.click('[data-testid=go-requests]');
  await mo.sees('[data-testid=request-accept]:not([aria-disabled=true])');
  await picture(mo, 'window-request');
  await mo.click('[data-testid=request] [data-testid=request-accept]');
  for (const helper of helpers) await linSeesHelpOf(helper);
  await until(async () => (await lin.percent(name)) >= 60, FINISH_MS, '60 percent');
  for (const [shot, ...choice] of [
    ['window-light', 'light', 'en'],
    ['window-dark', 'dark', 'en'],
    ['window-chinese', 'light', 'zh-CN'],
  ]) {
    await lin.choose(...choice);
    await picture(lin, shot);
  }
  await lin.choose('light', 'en');
  await finishSoon(name, digest);
  for (const helper of helpers) {
    assert.ok((await shareOf(helper)) >= 10, `${helper} brought ${await shareOf(helper)} %`);
  }
});

test(
  "Mo accepts with the notification's button, and stops; Lin goes on alone",
  options,
  async () => {
    const digest = await linBegins('thesis.zip');
    await linAsks('Mo');
    const card = await desks.mo.notified(/^Lin asks for help$/);
    // They have helped one another: the file has a name now.
    assert.match(card.body, /thesis\.zip.*50\.3 MB.*origin\.lab/);
    await desks.mo.press(card, 'Help');
    await linSeesHelpOf('Mo');
    await mo.gone('[data-testid=request]');
    await mo.click('[data-testid=go-helping]');
    await moSeesSent(2 * MIB);
    await mo.click('[data-testid=helping][data-peer-name=Lin] [data-testid=helping-stop]');
    await mo.gone('[data-testid=helping]');
    await linIsTold('Mo', 'ended');
    await lin.rowIs('thesis.zip', 'downloading');
    const percent = await lin.percent('thesis.zip');
    await until(
      async () => (await lin.percent('thesis.zip')) > percent,
      MEET_MS,
      'more to come without Mo',
    );
    await finishSoon('thesis.zip', digest);
    assert.ok((await shareOf('Mo')) > 0, 'what Mo has brought is kept');
  },
);

test('Mo, who reads Chinese, accepts in the menu of the tray', options, async () => {
  await mo.choose('zh-CN');
  const digest = await linBegins('slides.pdf');
  await linAsks('Mo');
  const entry = await desks.mo.entry(/slides\.pdf/);
  // What it is about comes first, and cannot be chosen.
  assert.match(entry.entries[0].label, /origin\.lab.*53\.9 MB/);
  const choices = entry.entries.filter(({ enabled }) => enabled);
  const [help, notNow] = choices.map(({ label }) => label);
  for (const text of [help, notNow]) assert.match(text, CJK);
  const card = await desks.mo.notified(/Lin/);
  assert.match(card.title, CJK);
  assert.deepEqual(
    Object.values(card.actions).filter((word) => word === help || word === notNow),
    [help, notNow],
  );
  await desks.mo.choose(entry.label, help);
  await linSeesHelpOf('Mo');
  await until(() => card.closed, MEET_MS, 'the notification to go away');
  // What is being helped with is in the menu, too.
  const helping = await desks.mo.entry(/[\u4e00-\u9fff].*Lin|Lin.*[\u4e00-\u9fff]/);
  assert.equal(helping.entries.filter(({ enabled }) => enabled).length, 1);
  await finishSoon('slides.pdf', digest);
  await mo.choose('en');
});

test('Mo declines; Lin is told, and the download goes on', options, async () => {
  const digest = await linBegins('photos.tar');
  await linAsks('Mo');
  await mo.click('[data-testid=filter-all]');
  await mo.sees('[data-testid=prompt][data-peer-name=Lin]', MEET_MS);
  const card = await desks.mo.notified(/^Lin asks for help$/);
  await mo.picture('together/prompt');
  await mo.click('[data-testid=prompt] [data-testid=request-decline]');
  await mo.gone('[data-testid=prompt]');
  await until(() => card.closed, MEET_MS, 'the notification to go away');
  await linIsTold('Mo', 'declined');
  await lin.picture('together/declined');
  await lin.rowIs('photos.tar', 'downloading');
  await finishSoon('photos.tar', digest);
});

test('Mo helps Lin always: the next time nobody is asked', options, async () => {
  const digest = await linBegins('notes.zip');
  await linAsks('Mo');
  await mo.click('[data-testid=prompt] [data-testid=request-always]');
  await mo.sees('[data-testid=rule-dialog]');
  await mo.picture('together/always');
  await mo.click('[data-testid=rule-save]');
  await mo.gone('[data-testid=rule-dialog]');
  await linSeesHelpOf('Mo');
  await finishSoon('notes.zip', digest);

  const next = await linBegins('figures.zip');
  await linAsks('Mo');
  await linSeesHelpOf('Mo');
  assert.deepEqual(await mo.texts('[data-testid=prompt]'), []);
  await mo.click('[data-testid=go-friends]');
  // The input is drawn by its label.
  await mo.driver.executeScript(`document.querySelector('input[value=rules]').click();`);
  const rule = '[data-testid=rule][data-name=Lin]';
  assert.match(await mo.text(rule), /5\.0 GB/);
  await mo.picture('together/rules');
  await finishSoon('figures.zip', next);
  // Without the rule there is a question again.
  await mo.click(`${rule} [data-testid=rule-remove]`);
  await mo.gone(rule);
});

test('Lin and Mo compare six digits, and are paired', options, async () => {
  const more = (name) => `[data-testid=peer][data-name=${name}] [data-testid=peer-more]`;
  const code = async (app) =>
    (await app.text('[data-testid=pairing-code]')).replace(/\D/g, '').slice(-6);
  await lin.click('[data-testid=go-friends]');
  await lin.click(more('Mo'));
  await lin.click('[data-testid=menu-pair]');
  const card = await desks.mo.notified(/^Lin wants to pair$/);
  for (const app of [lin, mo]) await app.sees('[data-testid=pairing-same]', MEET_MS);
  assert.match(await code(lin), /^\d{6}$/);
  assert.equal(await code(mo), await code(lin));
  // Whoever reads notifications over a shoulder learns nothing.
  assert.ok(!card.body.includes(await code(mo)));
  await mo.picture('together/pairing');
  await lin.click('[data-testid=pairing-same]');
  await lin.sees('[data-testid=pairing][data-state=waiting_for_other]');
  await mo.click('[data-testid=pairing-same]');
  await until(() => card.closed, MEET_MS, 'the notification to go away');
  for (const app of [lin, mo]) {
    await app.sees('[data-testid=pairing][data-state=paired]', MEET_MS);
    await app.picture(`together/paired-${app === lin ? 'lin' : 'mo'}`);
    await app.click('[data-testid=pairing-close]');
    await app.gone('[data-testid=pairing-dialog]');
  }
  await lin.sees('[data-testid=peer][data-name=Mo] [data-testid=paired]', MEET_MS);
});

test('a window that is closed goes to the tray; its download goes on', options, async () => {
  const digest = await linBegins('backup.img');
  const before = lab.received('h1');
  await lin.front();
  lin.keys('alt+F4');
  await until(() => !lin.isShown(), MEET_MS, 'the window to go away');
  await desks.lin.notified(/goes on/);
  assert.ok(processOf(lin.dataDir), 'the program runs');
  await until(
    () => lab.received('h1') - before > SLOW_BYTES_PER_S,
    MEET_MS,
    'the download to go on',
  );
  // A second start brings it back.
  const second = lab.on('h1', [process.env.MANYHANDS_BIN, '--data-dir', lin.dataDir]);
  await until(() => second.exitCode !== null, MEET_MS, 'the second start to end');
  assert.equal(second.exitCode, 0);
  await until(() => lin.isShown() && lin.isInFront(), MEET_MS, 'the window to come back');
  await lin.rowIs('backup.img', 'downloading');
  await lin.front();
  lin.keys('alt+F4');
  await until(() => !lin.isShown(), MEET_MS, 'the window to go away');
  // So does the tray.
  await desks.lin.choose('Show Manyhands');
  await until(() => lin.isShown() && lin.isInFront(), MEET_MS, 'the window to come back');
  await finishSoon('backup.img', digest);
});

test('the menu of the tray ends the program', options, async () => {
  await desks.mo.choose('Quit');
  await until(() => processOf(mo.dataDir) === null, MEET_MS, 'the program to end');
  await until(() => !desks.mo.hasIcon, MEET_MS, 'the icon to go away');
});
