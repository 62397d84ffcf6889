/** Simulated pairings, in both roles. */
import type { PairingRow, PairingState } from '../types';

/** As in the engine: from the beginning to the end … */
const RUN_MS = 60_000;
/** … and how long its end is shown. */
const KEPT_MS = 60_000;
const CONNECT_MS = 800;
const OTHER_MS = 2500;

/** Somebody who wants to pair with this device. */
export interface MockPairing {
  peer: string;
  afterMs?: number;
}

interface Run {
  row: Omit<PairingRow, 'expiresInS'>;
  sinceMs: number;
  untilMs: number;
  /** What becomes of it once this user has said that the digits are the same. */
  ends: PairingState;
}

export class MockPairings {
  #runs: Run[] = [];
  #nextId = 1;

  begin(
    who: { peer: string; name: string },
    incoming: boolean,
    ends: PairingState,
    now: number,
  ): string {
    const id = `pairing-${this.#nextId++}`;
    const code = incoming ? codeOf(id) : null;
    const state = incoming ? 'compare' : 'connecting';
    const row = { id, peer: who.peer, name: who.name, incoming, code, state } as const;
    this.#runs.push({ row, sinceMs: now, untilMs: now + RUN_MS, ends });
    return id;
  }

  /** `false` when there is nothing to answer any more. */
  answer(id: string, same: boolean, now: number): boolean {
    const run = this.#runs.find(({ row }) => row.id === id);
    const open = ['connecting', 'compare', 'waiting_for_other'];
    if (!run || !open.includes(run.row.state)) return false;
    if (same && run.row.state !== 'compare') return false;
    enter(run, same ? 'waiting_for_other' : 'refused', now);
    return true;
  }

  /** @returns the peers that are paired now */
  step(now: number): string[] {
    const paired: string[] = [];
    for (const run of this.#runs) {
      const age = now - run.sinceMs;
      const { state } = run.row;
      if (state === 'connecting' && age >= CONNECT_MS) {
        run.row.code = run.ends === 'failed' ? null : codeOf(run.row.id);
        enter(run, run.ends === 'failed' || run.ends === 'cheated' ? run.ends : 'compare', now);
      } else if (state === 'waiting_for_other' && age >= OTHER_MS && run.ends !== 'expired') {
        enter(run, run.ends, now);
        if (run.ends === 'paired') paired.push(run.row.peer);
      } else if ((state === 'compare' || state === 'waiting_for_other') && now >= run.untilMs) {
        enter(run, 'expired', now);
      }
    }
    this.#runs = this.#runs.filter(({ untilMs }) => untilMs + KEPT_MS > now);
    return paired;
  }

  rows(now: number): PairingRow[] {
    return this.#runs.map(({ row, untilMs }) => ({
      ...row,
      expiresInS: Math.max(0, Math.floor((untilMs - now) / 1000)),
    }));
  }
}

function enter(run: Run, state: PairingState, now: number): void {
  run.row = { ...run.row, state };
  run.sinceMs = now;
}

/** Six digits; the same ones for the same pairing. */
function codeOf(id: string): string {
  const mixed = [...id].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 1_000_003, 7);
  return String(mixed % 1_000_000).padStart(6, '0');
}
