/** What is typed into the dialog for new downloads. It is kept when the dialog is closed, until it is added. */
import type { FailureView, NewDownload } from '../types';
import type { AskChoice } from './choices';
import { type BadLine, MAX_LINKS, readLines } from './links';

export const DEFAULT_CONNECTIONS = 8;
export const MAX_CONNECTIONS = 16;
/** Peers that appear so long after a download was added are asked too. */
const ASK_WAIT_S = 60;

export interface Draft {
  links: string;
  /** Empty: the default folder. */
  dir: string;
  name: string;
  sha256: string;
  connections: number;
  /** For the server alone: `Name: value`, one a line. */
  headers: string;
}

export const emptyDraft = (dir: string): Draft => ({
  links: '',
  dir,
  name: '',
  sha256: '',
  connections: DEFAULT_CONNECTIONS,
  headers: '',
});

/** What is wrong with a draft, by field; nothing when it can be tried. */
export type Problem =
  | { field: 'links'; kind: 'none' }
  | { field: 'links'; kind: 'too-many'; max: number }
  | { field: 'links'; kind: 'bad-line'; line: number; text: string }
  | { field: 'dir'; kind: 'relative' }
  | { field: 'headers'; kind: 'bad-header'; line: number; text: string }
  | { field: 'headers'; kind: 'several-hosts' };

export function problemOf(draft: Draft): Problem | null {
  const { links, bad } = readLines(draft.links);
  const [first] = bad;
  if (first) return { field: 'links', kind: 'bad-line', ...first };
  if (links.length === 0) return { field: 'links', kind: 'none' };
  if (links.length > MAX_LINKS) return { field: 'links', kind: 'too-many', max: MAX_LINKS };
  const dir = draft.dir.trim();
  // A letter and a colon: Windows.
  if (dir !== '' && !/^(\/|[a-z]:[\\/])/i.test(dir)) return { field: 'dir', kind: 'relative' };
  const read = readHeaders(draft.headers);
  if (read.bad) return { field: 'headers', kind: 'bad-header', ...read.bad };
  // A cookie is for the server that gave it.
  const hosts = new Set(links.map((link) => new URL(link).host));
  return read.headers.length > 0 && hosts.size > 1
    ? { field: 'headers', kind: 'several-hosts' }
    : null;
}

/** RFC 9110, 5.1 and 5.5: a token, and a value without control characters. */
const HEADER = /^[\w!#$%&'*+.^`|~-]+:[^\p{Cc}]*$/u;

/** One header a line, `Name: value`; empty lines count for nothing. */
export function readHeaders(text: string): { headers: string[]; bad: BadLine | null } {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const at = lines.findIndex((line) => line !== '' && !HEADER.test(line));
  const bad = at < 0 ? null : { line: at + 1, text: lines[at] ?? '' };
  return { headers: lines.filter((line) => line !== ''), bad };
}

/** Whether a link carries a user name or a password. */
export function hasLogin(link: string): boolean {
  try {
    const { username, password } = new URL(link);
    return username !== '' || password !== '';
  } catch {
    return false;
  }
}

/** What to ask of the engine: one a link; name and digest belong to a single one only. */
export function downloadsOf(draft: Draft, ask: AskChoice): NewDownload[] {
  const { links } = readLines(draft.links);
  const single = links.length === 1;
  const { headers } = readHeaders(draft.headers);
  const given = (text: string) => (text.trim() === '' ? null : text.trim());
  return links.map((url) => ({
    url,
    dir: given(draft.dir),
    out: single ? given(draft.name) : null,
    sha256: single ? given(draft.sha256) : null,
    connections: draft.connections,
    ...(headers.length > 0 && { headers }),
    ...(ask !== 'none' && { ask: { who: ask, waitS: ASK_WAIT_S } }),
  }));
}

export interface Outcome {
  added: number[];
  /** Those that the engine refused. */
  refused: { download: NewDownload; failure: FailureView }[];
}

/** The draft that is left after some were added: the refused links, and everything else that was typed. */
export function rest(draft: Draft, outcome: Outcome): Draft {
  return { ...draft, links: outcome.refused.map(({ download }) => download.url).join('\n') };
}

/** New links are put under those that are there already. */
export function withLinks(draft: Draft, links: string[]): Draft {
  const there = readLines(draft.links).links;
  const fresh = links.filter((link) => !there.includes(link));
  const before = draft.links.trimEnd();
  return { ...draft, links: [...(before === '' ? [] : [before]), ...fresh].join('\n') };
}
