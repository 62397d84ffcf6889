/** Reads links out of what people type, paste and drop. What a link is in the end is decided by the engine. */

/** More than this in one go is a mistake, and the engine would be asked one by one. */
export const MAX_LINKS = 500;

const SCHEMES = new Set(['http:', 'https:', 'ftp:']);

export interface BadLine {
  /** Counted from 1. */
  line: number;
  text: string;
}

export interface ReadLinks {
  links: string[];
  bad: BadLine[];
}

/** Whether it looks like a link that can be downloaded. */
export function isLink(text: string): boolean {
  try {
    const url = new URL(text);
    return SCHEMES.has(url.protocol) && url.hostname !== '';
  } catch {
    return false;
  }
}

/** One link a line; empty lines count for nothing, and a link that comes twice is taken once. */
export function readLines(text: string): ReadLinks {
  const links = new Set<string>();
  const bad: BadLine[] = [];
  text.split(/\r\n|\r|\n/).forEach((raw, index) => {
    const line = raw.trim();
    if (line === '') return;
    if (isLink(line)) links.add(line);
    else bad.push({ line: index + 1, text: line });
  });
  return { links: [...links], bad };
}

/** The links in a pasted text, which may be prose: whole words that look like links. */
export function linksIn(text: string): string[] {
  const words = text.split(/\s+/).map((word) => word.replace(/^[<("'[]+|[>)"'\],;]+$/g, ''));
  return [...new Set(words.filter(isLink))];
}

/** The links of a drop: `text/uri-list` (RFC 2483: one a line, `#` begins a comment), otherwise the plain text. */
export function droppedLinks(data: Pick<DataTransfer, 'getData'>): string[] {
  const list = data.getData('text/uri-list').split(/\r?\n/);
  const links = list
    .map((line) => line.trim())
    .filter((line) => !line.startsWith('#') && isLink(line));
  return links.length > 0 ? [...new Set(links)] : linksIn(data.getData('text/plain'));
}
