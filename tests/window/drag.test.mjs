/** A link dragged with the mouse out of a real browser's window. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { App } from './lib/app.mjs';
import { start, stopAll, tool, until } from './lib/screen.mjs';

const LINK = 'https://example.org/files/dragged%20here.iso?part=2';
const TITLE = 'A link to be dragged';
/** A browser that was never started before makes its profile first. */
const BROWSER_MS = 60_000;
/** The pointer's way is travelled in so many steps: a drag begins and is told of only while it moves. */
const STEPS = 12;

const base = mkdtempSync(join(tmpdir(), 'drag-'));
let app;

after(async () => {
  await app?.quit();
  stopAll();
  // The browser writes to its profile until it has ended.
  rmSync(base, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});

const xdotool = (...words) => tool(process.env, 'xdotool', ...words.map(String));

/** The middle of a window on the screen. */
function middleOf(window) {
  const text = xdotool('getwindowgeometry', '--shell', window);
  const of = (name) => Number(new RegExp(`^${name}=(-?\\d+)$`, 'm').exec(text)?.[1]);
  return { x: of('X') + Math.round(of('WIDTH') / 2), y: of('Y') + Math.round(of('HEIGHT') / 2) };
}

/** Shows a page that is one big link; its title is there once it has been painted. @returns its window */
async function showLink() {
  const page = join(base, 'page.html');
  writeFileSync(
    page,
    `<!doctype html><meta charset="utf-8"><title>Not yet</title>
    <a href="${LINK}" style="position:fixed;inset:0;display:grid;place-items:center;font:40px sans-serif">Drag me</a>
    <script>
      requestAnimationFrame(() => requestAnimationFrame(() => (document.title = '${TITLE}')));
    </script>`,
  );
  start(
    'chromium',
    [
      '--no-sandbox',
      `--user-data-dir=${join(base, 'browser')}`,
      '--no-first-run',
      '--no-default-browser-check',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--disable-gpu',
      '--password-store=basic',
      // It asks nobody for anything.
      '--host-resolver-rules=MAP * ~NOTFOUND',
      '--window-size=420,320',
      `--app=${pathToFileURL(page).href}`,
    ],
    { ...process.env, HOME: base },
    'ignore',
    'ignore',
  );
  const window = await until(
    () => xdotool('search', '--onlyvisible', '--name', `^${TITLE}$`).split('\n')[0],
    BROWSER_MS,
    "the browser's window",
  );
  return window;
}

test('a link that is dragged out of a browser opens the dialog, filled in', async () => {
  app = await App.open(join(base, 'profile'));
  app.moveTo(20, 20);
  const browser = await showLink();
  xdotool('windowsize', '--sync', browser, 420, 320);
  xdotool('windowmove', '--sync', browser, 1300, 200);
  const [from, to] = [middleOf(browser), middleOf(app.window)];

  xdotool('mousemove', '--sync', from.x, from.y, 'mousedown', 1);
  for (let step = 1; step <= STEPS; step += 1) {
    const at = (a, b) => Math.round(a + ((b - a) * step) / STEPS);
    xdotool('mousemove', '--sync', at(from.x, to.x), at(from.y, to.y));
  }
  // Held still, the pointer tells a window nothing: it goes to and fro until the page says that a link hovers over it.
  let aside = 0;
  await until(
    async () => {
      aside = aside === 0 ? 8 : 0;
      xdotool('mousemove', to.x + aside, to.y);
      return (await app.texts('.drop')).length > 0;
    },
    BROWSER_MS,
    'the page to see the link come',
  );
  xdotool('mouseup', 1);

  await app.sees('[data-testid=add-form]');
  assert.equal(await (await app.sees('#links')).getAttribute('value'), LINK);
  await app.gone('.drop');
  await app.picture('dragged');
});
