/** Keys, paste, drop, language and theme in the real web view. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { App } from './lib/app.mjs';
import { stopAll, until } from './lib/screen.mjs';

let profile;
let app;

before(async () => {
  profile = mkdtempSync(join(tmpdir(), 'hands-'));
  app = await App.open(profile);
});

afterEach((context) => app?.picture(`last/${context.name}`));

after(async () => {
  await app?.quit();
  stopAll();
  rmSync(profile, { recursive: true, force: true });
});

const links = async () => (await app.sees('#links')).getAttribute('value');

async function closeDialog() {
  app.keys('Escape');
  await app.gone('dialog');
}

test('Ctrl+N opens the dialog, Esc closes it', async () => {
  app.keys('ctrl+n');
  await app.sees('[data-testid=add-form]');
  await closeDialog();
});

test('a link in the clipboard is pasted anywhere', async () => {
  const link = 'https://example.org/pasted.iso';
  await app.type('[type=search]', link);
  app.keys('ctrl+a', 'ctrl+c', 'Escape', 'Escape');
  await until(async () => (await (await app.sees('[type=search]')).getAttribute('value')) === '');
  app.keys('ctrl+v');
  await until(async () => (await links()) === link);
  await app.picture('pasted');
  await app.empty('#links');
  await closeDialog();
});

test('links that are dropped are filled in', async () => {
  await app.driver.executeScript(`
    const dataTransfer = new DataTransfer();
    dataTransfer.setData('text/uri-list', 'https://example.org/1\\r\\nhttps://example.org/2');
    for (const kind of ['dragover', 'drop']) {
      document.body.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
    }
  `);
  await until(async () => (await links()) === 'https://example.org/1\nhttps://example.org/2');
  await closeDialog();
});

test('language and theme change at once and are remembered', async () => {
  await app.click('[data-testid=settings]');
  // The inputs are drawn by their labels.
  await app.driver.executeScript(`
    for (const value of ['zh-CN', 'dark']) document.querySelector('input[value="' + value + '"]').click();
  `);
  await closeDialog();
  const button = async () => (await app.sees('[data-testid=add-url]')).getText();
  assert.equal(await button(), '添加链接');
  await app.picture('chinese-dark');
  await app.close();
  app = await App.open(profile);
  assert.equal(await button(), '添加链接');
  const scheme = await app.driver.executeScript(
    'return getComputedStyle(document.documentElement).colorScheme',
  );
  assert.equal(scheme, 'dark');
});
