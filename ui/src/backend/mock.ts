/**
 * An engine for the browser and for tests: it keeps a queue, downloads at the throughput that each source has, fails where
 * the link says so, and is driven by time alone. Nothing of it is in the product.
 */
import { isLink } from '../state/links';
import type {
  Action,
  Counts,
  DownloadDetails,
  DownloadRow,
  FailureView,
  Filter,
  HistoryPoint,
  LogLine,
  NewDownload,
  Query,
  RowState,
  View,
  Welcome,
} from '../types';
import { en } from '../i18n/en';
import type { Backend } from './index';

const MAX_ACTIVE = 3;
const MAX_CELLS = 512;
const MAX_ROWS = 200;
const HISTORY_POINTS = 120;
const CONNECT_MS = 700;
const FINISH_MS = 400;
const FIRST_PIECE_BYTES = 1 << 20;
const MAX_PIECES = 65_536;

export interface MockSource {
  name: string;
  bytesPerS: number;
  /** Joins after so many milliseconds of downloading. */
  joinsMs: number;
}

export interface MockDownload {
  name: string;
  host: string;
  total: number | null;
  /** The first is the origin. */
  sources: MockSource[];
  state?: RowState;
  /** Already there at the beginning, in shares of the whole. */
  share?: number;
  failure?: { code: keyof typeof en.failures; message: string };
  sha256?: string;
}

interface Entry {
  id: number;
  plan: MockDownload;
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
  log: LogLine[];
  failure: FailureView | null;
}

export class MockBackend implements Backend {
  #entries: Entry[] = [];
  #nextId = 1;
  #revision = 0;
  #now: number;
  #changed: () => void = () => {};
  #untilPoint = 1000;
  #random: () => number;
  readonly #downloadDir: string;
  recovered: string | null = null;
  /** What the dialog for folders answers. */
  picked: string | null = null;
  readonly opened: number[] = [];

  constructor(options: { downloads?: MockDownload[]; now?: number; seed?: number } = {}) {
    this.#now = options.now ?? Date.now();
    this.#random = randomFrom(options.seed ?? 1);
    this.#downloadDir = '/home/lin/Downloads';
    for (const plan of options.downloads ?? []) this.#push(plan, this.#downloadDir);
    this.#startWaiting();
  }

  /** Lets time go by, in steps of at most a tenth of a second. */
  advance(ms: number): void {
    for (let left = ms; left > 0; left -= 100) this.#step(Math.min(left, 100));
    this.#touch();
  }

  /** Runs with the clock of the page. */
  run(): void {
    let last = performance.now();
    setInterval(() => {
      const now = performance.now();
      this.advance(now - last);
      last = now;
    }, 100);
  }

  async view(query: Query): Promise<View> {
    const search = query.search.trim().toLowerCase();
    const matching = this.#entries.filter(
      (entry) =>
        (query.filter === 'all' || filterOf(entry.state) === query.filter) &&
        (entry.plan.name.toLowerCase().includes(search) || entry.plan.host.includes(search)),
    );
    const rows = matching.slice(query.first, query.first + Math.min(query.count, MAX_ROWS));
    const selected = this.#entries.find((entry) => entry.id === query.selected);
    return structuredClone({
      revision: this.#revision,
      counts: this.#counts(),
      bytesPerS: sum(this.#entries.flatMap((entry) => entry.rates)),
      canPauseAll: this.#entries.some((entry) => actionsOf(entry.state).includes('pause')),
      canResumeAll: this.#entries.some((entry) => entry.state === 'paused'),
      matching: matching.length,
      rows: rows.map(rowOf),
      details: selected ? detailsOf(selected) : null,
    });
  }

  async add(download: NewDownload): Promise<number> {
    if (!isLink(download.url)) {
      throw failure('bad-url', `“${download.url}” is no link.`);
    }
    if (download.dir !== null && !download.dir.startsWith('/')) {
      throw failure('folder', `${download.dir} is not an absolute path.`);
    }
    if (download.sha256 && !/^[0-9a-f]{64}$/i.test(download.sha256)) {
      throw failure('bad-digest', 'This is not a SHA-256: expected 64 hexadecimal digits.');
    }
    const url = new URL(download.url);
    const name = download.out ?? (url.pathname.split('/').pop() || url.hostname);
    const missing = /missing|404/.test(url.pathname);
    const entry = this.#push(
      {
        name,
        host: url.hostname,
        total: 64_000_000,
        sources: [{ name: url.hostname, bytesPerS: 8_000_000, joinsMs: 0 }],
        ...(missing && {
          failure: { code: 'not-found', message: `${url.hostname} answered 404 Not Found.` },
        }),
        ...(download.sha256 && { sha256: download.sha256.toLowerCase() }),
        state: 'queued',
      },
      download.dir ?? this.#downloadDir,
      download.url,
    );
    this.#startWaiting();
    this.#touch();
    return entry.id;
  }

  async pause(id: number): Promise<void> {
    this.#enter(this.#find(id), 'paused');
    this.#startWaiting();
    this.#touch();
  }

  async resume(id: number): Promise<void> {
    this.#enter(this.#find(id), 'queued');
    this.#startWaiting();
    this.#touch();
  }

  async remove(id: number): Promise<void> {
    this.#find(id);
    this.#entries = this.#entries.filter((entry) => entry.id !== id);
    this.#startWaiting();
    this.#touch();
  }

  async pauseAll(): Promise<void> {
    for (const entry of this.#entries) {
      if (actionsOf(entry.state).includes('pause')) this.#enter(entry, 'paused');
    }
    this.#touch();
  }

  async resumeAll(): Promise<void> {
    for (const entry of this.#entries) if (entry.state === 'paused') this.#enter(entry, 'queued');
    this.#startWaiting();
    this.#touch();
  }

  async openFolder(id: number): Promise<void> {
    this.opened.push(this.#find(id).id);
  }

  async pickFolder(): Promise<string | null> {
    return this.picked;
  }

  async welcome(): Promise<Welcome> {
    return { downloadDir: this.#downloadDir, recovered: this.recovered };
  }

  async onChange(changed: () => void): Promise<void> {
    this.#changed = changed;
  }

  #touch(): void {
    this.#revision += 1;
    this.#changed();
  }

  #counts(): Counts {
    const of = (filter: Filter) =>
      this.#entries.filter((entry) => filterOf(entry.state) === filter).length;
    return {
      all: this.#entries.length,
      active: of('active'),
      queued: of('queued'),
      done: of('done'),
    };
  }

  #find(id: number): Entry {
    const entry = this.#entries.find((entry) => entry.id === id);
    if (!entry) throw failure('internal', 'This cannot be done: there is no such download.');
    return entry;
  }

  #push(plan: MockDownload, dir: string, url?: string): Entry {
    const total = plan.total ?? 0;
    const count = total > 0 ? Math.min(MAX_CELLS, Math.ceil(total / pieceBytes(total))) : 0;
    const state = plan.state ?? 'queued';
    const entry: Entry = {
      id: this.#nextId++,
      plan,
      dir,
      url: url ?? `https://${plan.host}/${encodeURIComponent(plan.name)}`,
      state,
      since: this.#now,
      received: plan.sources.map(() => 0),
      rates: plan.sources.map(() => 0),
      cells: Array.from({ length: count }, () => ({ source: -1, percent: 0 })),
      activeMs: 0,
      history: [],
      second: plan.sources.map(() => 0),
      log: [],
      failure:
        state === 'failed' && plan.failure
          ? failure(plan.failure.code, plan.failure.message)
          : null,
    };
    const share = state === 'completed' ? 1 : (plan.share ?? 0);
    if (share > 0) this.#receive(entry, 0, share * total);
    entry.second = plan.sources.map(() => 0);
    this.#entries.push(entry);
    return entry;
  }

  #enter(entry: Entry, state: RowState): void {
    entry.state = state;
    entry.since = this.#now;
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
    entry.log.push({ atUnixMs: this.#now, text: texts[state] });
    if (state !== 'downloading') entry.rates = entry.rates.map(() => 0);
    if (state === 'failed' && entry.plan.failure) {
      entry.failure = failure(entry.plan.failure.code, entry.plan.failure.message);
    }
  }

  #startWaiting(): void {
    let active = this.#entries.filter((entry) => filterOf(entry.state) === 'active').length;
    for (const entry of this.#entries) {
      if (active >= MAX_ACTIVE) return;
      if (entry.state !== 'queued') continue;
      this.#enter(entry, 'connecting');
      active += 1;
    }
  }

  #step(ms: number): void {
    this.#now += ms;
    this.#untilPoint -= ms;
    for (const entry of this.#entries) this.#stepOne(entry, ms);
    if (this.#untilPoint <= 0) {
      this.#untilPoint += 1000;
      for (const entry of this.#entries) this.#point(entry);
    }
    this.#startWaiting();
  }

  #stepOne(entry: Entry, ms: number): void {
    const age = this.#now - entry.since;
    if (entry.state === 'connecting' && age >= CONNECT_MS) {
      this.#enter(entry, entry.plan.failure ? 'failed' : 'downloading');
    } else if (entry.state === 'finishing' && age >= FINISH_MS) {
      this.#enter(entry, 'completed');
    } else if (entry.state === 'downloading') {
      entry.activeMs += ms;
      entry.plan.sources.forEach((source, i) => {
        const on = entry.activeMs > source.joinsMs;
        // A line is never quite steady: each source wanders within a tenth of its throughput.
        const aim = on ? source.bytesPerS * (0.9 + 0.2 * this.#random()) : 0;
        entry.rates[i] = (entry.rates[i] ?? 0) * 0.92 + aim * 0.08;
        this.#receive(entry, i, ((entry.rates[i] ?? 0) * ms) / 1000);
      });
      if (entry.plan.total !== null && sum(entry.received) >= entry.plan.total) {
        this.#enter(entry, 'finishing');
      }
    }
  }

  #receive(entry: Entry, source: number, bytes: number): void {
    const total = entry.plan.total;
    const left = total === null ? bytes : Math.max(0, total - sum(entry.received));
    let rest = Math.min(bytes, left);
    entry.received[source] = (entry.received[source] ?? 0) + rest;
    entry.second[source] = (entry.second[source] ?? 0) + rest;
    if (total === null || entry.cells.length === 0) return;
    const cellBytes = total / entry.cells.length;
    while (rest > 0) {
      const cell = entry.cells[this.#cellOf(entry, source)];
      if (!cell) return;
      const room = ((100 - cell.percent) / 100) * cellBytes;
      const taken = Math.min(room, rest);
      cell.source = source;
      cell.percent = taken >= room ? 100 : cell.percent + (taken / cellBytes) * 100;
      rest -= taken;
    }
  }

  /** The cell that the source goes on with: each works through a zone of its own, then where something is missing. */
  #cellOf(entry: Entry, source: number): number {
    const zone = Math.floor((entry.cells.length * source) / entry.plan.sources.length);
    const free = (cell: { source: number; percent: number }) =>
      cell.percent < 100 && (cell.source === -1 || cell.source === source);
    const from = entry.cells.findIndex((cell, i) => i >= zone && free(cell));
    if (from >= 0) return from;
    const any = entry.cells.findIndex(free);
    return any >= 0 ? any : entry.cells.findIndex((cell) => cell.percent < 100);
  }

  #point(entry: Entry): void {
    if (filterOf(entry.state) === 'active') {
      entry.history.push({ bytesPerS: entry.second.map(Math.round) });
      entry.history = entry.history.slice(-HISTORY_POINTS);
    }
    entry.second = entry.second.map(() => 0);
  }
}

function filterOf(state: RowState): Filter {
  if (state === 'completed') return 'done';
  return state === 'connecting' || state === 'downloading' || state === 'finishing'
    ? 'active'
    : 'queued';
}

function actionsOf(state: RowState): Action[] {
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

function rowOf(entry: Entry): DownloadRow {
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
    help: [],
    sources: entry.plan.sources.flatMap((source, i) =>
      i > 0 && entry.activeMs <= source.joinsMs && !entry.received[i]
        ? []
        : [
            {
              kind: i === 0 ? ('origin' as const) : ('helper' as const),
              peer: i === 0 ? '' : `peer-${i}`,
              name: source.name,
              bytes: Math.round(entry.received[i] ?? 0),
              bytesPerS: Math.round(entry.rates[i] ?? 0),
              connections: entry.state === 'downloading' ? (i === 0 ? 4 : 1) : 0,
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

function detailsOf(entry: Entry): DownloadDetails {
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
  };
}

function pieceBytes(total: number): number {
  let size = FIRST_PIECE_BYTES;
  while (total / size > MAX_PIECES) size *= 2;
  return size;
}

function failure(code: keyof typeof en.failures, message: string): FailureView {
  return { code, message, hint: en.failures[code].hint };
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}

/** Numbers in [0, 1), the same ones for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
