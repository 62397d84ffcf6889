import { expect, test } from 'vitest';
import type { Query } from '../types';
import { MockBackend } from './mock';
import { sceneOf } from './scenes';

const all: Query = {
  filter: 'all',
  search: '',
  first: 0,
  count: 200,
  selected: null,
  peers: 10,
  members: false,
};
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

test.each([
  'full',
  'slow',
  'requests',
  'helping',
  'alone',
  'offline',
  'error',
  'many',
  'empty',
  'unknown',
])('the scene %s can be shown', async (scene) => {
  const view = await sceneOf(`?scene=${scene}&still`).view(all);
  expect(view.rows.length).toBe(Math.min(200, view.counts.all));
});

const people = [
  { peer: 'mo', name: 'Mo', friend: true },
  { peer: 'kim', name: 'Kim' },
  { peer: 'tal', name: 'Tal', lending: false },
  { peer: 'no', name: 'No', friend: true, answer: 'decline' as const },
  { peer: 'hm', name: 'Hm', friend: true, answer: 'silence' as const },
];
const asking = { peer: 'kim', origins: ['http://example.org'], budgetBytes: 5_000_000 };

test('a peer that is asked accepts after a moment, brings bytes, and is a friend then', async () => {
  const engine = new MockBackend({ downloads: [file('a', { total: 4e9 })], peers: people });
  engine.advance(1000);
  const before = await engine.view({ ...all, selected: 1 });
  expect(before.details?.candidates.map(({ peer, proposed }) => [peer, proposed])).toEqual([
    ['hm', true],
    ['mo', true],
    ['no', true],
    ['kim', true],
    ['tal', false],
  ]);
  await engine.ask(1, { who: 'mo,kim,no,hm', waitS: 0 });
  engine.advance(10_000);
  const { rows, together, details } = await engine.view({ ...all, selected: 1 });
  expect(rows[0]?.help.map(({ peer, state }) => [peer, state])).toEqual([
    ['mo', 'accepted'],
    ['kim', 'accepted'],
    ['no', 'declined'],
    ['hm', 'asked'],
  ]);
  expect(rows[0]?.sources.map(({ bytes }) => bytes > 0)).toEqual([true, true, true]);
  expect(together?.peers.find(({ peer }) => peer === 'kim')).toMatchObject({
    friend: true,
    helpsWith: 1,
  });
  expect(details?.candidates.map(({ peer }) => peer)).toEqual(['no', 'tal']);
  engine.advance(55_000);
  expect((await engine.view(all)).rows[0]?.help[3]?.state).toBe('expired');
});

test('whom the rules allow is asked as soon as a download is added', async () => {
  const engine = new MockBackend({ peers: people });
  const add = (url: string, who: string) =>
    engine.add({
      url,
      dir: null,
      out: null,
      sha256: null,
      connections: null,
      ask: { who, waitS: 60 },
    });
  await add('http://example.org/a', 'everyone');
  await add('https://example.org/b', 'everyone');
  await add('http://example.org/c?token=1', 'everyone');
  engine.advance(100);
  const asked = (await engine.view(all)).rows.map(({ help }) => help.map(({ peer }) => peer));
  expect(asked).toEqual([['mo', 'no', 'hm'], ['mo', 'kim', 'no', 'hm'], []]);
});

test('requests wait for a minute, and only while lending is on', async () => {
  const engine = new MockBackend({ peers: people, requests: [asking] });
  engine.advance(1000);
  expect((await engine.view(all)).together?.requests).toEqual([]);
  await engine.setLending({ on: true, accept: 'ask', allowPrivateOrigins: false });
  engine.advance(2000);
  const { together } = await engine.view(all);
  expect(together?.requests).toMatchObject([{ name: 'Kim', friend: false, expiresInS: 58 }]);
  engine.advance(60_000);
  expect((await engine.view(all)).together?.requests).toEqual([]);
  expect(await engine.decide('request-1', { kind: 'help' })).toBe(false);
});

test('an accepted request is a session, which ends with its budget, a word or the switch', async () => {
  const on = { on: true, accept: 'ask', allowPrivateOrigins: false } as const;
  const engine = new MockBackend({
    peers: people,
    requests: [asking, asking, asking].map((plan) => ({ ...plan, takesBytesPerS: 1_000_000 })),
    lending: on,
  });
  for (const id of [1, 2]) {
    expect(await engine.decide(`request-${id}`, { kind: 'help' })).toBe(true);
  }
  expect(await engine.decide('request-3', { kind: 'not_now' })).toBe(true);
  engine.advance(2000);
  let together = (await engine.view(all)).together;
  expect(together?.helping).toMatchObject([{ sentBytes: 2_000_000 }, { sentBytes: 2_000_000 }]);
  expect(together?.lentBytesPerS).toBe(2_000_000);
  expect(await engine.stopHelping('request-1')).toBe(true);
  expect(await engine.stopHelping('request-1')).toBe(false);
  engine.advance(4000);
  expect((await engine.view(all)).together?.helping).toEqual([]);
  const other = new MockBackend({ peers: people, requests: [asking, asking], lending: on });
  await other.decide('request-1', { kind: 'help' });
  await other.setLending({ ...on, on: false });
  together = (await other.view(all)).together;
  expect([together?.helping, together?.requests]).toEqual([[], []]);
});

test('a blocked device asks nobody, and is asked by nobody; a rule helps without a question', async () => {
  const engine = new MockBackend({
    peers: people,
    downloads: [file('a', { total: 4e9 })],
    requests: [
      { ...asking, afterMs: 1000 },
      { ...asking, peer: 'mo', afterMs: 1000 },
    ],
    lending: { on: true },
  });
  await engine.block('kim');
  await engine.setRule('mo', { dailyBytes: 0, bytesPerS: 0, hours: null });
  engine.advance(1500);
  const { together, details } = await engine.view({ ...all, selected: 1 });
  expect(together?.requests).toEqual([]);
  expect(together?.helping.map(({ peer }) => peer)).toEqual(['mo']);
  expect(together?.rules[0]?.lentTodayBytes).toBe(together?.lentTodayBytes);
  expect(together?.lentTodayBytes).toBeGreaterThan(0);
  expect(together?.peers.map(({ peer }) => peer)).not.toContain('kim');
  expect(details?.candidates.map(({ peer }) => peer)).not.toContain('kim');
  await engine.removeFriend('mo');
  expect((await engine.view(all)).together).toMatchObject({ rules: [], helping: [] });
});
