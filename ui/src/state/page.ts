/**
 * What the page shows: pure. `apply` takes what happened, `queryOf` says what to ask the engine next.
 *
 * The list may have ten thousand rows; only a window of them is ever here.
 */
import type { DownloadRow, Filter, Query, View } from '../types';

/** Rows asked for before and after the visible ones, so that keys and the wheel meet no gap. */
const MARGIN = 20;
/** The engine gives no more rows at once. */
const MAX_ROWS = 200;
/** Peers that the sidebar shows … */
export const PEERS_BESIDE = 6;
/** … and that the page of friends does: more are not given. */
const MAX_PEERS = 500;

/** What is shown in the middle. */
export const PLACES = ['downloads', 'friends', 'requests', 'helping'] as const;
export type Place = (typeof PLACES)[number];

export interface Page {
  place: Place;
  filter: Filter;
  search: string;
  /** The visible rows, `first` and how many. */
  visible: { first: number; count: number };
  selected: Selection | null;
  /** A row that was chosen by its place before it had arrived. */
  wantedIndex: number | null;
  view: View | null;
  /** Where the rows of `view` begin. */
  viewFirst: number;
}

export interface Selection {
  id: number;
  /** Its place in the list, as far as it is known; where the selection goes when it is removed. */
  index: number;
}

export type PageEvent =
  | { kind: 'view-arrived'; query: Query; view: View }
  | { kind: 'place-chosen'; place: Place }
  /** These two lead to the downloads, wherever one is. */
  | { kind: 'filter-chosen'; filter: Filter }
  | { kind: 'search-typed'; search: string }
  | { kind: 'scrolled'; first: number; count: number }
  | { kind: 'row-chosen'; id: number; index: number }
  | { kind: 'moved-by'; rows: number }
  | { kind: 'moved-to'; index: number }
  /** `index`: where the queue ended before. */
  | { kind: 'added'; id: number; index: number }
  | { kind: 'details-closed' };

export const emptyPage: Page = {
  place: 'downloads',
  filter: 'all',
  search: '',
  visible: { first: 0, count: 20 },
  selected: null,
  wantedIndex: null,
  view: null,
  viewFirst: 0,
};

/** What to ask the engine for. */
export function queryOf(page: Page): Query {
  const around = page.wantedIndex ?? page.visible.first;
  const first = Math.max(0, Math.min(around, page.visible.first) - MARGIN);
  const last = Math.max(around, page.visible.first + page.visible.count) + MARGIN;
  const near = last - first <= MAX_ROWS;
  return {
    filter: page.filter,
    search: page.search,
    first: near ? first : Math.max(0, around - MARGIN),
    count: near ? last - first : page.visible.count + 2 * MARGIN,
    selected: page.selected?.id ?? null,
    peers: page.place === 'friends' ? MAX_PEERS : PEERS_BESIDE,
    members: page.place === 'friends',
  };
}

export function rowAt(page: Page, index: number): DownloadRow | undefined {
  return page.view?.rows[index - page.viewFirst];
}

/** The selected download, wherever it stands; stale only until the next view arrives. */
export function selectedRow(page: Page): DownloadRow | null {
  const { selected, view } = page;
  if (!selected || !view) return null;
  if (view.details?.id === selected.id) return view.details.row;
  return view.rows.find((row) => row.id === selected.id) ?? null;
}

export function apply(page: Page, event: PageEvent): Page {
  switch (event.kind) {
    case 'view-arrived':
      return arrived(page, event.query, event.view);
    case 'place-chosen':
      return event.place === page.place ? page : { ...page, place: event.place };
    case 'filter-chosen':
      if (event.filter === page.filter) return { ...page, place: 'downloads' };
      return { ...restarted(page), filter: event.filter };
    case 'search-typed':
      if (event.search === page.search) return page;
      return { ...restarted(page), search: event.search };
    case 'scrolled':
      if (event.first === page.visible.first && event.count === page.visible.count) return page;
      return { ...page, visible: { first: event.first, count: event.count } };
    case 'row-chosen':
      return { ...page, selected: { id: event.id, index: event.index }, wantedIndex: null };
    case 'moved-by': {
      const from = page.wantedIndex ?? page.selected?.index;
      return movedTo(page, from === undefined ? page.visible.first : from + event.rows);
    }
    case 'moved-to':
      return movedTo(page, event.index);
    case 'added': {
      // It stands at the end of the queue, and is shown there whatever was looked at before.
      const { id, index } = event;
      return {
        ...restarted(page),
        filter: 'all',
        search: '',
        selected: { id, index },
        wantedIndex: index,
      };
    }
    case 'details-closed':
      return { ...page, selected: null, wantedIndex: null };
  }
}

/** Another list: it begins at its top. */
function restarted(page: Page): Page {
  return {
    ...page,
    place: 'downloads',
    visible: { first: 0, count: page.visible.count },
    selected: null,
    wantedIndex: null,
  };
}

function movedTo(page: Page, to: number): Page {
  const matching = page.view?.matching ?? 0;
  if (matching === 0) return page;
  const index = Math.min(matching - 1, Math.max(0, to));
  const row = rowAt(page, index);
  return row
    ? { ...page, selected: { id: row.id, index }, wantedIndex: null }
    : { ...page, wantedIndex: index };
}

function arrived(page: Page, query: Query, view: View): Page {
  // An answer to a question that nobody asks any more.
  if (query.filter !== page.filter || query.search !== page.search) return page;
  const next = { ...page, view, viewFirst: query.first };
  const { selected, wantedIndex } = next;
  // What was added is known by its id: the answer to an older question does not have it yet.
  if (wantedIndex !== null && wantedIndex !== selected?.index) return movedTo(next, wantedIndex);
  if (!selected) return next;
  const { id } = selected;
  const place = view.rows.findIndex((row) => row.id === id);
  if (place >= 0) {
    return { ...next, selected: { id, index: query.first + place }, wantedIndex: null };
  }
  if (query.selected === id && view.details) {
    // What was added may have been there before, anywhere in the list.
    const index = view.selectedIndex;
    const wanted = wantedIndex === null ? null : index;
    return { ...next, selected: { id, index: index ?? selected.index }, wantedIndex: wanted };
  }
  // It is gone when the engine was asked for it and knows nothing of it: the neighbour takes its place.
  const gone = query.selected === selected.id && view.details === null;
  return gone ? movedTo({ ...next, selected: null }, selected.index) : next;
}
