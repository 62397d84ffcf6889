/** A link dragged with the mouse out of a real browser's window. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { App } from './lib/app.mjs';
import { start, stopAll, tool, until } from './lib/screen.mjs';

const LINK = 'https://example.org/files/dragged%20here.iso?part=2';
const TITLE = 'A link to be dragged';
const DRAGGED = 'A link that is dragged';
/** A browser that was never started before makes its profile first. */
const BROWSER_MS = 60_000;
/** A browser that has just come up may miss the first press. */
const PRESS_MS = 3_000;
/** The pointer's way is travelled in so many steps: a drag begins and is told of only while it moves. */
const STEPS = 12;

const base = mkdtempSync(join(tmpdir(), 'drag-'));
let app;
let browser;

after(async () => {
  await app?.quit();
  // Asked to end, it would go on writing to its profile for a while.
  if (browser?.kill('SIGKILL')) await once(browser, 'exit');
  stopAll();
  // Its other processes end when they notice.
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
      addEventListener('dragstart', () => (document.title = '${DRAGGED}'));
    </script>`,
  );
  browser = start(
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
  return until(() => windowCalled(TITLE), BROWSER_MS, "the browser's window");
}

const windowCalled = (title) =>
  xdotool('search', '--onlyvisible', '--name', `^${title}$`).split('\n')[0];

/** Presses the button and begins to move, until the browser says that the link is being dragged. */
function pickUp(from) {
  return until(
    async () => {
      xdotool('mousemove', '--sync', from.x, from.y, 'mousedown', 1);
      let aside = 0;
      const begun = await until(
        () => {
          aside = (aside + 5) % 60;
          xdotool('mousemove', from.x - aside, from.y);
          return windowCalled(DRAGGED);
        },
        PRESS_MS,
        'the drag to begin',
      ).catch(() => false);
      if (!begun) xdotool('mouseup', 1);
      return begun;
    },
    BROWSER_MS,
    'the link to be picked up',
  );
}

test('a link that is dragged out of a browser opens the dialog, filled in', async () => {
  app = await App.open(join(base, 'profile'));
  app.moveTo(20, 20);
  const page = await showLink();
  xdotool('windowsize', '--sync', page, 420, 320);
  xdotool('windowmove', '--sync', page, 1300, 200);
  const [from, to] = [middleOf(page), middleOf(app.window)];

  await pickUp(from);
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
