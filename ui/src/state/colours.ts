/**
 * The colours of sources: 0 is you, helpers take the others in turn, in the order in which they came.
 *
 * Blue, amber, green and violet stay apart for all common kinds of colour blindness (they differ in lightness too); text
 * says the same everywhere. The values are in `style/theme.css`.
 */
export const COLOURS = 8;

/** The place of a source's colour: you keep yours, the others share the rest. */
export function colourIndex(source: number): number {
  return source <= 0 ? 0 : 1 + ((source - 1) % (COLOURS - 1));
}

/** For styles. */
export function colour(source: number): string {
  return `var(--source-${colourIndex(source)})`;
}

/** A peer's own colour where it is no source: the same one every time, never yours. */
export const peerColour = (peer: string): string => colour(peerIndex(peer));

function peerIndex(peer: string): number {
  let mixed = 0;
  for (const letter of peer) mixed = (Math.imul(mixed, 31) + (letter.codePointAt(0) ?? 0)) >>> 0;
  return 1 + (mixed % (COLOURS - 1));
}

/**
 * The colours of peers who are seen together: each its own one, or the next that nobody else has as long as there is one. In
 * whatever order they stand, each keeps it.
 */
export function peerColours(peers: readonly string[]): string[] {
  const given = new Map<string, number>();
  let taken = new Set<number>();
  for (const peer of [...peers].sort()) {
    let index = peerIndex(peer);
    while (taken.has(index)) index = 1 + (index % (COLOURS - 1));
    given.set(peer, index);
    taken.add(index);
    if (taken.size === COLOURS - 1) taken = new Set();
  }
  return peers.map((peer) => colour(given.get(peer) ?? 1));
}

/** The letter in an avatar: the first that is one, whole, in whatever script. */
export function initial(name: string): string {
  const [letter] = /[\p{L}\p{N}]/u.exec(name) ?? [];
  return letter?.toLocaleUpperCase() ?? '?';
}
