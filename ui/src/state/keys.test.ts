import { expect, test } from 'vitest';
import { isTyping, moveOf, wishOf } from './keys';

const key = (name: string, more = {}) => ({
  key: name,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  shiftKey: false,
  ...more,
});
const ctrl = (name: string, more = {}) => key(name, { ctrlKey: true, ...more });

test.each([
  ['n', { kind: 'add' }],
  ['N', { kind: 'add' }],
  ['f', { kind: 'search' }],
  ['h', { kind: 'ask' }],
  ['v', { kind: 'paste' }],
  ['1', { kind: 'go', place: 'downloads' }],
  ['2', { kind: 'go', place: 'friends' }],
  ['3', { kind: 'go', place: 'requests' }],
  ['4', { kind: 'go', place: 'helping' }],
  ['5', null],
  ['0', null],
  ['x', null],
])('Ctrl+%s', (name, wish) => {
  expect(wishOf(ctrl(name), false)).toEqual(wish);
  expect(wishOf(key(name, { metaKey: true }), false)).toEqual(wish);
  expect(wishOf(key(name), false)).toBeNull();
  expect(wishOf(ctrl(name, { altKey: true }), false)).toBeNull();
});

test('a field keeps its own keys', () => {
  expect(wishOf(ctrl('v'), true)).toBeNull();
  expect(wishOf(ctrl('h'), true)).toBeNull();
  expect(wishOf(key('Escape'), true)).toBeNull();
  expect(wishOf(key('Escape'), false)).toEqual({ kind: 'close' });
  expect(wishOf(ctrl('n'), true)).toEqual({ kind: 'add' });
});

test('arrows and pages move the selection', () => {
  expect(moveOf(key('ArrowUp'), 8)).toEqual({ kind: 'moved-by', rows: -1 });
  expect(moveOf(key('PageDown'), 8)).toEqual({ kind: 'moved-by', rows: 8 });
  expect(moveOf(key('Home'), 8)).toEqual({ kind: 'moved-to', index: 0 });
  expect(moveOf(ctrl('ArrowUp'), 8)).toBeNull();
  expect(moveOf(key('a'), 8)).toBeNull();
});

test('what is typed into is known by its kind', () => {
  const element = (html: string) => {
    const box = document.createElement('div');
    box.innerHTML = html;
    return box.firstElementChild;
  };
  expect(isTyping(element('<input>'))).toBe(true);
  expect(isTyping(element('<textarea></textarea>'))).toBe(true);
  expect(isTyping(element('<textarea data-catcher></textarea>'))).toBe(false);
  expect(isTyping(element('<input type="checkbox">'))).toBe(false);
  expect(isTyping(element('<button>'))).toBe(false);
  expect(isTyping(null)).toBe(false);
});
