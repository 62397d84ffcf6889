/** An origin of the test's own: manyhands-faultserver on a free port. */
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { firstLine } from './screen.mjs';

const SERVER = join(dirname(process.env.MANYHANDS_BIN ?? ''), 'manyhands-faultserver');

/** Serves a file. @returns its link */
export function serve(name, options) {
  const parameters = Object.entries(options).flatMap(([key, value]) => [`--${key}`, String(value)]);
  return firstLine(SERVER, ['--path', `/${encodeURI(name)}`, ...parameters]);
}

/** The SHA-256 of the file behind a link, fetched whole by this process. */
export async function digestOf(link) {
  const answer = await fetch(link);
  return createHash('sha256')
    .update(Buffer.from(await answer.arrayBuffer()))
    .digest('hex');
}
