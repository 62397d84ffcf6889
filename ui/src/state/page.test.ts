import { beforeEach, expect, test } from 'vitest';
import { MockBackend } from '../backend/mock';
import type { RowState } from '../types';
import { apply, emptyPage, type Page, type PageEvent, queryOf, rowAt, selectedRow } from './page';

let engine: MockBackend;
let page: Page;

const download = (name: string, state: RowState = 'paused') => ({
  name,
  host: 'example.org',
  total: 1_000_000,
  state,
  sources: [{ name: 'example.org', bytesPerS: 1000, joinsMs: 0 }],
});

beforeEach(() => {
  engine = new MockBackend({
    downloads: Array.from({ length: 1000 }, (_, i) => download(`file-${i}.bin`)),
  });
  page = emptyPage;
});

function tell(event: PageEvent): void {
  page = apply(page, event);
}

const addNew = () =>
  engine.add({
    url: 'https://example.org/new.bin',
    dir: null,
    out: null,
    sha256: null,
    connections: null,
  });

/** Asks what the page asks, and hands the answer over. */
async function refresh(): Promise<void> {
  const query = queryOf(page);
  tell({ kind: 'view-arrived', query, view: await engine.view(query) });
}

test('the rows around the visible ones are asked for', async () => {
  tell({ kind: 'scrolled', first: 500, count: 10 });
  expect(queryOf(page)).toMatchObject({ first: 480, count: 50 });
  await refresh();
  expect(rowAt(page, 500)?.name).toBe('file-500.bin');
  expect(rowAt(page, 400)).toBeUndefined();
});

test('arrows move the selection and stop at the ends', async () => {
  await refresh();
  tell({ kind: 'moved-by', rows: 1 });
  expect(page.selected?.index).toBe(0);
  tell({ kind: 'moved-by', rows: 2 });
  expect(selectedRow(page)?.name).toBe('file-2.bin');
  tell({ kind: 'moved-by', rows: -10 });
  expect(page.selected?.index).toBe(0);
});

test('a row that is far away is selected when it has arrived', async () => {
  await refresh();
  tell({ kind: 'moved-to', index: Number.MAX_SAFE_INTEGER });
  expect(page.selected).toBeNull();
  expect(page.wantedIndex).toBe(999);
  await refresh();
  expect(selectedRow(page)?.name).toBe('file-999.bin');
  expect(page.wantedIndex).toBeNull();
});

test('no question asks for more rows than the engine gives', async () => {
  await refresh();
  tell({ kind: 'moved-to', index: 999 });
  expect(queryOf(page).count).toBeLessThanOrEqual(200);
});

test('the neighbour takes the place of a removed row', async () => {
  await refresh();
  tell({ kind: 'moved-to', index: 3 });
  await refresh();
  await engine.remove(page.selected?.id ?? -1);
  await refresh();
  expect(selectedRow(page)?.name).toBe('file-4.bin');
});

test('the last one that is removed leaves no selection', async () => {
  engine = new MockBackend({ downloads: [download('only.bin')] });
  await refresh();
  tell({ kind: 'moved-to', index: 0 });
  await engine.remove(page.selected?.id ?? -1);
  await refresh();
  expect(page.selected).toBeNull();
});

test('an answer to an older question is not shown', async () => {
  const old = queryOf(page);
  const view = await engine.view(old);
  tell({ kind: 'search-typed', search: 'file-7' });
  tell({ kind: 'view-arrived', query: old, view });
  expect(page.view).toBeNull();
  await refresh();
  expect(page.view?.matching).toBe(111);
});

test('an answer that does not have what was added yet selects nothing else', async () => {
  await refresh();
  const query = queryOf(page);
  const before = await engine.view(query);
  const id = await addNew();
  tell({ kind: 'added', id, index: 1000 });
  tell({ kind: 'view-arrived', query, view: before });
  expect(page.selected?.id).toBe(id);
  await refresh();
  expect(selectedRow(page)?.name).toBe('new.bin');
  expect(page.wantedIndex).toBeNull();
});

test('what was added and was there before is found, far up in the list', async () => {
  await refresh();
  const id = rowAt(page, 6)?.id ?? -1;
  tell({ kind: 'added', id, index: 1000 });
  await refresh();
  await refresh();
  expect(page).toMatchObject({ selected: { id, index: 6 }, wantedIndex: null });
  expect(rowAt(page, 6)?.name).toBe('file-6.bin');
  // The question is about what is seen again.
  expect(queryOf(page).first).toBe(0);
});

test('what was added is shown and selected, whatever was looked at', async () => {
  tell({ kind: 'filter-chosen', filter: 'done' });
  tell({ kind: 'search-typed', search: 'nothing' });
  await refresh();
  const id = await addNew();
  tell({ kind: 'added', id, index: 1000 });
  await refresh();
  expect(page.filter).toBe('all');
  expect(selectedRow(page)?.name).toBe('new.bin');
});

test('the selection stays with its download while the list is scrolled', async () => {
  await refresh();
  tell({ kind: 'moved-to', index: 2 });
  tell({ kind: 'scrolled', first: 700, count: 10 });
  await refresh();
  expect(selectedRow(page)?.name).toBe('file-2.bin');
});

test('other places are shown beside the downloads, and filters lead back to them', async () => {
  await refresh();
  tell({ kind: 'moved-to', index: 3 });
  tell({ kind: 'place-chosen', place: 'friends' });
  expect(page.place).toBe('friends');
  expect(queryOf(page).peers).toBe(500);
  expect(page.selected?.index).toBe(3);
  tell({ kind: 'filter-chosen', filter: page.filter });
  expect(page.place).toBe('downloads');
  expect(page.selected?.index).toBe(3);
  tell({ kind: 'place-chosen', place: 'helping' });
  expect(queryOf(page).peers).toBe(6);
  tell({ kind: 'search-typed', search: 'file-7' });
  expect(page.place).toBe('downloads');
});
