/**
 * People whom routers keep apart find each other through a rendezvous server.
 *
 * Lin and Mo are on hosts of a lab, each in a network of its own, as is a third computer, whose firewall lets nobody in. The tests
 * are one story: each goes on where the one before it ended.
 */
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { App } from './lib/app.mjs';
import { Desk } from './lib/desk.mjs';
import { Lab, whyNoLab } from './lib/lab.mjs';
import { inEveryLook } from './lib/looks.mjs';
import { stopAll, until } from './lib/screen.mjs';

/** Others are found, and answer, in seconds. */
const MEET_MS = 60_000;
const FILE = '8M';
/** What comes in from outside disappears without a word. */
const WALL =
  'add table inet wall; add chain inet wall in { type filter hook input priority 0; policy drop; };' +
  'add rule inet wall in iifname lo accept; add rule inet wall in ct state established,related accept';

const missing = whyNoLab();
// Where nothing may be missing, a skip is a failure.
const options = missing && process.env.CI !== 'true' ? { skip: missing } : {};
const programs = dirname(process.env.MANYHANDS_BIN ?? '');

let lab;
let lin;
let mo;
let server;
let invite;

before(async () => {
  if (options.skip) return;
  assert.equal(missing, null, missing ?? '');
  lab = new Lab();
  lab.run('up', '--hosts=3', '--subnets=3', '--rendezvous', `--files=${FILE}`);
  server = await serve();
  lin = await open('h1', 'Lin');
  lin.moveTo(10, 40);
  mo = await open('h2', 'Mo');
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

/** Starts the rendezvous server; it has a network of its own. @returns what it says of itself */
async function serve() {
  const words = ['--listen', '0.0.0.0:8470', '--data-dir', lab.folder('rv', 'profile')];
  const program = lab.on('rv', [join(programs, 'manyhands-rendezvous'), ...words], 'pipe');
  let text = '';
  program.stdout.on('data', (bytes) => (text += bytes));
  const said = (word) => new RegExp(`^${word} (.+)$`, 'm').exec(text)?.[1];
  await until(() => said('listening') && said('id'), MEET_MS, 'the server to start');
  return { program, id: said('id'), url: 'https://rv.lab:8470' };
}

/** Starts the program on a host that has a person's name, and shows the groups. */
async function open(host, name) {
  lab.run('exec', host, '--', 'hostname', name);
  const desk = await Desk.open(join(lab.parent, `bus-${host}`));
  const driver = await lab.driver(host, {
    DBUS_SESSION_BUS_ADDRESS: desk.bus,
    TAURI_WEBVIEW_AUTOMATION: 'true',
  });
  const app = await App.open(lab.folder(host, 'profile'), { server: driver });
  await app.click('[data-testid=go-friends]');
  await app.driver.executeScript(`document.querySelector('input[value=groups]').click();`);
  return app;
}

function seesMember(app, name, reach) {
  return app.sees(`[data-testid=member][data-name="${name}"][data-reach=${reach}]`, MEET_MS);
}

/** Fills in where the group is to be made, and asks the server. */
async function linLooksAtServer() {
  await lin.click('[data-testid=make-group]');
  await lin.type('[data-testid=make-name]', 'Dorm 7');
  await lin.type('[data-testid=make-address]', server.url);
  await lin.click('[data-testid=make-next]');
  await lin.sees('[data-testid=make-confirm]');
}

/** Puts a dialog away without doing what it offers. */
function hides(app) {
  return async () => {
    await app.front();
    app.keys('Escape');
    await app.gone('dialog');
  };
}

test(
  'Lin makes a group: the id of the server is compared, and there is an invite',
  options,
  async () => {
    await inEveryLook(lin, 'groups/none');
    await inEveryLook(lin, 'groups/make', {
      show: async () => {
        await lin.click('[data-testid=make-group]');
        await lin.type('[data-testid=make-name]', 'Dorm 7');
        await lin.type('[data-testid=make-address]', server.url);
      },
      hide: hides(lin),
    });
    await inEveryLook(lin, 'groups/compare', { show: linLooksAtServer, hide: hides(lin) });
    await linLooksAtServer();
    const shown = await lin.text('dialog [data-testid=server-id]');
    assert.equal(shown.replace(/\s/g, ''), server.id);
    await lin.click('[data-testid=make-confirm]');
    await lin.sees('[data-testid=qr]');
    const link = await lin.sees('[data-testid=invite-link]');
    invite = await lin.driver.executeScript(
      'return arguments[0].value ?? arguments[0].textContent;',
      link,
    );
    assert.match(invite.trim(), /^manyhands:\/\/join\?v=1&s=https%3A%2F%2Frv\.lab%3A8470&id=/);
    await lin.click('[data-testid=invite-close]');
    await lin.sees('[data-testid=group][data-name="Dorm 7"][data-state=online]', MEET_MS);
    await inEveryLook(lin, 'groups/alone');
    await inEveryLook(lin, 'groups/invite', {
      show: async () => {
        await lin.click('[data-testid=show-invite]');
        await lin.sees('[data-testid=qr]');
      },
      hide: hides(lin),
    });
  },
);

test('Mo joins with the link, and each sees that the other is reached', options, async () => {
  const reads = async () => {
    await mo.click('[data-testid=join-group]');
    await mo.type('[data-testid=join-invite]', invite);
    await mo.sees('[data-testid=join-facts]');
    await mo.sees('[data-testid=join-submit]:not([aria-disabled=true])');
  };
  await inEveryLook(mo, 'groups/join', { show: reads, hide: hides(mo) });
  await reads();
  await mo.click('[data-testid=join-submit]');
  await mo.sees('[data-testid=group][data-name="Dorm 7"][data-state=online]', MEET_MS);
  await seesMember(lin, 'Mo', 'reached');
  await seesMember(mo, 'Lin', 'reached');
  await inEveryLook(lin, 'groups/reached');
});

test(
  'one whose firewall lets nobody in is listed, and Lin reads why and what to do',
  options,
  async () => {
    lab.run('exec', 'h3', '--', 'nft', WALL);
    const cli = join(programs, 'manyhands-cli');
    const words = [
      '--data-dir',
      lab.folder('h3', 'profile'),
      '--name',
      'Kim',
      '--rendezvous',
      invite,
    ];
    lab.on('h3', [cli, ...words, 'lend'], 'ignore');
    await lin.sees('[data-testid=out-of-reach][data-why=no_answer]', MEET_MS);
    await seesMember(lin, 'Kim', 'no');
    await seesMember(mo, 'Kim', 'no');
    await inEveryLook(lin, 'groups/listed');
    await showFriends('people');
    await inEveryLook(lin, 'groups/people');
    await showFriends('groups');
  },
);

test('when the server ends it is said, and who was reached stays so', options, async () => {
  server.program.kill('SIGKILL');
  await until(() => server.program.signalCode !== null, MEET_MS, 'the server to end');
  await lin.sees('[data-testid=group][data-state=trouble] [data-testid=server-trouble]', MEET_MS);
  await seesMember(lin, 'Mo', 'reached');
  await inEveryLook(lin, 'groups/gone');
});

/** Lin looks at another part of the page. The input is drawn by its label. */
function showFriends(part) {
  return lin.driver.executeScript(
    `document.querySelector('input[value="' + arguments[0] + '"]').click();`,
    part,
  );
}
