/** The stacked graph of throughput: numbers in, SVG paths out. */
import type { HistoryPoint } from '../types';

/** The graph spans one of these, a point a second; the newest at the right edge. The engine keeps two minutes. */
const SPANS_S = [30, 60, 120];
const LONGEST_S = 120;

export interface Graph {
  /** What the width stands for. */
  spanS: number;
  /** One area a source, the origin at the bottom, in a box of `width` by `height`. */
  areas: string[];
  /** The top of the stack, as a line. */
  outline: string;
  /** What the top edge stands for, a round number. */
  max: number;
  /** Where the two marks between go, from the top, as shares of the height. */
  marks: { share: number; bytesPerS: number }[];
}

/** The next number of 1, 2, 3, 4, 5, 6, 8 or 10 times a power of ten: half of it is short to write, too. */
export function roundUp(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 3, 4, 5, 6, 8, 10].find((step) => step * power >= value) ?? 10) * power;
}

export function graph(
  history: HistoryPoint[],
  sources: number,
  width: number,
  height: number,
): Graph {
  const points = history.slice(-LONGEST_S).map((point) => point.bytesPerS);
  const spanS = SPANS_S.find((span) => span >= points.length) ?? LONGEST_S;
  const sums = points.map((point) => point.reduce((sum, n) => sum + n, 0));
  const max = roundUp(Math.max(0, ...sums) * 1.05);
  const x = (i: number) => round(width - ((points.length - 1 - i) * width) / (spanS - 1));
  const y = (bytesPerS: number) => round(height - (bytesPerS / max) * height);

  let below = points.map(() => 0);
  const areas: string[] = [];
  for (let source = 0; source < sources; source += 1) {
    const above = below.map((sum, i) => sum + (points[i]?.[source] ?? 0));
    areas.push(area(above, below, x, y));
    below = above;
  }
  return {
    spanS,
    areas,
    outline: points.length > 1 ? line(below, x, y) : '',
    max,
    marks: [0.5].map((share) => ({ share, bytesPerS: max * (1 - share) })),
  };
}

type Scale = (value: number) => number;

function line(values: number[], x: Scale, y: Scale): string {
  return values.map((value, i) => `${i === 0 ? 'M' : 'L'}${x(i)} ${y(value)}`).join('');
}

function area(above: number[], below: number[], x: Scale, y: Scale): string {
  if (above.length < 2) return '';
  const back = below.map((value, i) => `L${x(i)} ${y(value)}`).reverse();
  return `${line(above, x, y)}${back.join('')}Z`;
}

function round(n: number): number {
  return Math.round(n * 10) / 10;
}
