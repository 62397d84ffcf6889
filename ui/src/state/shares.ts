/** How a progress bar is divided among those who brought the bytes. */
import type { DownloadRow } from '../types';

/**
 * Whole percents whose sum is 100: each is rounded down, and what is missing goes to those who lost most by that.
 */
export function percents(amounts: readonly number[]): number[] {
  const all = amounts.reduce((sum, n) => sum + n, 0);
  if (all <= 0) return amounts.map(() => 0);
  const exact = amounts.map((n) => (n / all) * 100);
  const whole = exact.map(Math.floor);
  const missing = 100 - whole.reduce((sum, n) => sum + n, 0);
  const lostMost = exact
    .map((n, place) => ({ place, lost: n - Math.floor(n) }))
    .sort((a, b) => b.lost - a.lost || a.place - b.place)
    .slice(0, missing);
  for (const { place } of lostMost) whole[place] = (whole[place] ?? 0) + 1;
  return whole;
}

export interface Share {
  source: number;
  /** Of the whole bar, 0 to 1. */
  share: number;
}

/**
 * The parts of the bar, in the order of the sources. Together they are as long as what is on disk, whatever was received
 * twice or thrown away; bytes of an earlier run that no source claims are yours.
 */
export function shares(row: Pick<DownloadRow, 'bytes' | 'total' | 'sources'>): Share[] {
  if (!row.total || row.bytes <= 0) return [];
  const whole = Math.min(1, row.bytes / row.total);
  const received = row.sources.map((source) => source.bytes);
  const all = received.reduce((sum, n) => sum + n, 0);
  if (all === 0) return [{ source: 0, share: whole }];
  return received
    .map((bytes, source) => ({ source, share: (bytes / all) * whole }))
    .filter(({ share }) => share > 0);
}
