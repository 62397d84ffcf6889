import { expect, test } from 'vitest';
import { QUIET, qrDrawing } from './qr';

/** Which modules a path makes dark. */
function painted(path: string, size: number): string[] {
  const rows = Array.from({ length: size }, () => Array<string>(size).fill('0'));
  for (const [, x, y, width] of path.matchAll(/M(\d+) (\d+)h(\d+)v1h-\3z/g)) {
    rows[Number(y)]?.fill('1', Number(x), Number(x) + Number(width));
  }
  return rows.map((row) => row.join(''));
}

test('what is drawn are the dark modules, with a quiet zone around', () => {
  const rows = ['1110', '1010', '0001', '1111'];
  const drawing = qrDrawing(rows) ?? expect.fail();
  expect(drawing.size).toBe(4 + 2 * QUIET);
  const quiet = '0'.repeat(QUIET);
  expect(painted(drawing.path, drawing.size)).toEqual([
    ...Array<string>(QUIET).fill('0'.repeat(drawing.size)),
    ...rows.map((row) => quiet + row + quiet),
    ...Array<string>(QUIET).fill('0'.repeat(drawing.size)),
  ]);
});

test.each([[[]], [['1', '01']], [['10']], [['1x', '01']]])('%j is no code', (rows) => {
  expect(qrDrawing(rows)).toBeNull();
});
