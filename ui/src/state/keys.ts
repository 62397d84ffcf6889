/** What keys mean. Pure: an event in, a wish or a movement out. */
import { type PageEvent, type Place, PLACES } from './page';

export type Wish =
  | { kind: 'add' }
  | { kind: 'search' }
  | { kind: 'paste' }
  | { kind: 'ask' }
  | { kind: 'close' }
  | { kind: 'go'; place: Place };

type Key = Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey' | 'shiftKey'>;

/** Ctrl and a letter do something, Ctrl and a digit go somewhere; on a Mac it is Cmd. */
export function wishOf(key: Key, typing: boolean): Wish | null {
  if (key.altKey) return null;
  if (!key.ctrlKey && !key.metaKey) {
    return key.key === 'Escape' && !typing ? { kind: 'close' } : null;
  }
  if (key.shiftKey) return null;
  switch (key.key.toLowerCase()) {
    case 'n':
      return { kind: 'add' };
    case 'f':
      return { kind: 'search' };
    case 'h':
      // In a field it is a key of the field, and whoever types looks at something else.
      return typing ? null : { kind: 'ask' };
    case 'v':
      return typing ? null : { kind: 'paste' };
  }
  const place = /^[1-9]$/.test(key.key) ? PLACES[Number(key.key) - 1] : undefined;
  return place ? { kind: 'go', place } : null;
}

/** Where the selection goes. */
export function moveOf(key: Key, rowsInPage: number): PageEvent | null {
  if (key.ctrlKey || key.metaKey || key.altKey) return null;
  switch (key.key) {
    case 'ArrowDown':
      return { kind: 'moved-by', rows: 1 };
    case 'ArrowUp':
      return { kind: 'moved-by', rows: -1 };
    case 'PageDown':
      return { kind: 'moved-by', rows: rowsInPage };
    case 'PageUp':
      return { kind: 'moved-by', rows: -rowsInPage };
    case 'Home':
      return { kind: 'moved-to', index: 0 };
    case 'End':
      return { kind: 'moved-to', index: Number.MAX_SAFE_INTEGER };
  }
  return null;
}

/** Whether keys and pasted text belong to what is being typed into. The page's own catcher of pasted links is no field. */
export function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.dataset['catcher'] === undefined &&
    target.matches('input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]')
  );
}
