/** The window in both themes and both languages: pictures of it, and whether all of it is in its language. */
import assert from 'node:assert/strict';
import { until } from './screen.mjs';

/** An animation that ends has ended long before. */
const REST_MS = 20_000;

/** English on a light ground comes last: the tests go on with it. */
const ALL = [
  ['dark', 'zh-CN'],
  ['light', 'zh-CN'],
  ['dark', 'en'],
  ['light', 'en'],
];
/** Where nobody looks at pictures the words alone matter. */
export const LOOKS = process.env.MANYHANDS_SHOTS ? ALL : ALL.filter(([theme]) => theme === 'light');

/**
 * Shows something in every look, and takes its picture: `name-language-theme`.
 *
 * @param show what is to be done each time before the picture, and `hide` after it: no settings can be chosen while a
 *   dialog is open
 */
export async function inEveryLook(app, name, { show = () => {}, hide = () => {} } = {}) {
  for (const [theme, language] of LOOKS) {
    await app.choose(theme, language);
    await show();
    await rests(app);
    if (language !== 'en') await isTranslated(app, name);
    await app.picture(`${name}-${language}-${theme}`);
    await hide();
  }
}

/** Waits until nothing moves any more, with neither the pointer nor, outside of dialogs, the keyboard at anything. */
export async function rests(app) {
  await app.driver.executeScript(
    `if (!document.querySelector('dialog')) document.activeElement?.blur();`,
  );
  // The driver moves nothing where it believes the pointer to be.
  await app.driver.actions().move({ x: 710, y: 20 }).move({ x: 720, y: 27 }).perform();
  const still = `return document.getAnimations().every(({ effect, playState }) =>
    playState !== 'running' || effect.getTiming().iterations === Infinity);`;
  await until(() => app.driver.executeScript(still), REST_MS, 'everything to stand still');
}

/** A run of English: three words of letters in a row. Names, hosts, paths and links have none. */
export const ENGLISH = String.raw`(?<![\w/.:@-])[A-Za-z][a-z]+ [a-z]+ [a-z]+`;

/** No sentence in the page is left in English: neither what is shown nor what is read out or shown as a hint. */
export async function isTranslated(app, where) {
  const left = await app.driver.executeScript(
    `
    const english = new RegExp(arguments[0]);
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const { parentElement, data } = walker.currentNode;
      if (!parentElement.closest('script, style')) found.push(data);
    }
    for (const name of ['title', 'aria-label', 'placeholder', 'alt']) {
      for (const element of document.querySelectorAll('[' + name + ']')) {
        found.push(element.getAttribute(name));
      }
    }
    return found.map((text) => text.trim()).filter((text) => english.test(text));`,
    ENGLISH,
  );
  assert.deepEqual(left, [], `left in English: ${where}`);
}
