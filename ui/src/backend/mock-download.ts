/** One simulated download: its sources, what each has brought to which piece, and how that is shown. */
import type {
  Action,
  DownloadDetails,
  DownloadRow,
  FailureView,
  Filter,
  HelpReason,
  HelpState,
  HistoryPoint,
  LimitView,
  LogLine,
  RowState,
} from '../types';
import { en } from '../i18n/en';

const MAX_CELLS = 512;
const HISTORY_POINTS = 120;
const LIMIT_AFTER_MS = 5000;
const FIRST_PIECE_BYTES = 1 << 20;
const MAX_PIECES = 65_536;

export interface MockSource {
  name: string;
  bytesPerS: number;
  /** Joins after so many milliseconds of downloading. */
  joinsMs: number;
  /** The helper's device id. */
  peer?: string;
}

export interface MockDownload {
  name: string;
  host: string;
  total: number | null;
  /** The first is the origin; the others were asked before. */
  sources: MockSource[];
  state?: RowState;
  /** Already there at the beginning, in shares of the whole. */
  share?: number;
  failure?: { code: keyof typeof en.failures; message: string };
  sha256?: string;
  /** What binds, once it runs for a while. */
  limit?: LimitView;
}

/** A peer that was asked, and since when it is in this state. */
export interface Asked {
  peer: string;
  name: string;
  state: HelpState;
  reason?: HelpReason;
  sinceMs: number;
}

export interface Entry {
  id: number;
  plan: MockDownload;
  /** Those of the plan, then the helpers that came. */
  sources: MockSource[];
  dir: string;
  url: string;
  state: RowState;
  /** Since when it is in this state. */
  since: number;
  received: number[];
  rates: number[];
  cells: { source: number; percent: number }[];
  activeMs: number;
  history: HistoryPoint[];
  second: number[];
  help: Asked[];
  /** Whom to ask as they appear, until when. */
  asking: { who: string; untilMs: number } | null;
  log: LogLine[];
  failure: FailureView | null;
}

export function newEntry(
  id: number,
  plan: MockDownload,
  dir: string,
  url: string,
  now: number,
): Entry {
  const total = plan.total ?? 0;
  const count = total > 0 ? Math.min(MAX_CELLS, Math.ceil(total / pieceBytes(total))) : 0;
  const state = plan.state ?? 'queued';
  const entry: Entry = {
    id,
    plan,
    sources: [...plan.sources],
    dir,
    url,
    state,
    since: now,
    received: plan.sources.map(() => 0),
    rates: plan.sources.map(() => 0),
    cells: Array.from({ length: count }, () => ({ source: -1, percent: 0 })),
    activeMs: 0,
    history: [],
    second: plan.sources.map(() => 0),
    help: [],
    asking: null,
    log: [],
    failure:
      state === 'failed' && plan.failure ? failure(plan.failure.code, plan.failure.message) : null,
  };
  const share = state === 'completed' ? 1 : (plan.share ?? 0);
  if (share > 0) receive(entry, 0, share * total);
  entry.second = plan.sources.map(() => 0);
  return entry;
}

export function enter(entry: Entry, state: RowState, now: number): void {
  entry.state = state;
  entry.since = now;
  entry.failure = null;
  const texts: Record<RowState, string> = {
    queued: 'Waits for its turn.',
    connecting: 'Asks the server.',
    downloading: 'Downloads.',
    finishing: 'All bytes are there; finishes the file.',
    paused: 'Paused.',
    completed: 'Completed.',
    failed: `Failed. ${entry.plan.failure?.message ?? ''}`.trim(),
  };
  entry.log.push({ atUnixMs: now, text: texts[state] });
  if (state !== 'downloading') entry.rates = entry.rates.map(() => 0);
  if (filterOf(state) !== 'active') {
    // Help ends with the run; whoever is wanted again is asked again.
    for (const asked of entry.help) {
      const source = entry.sources.find(({ peer }) => peer === asked.peer);
      if (source) source.bytesPerS = 0;
    }
    entry.help = [];
    entry.asking = null;
  }
  if (state === 'failed' && entry.plan.failure) {
    entry.failure = failure(entry.plan.failure.code, entry.plan.failure.message);
  }
}

/** A helper that has accepted is one more source; one that was there before goes on in its colour. */
export function join(entry: Entry, peer: string, name: string, bytesPerS: number): void {
  const before = entry.sources.find((source) => source.peer === peer);
  if (before) {
    before.bytesPerS = bytesPerS;
    return;
  }
  entry.sources.push({ name, peer, bytesPerS, joinsMs: entry.activeMs });
  entry.received.push(0);
  entry.rates.push(0);
  entry.second.push(0);
}

export function transfer(entry: Entry, ms: number, random: () => number): void {
  entry.activeMs += ms;
  entry.sources.forEach((source, i) => {
    const on = entry.activeMs > source.joinsMs;
    // A line is never quite steady: each source wanders within a tenth of its throughput.
    const aim = on ? source.bytesPerS * (0.9 + 0.2 * random()) : 0;
    entry.rates[i] = (entry.rates[i] ?? 0) * 0.92 + aim * 0.08;
    receive(entry, i, ((entry.rates[i] ?? 0) * ms) / 1000);
  });
}

function receive(entry: Entry, source: number, bytes: number): void {
  const total = entry.plan.total;
  const left = total === null ? bytes : Math.max(0, total - sum(entry.received));
  let rest = Math.min(bytes, left);
  entry.received[source] = (entry.received[source] ?? 0) + rest;
  entry.second[source] = (entry.second[source] ?? 0) + rest;
  if (total === null || entry.cells.length === 0) return;
  const cellBytes = total / entry.cells.length;
  while (rest > 0) {
    const cell = entry.cells[cellOf(entry, source)];
    if (!cell) return;
    const room = ((100 - cell.percent) / 100) * cellBytes;
    const taken = Math.min(room, rest);
    cell.source = source;
    cell.percent = taken >= room ? 100 : cell.percent + (taken / cellBytes) * 100;
    rest -= taken;
  }
}

/** The cell that the source goes on with: each works through a zone of its own, then where something is missing. */
function cellOf(entry: Entry, source: number): number {
  const zone = Math.floor((entry.cells.length * source) / entry.sources.length);
  const free = (cell: { source: number; percent: number }) =>
    cell.percent < 100 && (cell.source === -1 || cell.source === source);
  const from = entry.cells.findIndex((cell, i) => i >= zone && free(cell));
  if (from >= 0) return from;
  const any = entry.cells.findIndex(free);
  return any >= 0 ? any : entry.cells.findIndex((cell) => cell.percent < 100);
}

/** A second is over. */
export function point(entry: Entry): void {
  if (filterOf(entry.state) === 'active') {
    entry.history.push({ bytesPerS: entry.second.map(Math.round) });
    entry.history = entry.history.slice(-HISTORY_POINTS);
  }
  entry.second = entry.second.map(() => 0);
}

export function filterOf(state: RowState): Filter {
  if (state === 'completed') return 'done';
  return state === 'connecting' || state === 'downloading' || state === 'finishing'
    ? 'active'
    : 'queued';
}

export function actionsOf(state: RowState): Action[] {
  switch (state) {
    case 'queued':
    case 'connecting':
    case 'downloading':
      return ['pause', 'remove'];
    case 'finishing':
      return [];
    case 'paused':
    case 'failed':
      return ['resume', 'remove'];
    case 'completed':
      return ['open_folder', 'remove'];
  }
}

export function rowOf(entry: Entry): DownloadRow {
  const bytes = Math.round(sum(entry.received));
  const bytesPerS = Math.round(sum(entry.rates));
  const { total } = entry.plan;
  const done = entry.state === 'completed';
  return {
    id: entry.id,
    name: entry.plan.name,
    url: entry.url,
    host: entry.plan.host,
    state: entry.state,
    bytes: total === null ? bytes : Math.min(bytes, total),
    total: entry.state === 'connecting' && bytes === 0 ? null : total,
    bytesPerS,
    remainingS: total !== null && bytesPerS > 0 ? Math.ceil((total - bytes) / bytesPerS) : null,
    help: entry.help.map(({ peer, name, state, reason }) => ({
      peer,
      name,
      state,
      reason: reason ?? null,
    })),
    sources: entry.sources.flatMap((source, i) =>
      i > 0 && entry.activeMs <= source.joinsMs && !entry.received[i]
        ? []
        : [
            {
              kind: i === 0 ? ('origin' as const) : ('helper' as const),
              mode: i === 0 ? null : modeOf(entry.url),
              peer: i === 0 ? '' : (source.peer ?? `peer-${i}`),
              name: source.name,
              bytes: Math.round(entry.received[i] ?? 0),
              bytesPerS: Math.round(entry.rates[i] ?? 0),
              connections:
                entry.state === 'downloading' && source.bytesPerS > 0 ? (i === 0 ? 4 : 1) : 0,
            },
          ],
    ),
    failure: entry.failure,
    verification: done ? (entry.plan.sha256 ? 'verified' : 'from-server') : null,
    sha256: done ? (entry.plan.sha256 ?? null) : null,
    activeS: entry.activeMs / 1000,
    path: done ? `${entry.dir}/${entry.plan.name}` : null,
    actions: actionsOf(entry.state),
  };
}

export function detailsOf(entry: Entry): Omit<DownloadDetails, 'candidates'> {
  const { total } = entry.plan;
  const size = total ? pieceBytes(total) : 0;
  return {
    id: entry.id,
    row: rowOf(entry),
    pieceBytes: size,
    pieces: total ? Math.ceil(total / size) : 0,
    cellSources: entry.cells.map((cell) => cell.source),
    cellPercent: entry.cells.map((cell) => Math.floor(cell.percent)),
    history: entry.history,
    log: entry.log.slice(-50),
    limit: entry.activeMs > LIMIT_AFTER_MS ? (entry.plan.limit ?? null) : null,
  };
}

/** As in the engine: what is encrypted is carried, the rest is fetched. */
export const modeOf = (link: string): 'fetch' | 'relay' =>
  link.startsWith('https:') ? 'relay' : 'fetch';

function pieceBytes(total: number): number {
  let size = FIRST_PIECE_BYTES;
  while (total / size > MAX_PIECES) size *= 2;
  return size;
}

export function failure(code: keyof typeof en.failures, message: string): FailureView {
  return { code, message, hint: en.failures[code].hint };
}

export function sum(numbers: number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}
