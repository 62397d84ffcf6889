import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, expect, test, vi } from 'vitest';
import { MockBackend } from '../backend/mock';
import { en } from '../i18n/en';
import { speech } from '../i18n/index.svelte';
import type { DownloadRow, RowState } from '../types';
import Menu from './Menu.svelte';
import Row from './Row.svelte';

afterEach(cleanup);
speech.choice = 'en';

async function rowIn(state: RowState, more = {}): Promise<DownloadRow> {
  const engine = new MockBackend({
    downloads: [
      {
        name: 'thesis.tar.gz',
        host: 'example.org',
        total: 2_000_000,
        share: 0.5,
        state,
        sources: [{ name: 'example.org', bytesPerS: 1, joinsMs: 0 }],
        ...more,
      },
    ],
  });
  const query = {
    filter: 'all',
    search: '',
    first: 0,
    count: 1,
    selected: null,
    peers: 10,
    members: false,
  } as const;
  const [row] = (await engine.view(query)).rows;
  if (!row) throw new Error('a row was expected');
  return row;
}

function show(row: DownloadRow) {
  const told = { onchoose: vi.fn(), onaction: vi.fn(), onmenu: vi.fn() };
  render(Row, { row, index: 0, selected: false, ...told });
  return told;
}

test('a paused row says how much is there, and goes on at a click', async () => {
  const { onaction } = show(await rowIn('paused'));
  screen.getByText('1.0 MB of 2.0 MB · example.org · 50%');
  expect(screen.getByRole('progressbar').getAttribute('aria-valuenow')).toBe('50');
  await fireEvent.click(screen.getByTestId('action-resume'));
  expect(onaction).toHaveBeenCalledWith('resume');
});

test('a failed row shows what happened and what to do', async () => {
  const failure = { code: 'disk-full', message: 'There is no room left on /home.' };
  show(await rowIn('failed', { failure }));
  expect(screen.getByTestId('message').textContent).toBe(failure.message);
  expect(screen.getByTestId('hint').textContent).toBe(en.failures['disk-full'].hint);
  screen.getByTestId('action-resume');
});

test('a finished row says on which rung it stands and has no bar', async () => {
  show(await rowIn('completed', { sha256: 'ab'.repeat(32) }));
  screen.getByText('verified · SHA-256');
  expect(screen.queryByRole('progressbar')).toBeNull();
});

test('a row that can do nothing has no button', async () => {
  show(await rowIn('finishing'));
  expect(screen.queryAllByRole('button')).toEqual([]);
});

test('a menu tells the choice before it is closed, and closes at Esc', async () => {
  const told: string[] = [];
  const items = [{ key: 'remove', text: 'Remove', icon: 'remove' as const }];
  render(Menu, {
    x: 0,
    y: 0,
    items,
    onpick: (key: string) => told.push(key),
    onclose: () => told.push('closed'),
  });
  await fireEvent.click(screen.getByText('Remove'));
  expect(told).toEqual(['remove', 'closed']);
  await fireEvent.keyDown(screen.getByRole('menu'), { key: 'Escape' });
  expect(told).toHaveLength(3);
});

test('a row that is helped says what each brings, in the unit of the whole', async () => {
  const row = await rowIn('downloading');
  const source = (name: string, bytesPerS: number) => ({
    kind: name === 'Mo' ? ('helper' as const) : ('origin' as const),
    mode: name === 'Mo' ? ('relay' as const) : null,
    peer: name === 'Mo' ? 'mo' : '',
    name,
    bytes: 1,
    bytesPerS,
    connections: 1,
  });
  show({
    ...row,
    bytesPerS: 10_900_000,
    sources: [source('example.org', 10_200_000), source('Mo', 700_000)],
  });
  const text = screen.getByTestId('row-sources').textContent.replace(/\s+/g, ' ').trim();
  expect(text).toBe('you 10.2 Mo 0.7');
});
