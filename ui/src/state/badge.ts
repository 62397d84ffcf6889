/** The short word on a file's badge: its extension, as far as it is one. */
const SHORT: Record<string, string> = {
  'tar.gz': 'TGZ',
  'tar.xz': 'TXZ',
  'tar.bz2': 'TBZ',
  'tar.zst': 'TZST',
};
const LONGEST = 4;

export function badge(name: string): string {
  const lower = name.toLowerCase();
  for (const [ending, word] of Object.entries(SHORT)) {
    if (lower.endsWith(`.${ending}`)) return word;
  }
  const ending = /\.([a-z0-9]+)$/.exec(lower)?.[1] ?? '';
  return ending !== '' && ending.length <= LONGEST ? ending.toUpperCase() : '';
}
