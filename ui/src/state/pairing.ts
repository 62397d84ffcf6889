/** Which pairing the dialog is about. Pure. */
import type { PairingRow } from '../types';

const RUNNING: ReadonlySet<PairingRow['state']> = new Set([
  'connecting',
  'compare',
  'waiting_for_other',
]);

export const isRunning = (pairing: PairingRow): boolean => RUNNING.has(pairing.state);

/**
 * The one that is shown stays until it is closed, with its end. Otherwise the first that runs; one that has ended before
 * anybody saw it is nobody's business any more.
 */
export function pairingOf(
  pairings: readonly PairingRow[],
  shown: PairingRow | null,
  closed: readonly string[],
): PairingRow | null {
  if (shown) {
    const now = pairings.find(({ id }) => id === shown.id);
    if (now) return now;
    if (!isRunning(shown)) return shown;
  }
  return pairings.find((pairing) => isRunning(pairing) && !closed.includes(pairing.id)) ?? null;
}

/** Six digits as they are read out: two groups of three. */
export const groupsOf = (code: string): [string, string] => [code.slice(0, 3), code.slice(3)];
