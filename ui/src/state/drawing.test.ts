import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { badge } from './badge';
import { COLOURS, colourIndex, peerColour, peerColours } from './colours';
import { graph, roundUp } from './graph';
import { percents, shares } from './shares';

const source = (bytes: number) => ({
  kind: 'origin' as const,
  mode: null,
  peer: '',
  name: 'x',
  bytes,
  bytesPerS: 0,
  connections: 0,
});

test('the bar is as long as what is on disk, whatever was received twice', () => {
  const parts = shares({ bytes: 50, total: 100, sources: [source(60), source(20), source(0)] });
  expect(parts).toEqual([
    { source: 0, share: 0.375 },
    { source: 1, share: 0.125 },
  ]);
  expect(shares({ bytes: 50, total: 100, sources: [] })).toEqual([{ source: 0, share: 0.5 }]);
  expect(shares({ bytes: 50, total: null, sources: [source(50)] })).toEqual([]);
});

test('you keep your colour, the helpers share the others', () => {
  expect([0, 1, 2, COLOURS - 1, COLOURS].map(colourIndex)).toEqual([0, 1, 2, COLOURS - 1, 1]);
  const theme = readFileSync(resolve(import.meta.dirname, '../style/theme.css'), 'utf8');
  expect(theme.match(/--source-\d+:/g)).toHaveLength(COLOURS);
});

test('the scale of the graph is a round number above everything', () => {
  expect([0, 3, 41.8e6, 5e6, 9.9e6].map(roundUp)).toEqual([1, 3, 5e7, 5e6, 1e7]);
});

test('sources are stacked, the newest second at the right edge', () => {
  const drawing = graph([{ bytesPerS: [20, 0] }, { bytesPerS: [20, 20] }], 2, 29, 100);
  expect(drawing.max).toBe(50);
  expect(drawing.spanS).toBe(30);
  expect(drawing.areas).toEqual(['M28 60L29 60L29 100L28 100Z', 'M28 60L29 20L29 60L28 60Z']);
  expect(drawing.outline).toBe('M28 60L29 20');
});

test('the span of the graph grows with what there is to show', () => {
  const spanOf = (points: number) =>
    graph(
      Array.from({ length: points }, () => ({ bytesPerS: [1] })),
      1,
      100,
      100,
    ).spanS;
  expect([0, 30, 31, 61, 120, 500].map(spanOf)).toEqual([30, 30, 60, 120, 120, 120]);
});

test('a helper that came later has no past', () => {
  const drawing = graph([{ bytesPerS: [4] }, { bytesPerS: [4, 4] }], 2, 119, 10);
  expect(drawing.areas).toHaveLength(2);
  expect(drawing.areas.join('')).not.toContain('NaN');
  expect(graph([], 2, 119, 10).outline).toBe('');
});

test.each([
  ['a.iso', 'ISO'],
  ['linux-6.18.tar.xz', 'TXZ'],
  ['README', ''],
  ['x.parquet', ''],
  ['.bashrc', ''],
  ['第七讲.pdf', 'PDF'],
])('the badge of %s is %s', (name, word) => {
  expect(badge(name)).toBe(word);
});

test('what people brought is told in whole percents that are 100 together', () => {
  expect(percents([537, 463])).toEqual([54, 46]);
  expect(percents([1, 1, 1])).toEqual([34, 33, 33]);
  expect(percents([998, 1, 1])).toEqual([100, 0, 0]);
  expect(percents([0, 0])).toEqual([0, 0]);
  expect(percents([])).toEqual([]);
  for (let seed = 1; seed < 200; seed += 1) {
    const amounts = [seed, (seed * 7919) % 1000, (seed * 104_729) % 1000];
    expect(percents(amounts).reduce((sum, n) => sum + n)).toBe(100);
  }
});

test('peers who are seen together look different as far as there are colours, in whatever order they stand', () => {
  const peers = Array.from({ length: COLOURS - 1 }, (_, i) => `device ${i}`);
  const colours = peerColours(peers);
  expect(new Set(colours).size).toBe(COLOURS - 1);
  expect(colours).not.toContain('var(--source-0)');
  expect(peerColours([...peers].reverse())).toEqual([...colours].reverse());
  expect(peerColours(['device 3'])).toEqual([peerColour('device 3')]);
  expect(peerColours(Array.from({ length: 60 }, (_, i) => `device ${i}`))).toHaveLength(60);
});
