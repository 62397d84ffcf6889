/** What is said about others: which request is asked about, who is offered as a helper, what became of asking. Pure. */
import type {
  AskFor,
  Candidate,
  DownloadDetails,
  DownloadRow,
  HelpRow,
  PeerRow,
  RequestRow,
  Together,
} from '../types';
import { colour } from './colours';
import type { Place } from './page';

/**
 * The request that the banner asks about. The one that was shown stays as long as it waits, so that no other one comes
 * under a pointer that is about to press; on the page of requests there is no banner.
 */
export function promptOf(
  requests: readonly RequestRow[],
  place: Place,
  shown: string | null,
): RequestRow | null {
  if (place === 'requests') return null;
  return requests.find(({ id }) => id === shown) ?? requests[0] ?? null;
}

/** All requests, each where it stands already; those that are new come last, whoever sent them. */
export function inOrderOfArrival(
  requests: readonly RequestRow[],
  shown: readonly RequestRow[],
): RequestRow[] {
  const waiting = new Map(requests.map((request) => [request.id, request]));
  const order = new Set([...shown, ...requests].map(({ id }) => id));
  return [...order].flatMap((id) => waiting.get(id) ?? []);
}

/** Whom the details offer to ask: nobody as soon as anybody was asked. */
export function offerOf(details: DownloadDetails): { friends: number; others: number } | null {
  const able = details.candidates.filter(({ proposed }) => proposed);
  if (able.length === 0 || details.row.help.length > 0) return null;
  const friends = able.filter(({ friend }) => friend).length;
  return { friends, others: able.length - friends };
}

/**
 * Who is ticked before the user has ticked anybody: friends alone, and nobody who would learn the link only since the user wants
 * it fetched.
 */
export function proposedOf(candidates: readonly Candidate[], wish: HelpWish): ReadonlySet<string> {
  const able = candidates.filter(
    ({ proposed, friend, lending, relays }) =>
      proposed && friend && lending && !(wish === 'fetch' && relays),
  );
  return new Set(able.map(({ peer }) => peer));
}

/** How others are to help: as the rules say, or in one way only. */
export type HelpWish = NonNullable<AskFor['mode']>;
export const HELP_WISHES: readonly HelpWish[] = ['auto', 'relay', 'fetch'];

/** A candidate who helps as it was wished, if it can. */
export interface Able extends Candidate {
  able: boolean;
}

/** What becomes of the candidates where they are to help in one way only. */
export function ableOf(candidates: readonly Candidate[], wish: HelpWish): Able[] {
  return candidates.map((candidate) => {
    if (wish === 'auto') return { ...candidate, able: candidate.mode !== null };
    const able = wish === 'relay' ? candidate.relays : candidate.fetches;
    return { ...candidate, mode: wish, able };
  });
}

/** Those who are ticked and can still be asked, in the order in which they are shown. */
export function tickedOf(candidates: readonly Able[], ticked: ReadonlySet<string>): Able[] {
  return candidates.filter(({ peer, lending, able }) => lending && able && ticked.has(peer));
}

/** The dot beside a peer: its colour as a source of the selected download, otherwise just that it is there. */
export function dotOf(peer: PeerRow, selected: DownloadRow | null): string {
  const place = selected?.sources.findIndex((source) => source.peer === peer.peer) ?? -1;
  const helps = selected?.help.some(
    (asked) => asked.peer === peer.peer && asked.state === 'accepted',
  );
  return place > 0 && helps ? colour(place) : 'var(--good)';
}

/** What the peers that were asked said, where that is not seen among the sources. */
export function answersOf(row: DownloadRow): HelpRow[] {
  const listed = new Set(row.sources.map(({ peer }) => peer));
  return row.help.filter(({ peer, state }) => state !== 'accepted' || !listed.has(peer));
}

/** Whether anybody at all can hear a question now. */
export const anybodyThere = (together: Together | null): boolean => (together?.online ?? 0) > 0;

/** Hosts that were typed one a line, or with commas between. */
export const hostsOf = (text: string): string[] =>
  text.split(/[\s,]+/).filter((host) => host !== '');

/** A device id, as short as everywhere in the program. */
export const shortId = (device: string): string => device.slice(0, 8);

/** How long a request waits for an answer, in seconds; `PENDING_S` of the protocol. */
export const PENDING_S = 60;
