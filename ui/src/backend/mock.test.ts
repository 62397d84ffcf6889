import { expect, test } from 'vitest';
import type { Query } from '../types';
import { MockBackend } from './mock';
import { sceneOf } from './scenes';

const all: Query = { filter: 'all', search: '', first: 0, count: 200, selected: null, peers: 10 };
const file = (name: string, more = {}) => ({
  name,
  host: 'example.org',
  total: 10_000_000,
  sources: [{ name: 'example.org', bytesPerS: 1_000_000, joinsMs: 0 }],
  ...more,
});

test('a download goes from waiting to done with every byte', async () => {
  const engine = new MockBackend({ downloads: [file('a.bin')] });
  engine.advance(5000);
  const { rows } = await engine.view(all);
  expect(rows[0]).toMatchObject({ state: 'downloading', actions: ['pause', 'remove'] });
  engine.advance(60_000);
  const [row] = (await engine.view(all)).rows;
  expect(row).toMatchObject({
    state: 'completed',
    bytes: 10_000_000,
    path: expect.stringMatching(/a\.bin$/),
  });
});

test('a paused download stands still and gives its place away', async () => {
  const engine = new MockBackend({ downloads: ['a', 'b', 'c', 'd'].map((name) => file(name)) });
  engine.advance(3000);
  expect((await engine.view(all)).counts).toMatchObject({ active: 3, queued: 1 });
  await engine.pause(1);
  const before = (await engine.view(all)).rows[0]?.bytes;
  engine.advance(2000);
  const { rows } = await engine.view(all);
  expect(rows[0]?.bytes).toBe(before);
  expect(rows[3]?.state).toBe('downloading');
});

test('a failure has its message and hint, and can be tried again', async () => {
  const failure = { code: 'not-found', message: 'example.org answered 404.' };
  const engine = new MockBackend({ downloads: [file('a', { failure })] });
  engine.advance(2000);
  const [row] = (await engine.view(all)).rows;
  expect(row).toMatchObject({ state: 'failed', failure, actions: ['resume', 'remove'] });
});

test('a changed engine says so', async () => {
  const engine = new MockBackend({ downloads: [file('a')] });
  let changes = 0;
  await engine.watch((news) => (changes += Number(news === 'changed')));
  await engine.pauseAll();
  await engine.resumeAll();
  expect(changes).toBe(2);
});

test('the cells and the graph add up to what was received', async () => {
  const sources = [
    { name: 'example.org', bytesPerS: 1_000_000, joinsMs: 0 },
    { name: 'Mo', bytesPerS: 2_000_000, joinsMs: 2000 },
  ];
  const engine = new MockBackend({ downloads: [file('a', { total: 400_000_000, sources })] });
  engine.advance(30_700);
  const { details } = await engine.view({ ...all, selected: 1 });
  if (!details) throw new Error('details were expected');
  const percent = details.cellPercent.reduce((sum, n) => sum + n, 0) / details.cellPercent.length;
  expect(percent).toBeCloseTo((details.row.bytes / 400_000_000) * 100, 0);
  expect(new Set(details.cellSources)).toEqual(new Set([-1, 0, 1]));
  expect(details.history).toHaveLength(30);
});

test.each(['full', 'error', 'many', 'empty', 'unknown'])(
  'the scene %s can be shown',
  async (scene) => {
    const view = await sceneOf(`?scene=${scene}&still`).view(all);
    expect(view.rows.length).toBe(Math.min(200, view.counts.all));
  },
);
