/** An origin of the test's own: manyhands-faultserver on a free port. */
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { firstLineOf, start } from './screen.mjs';

const SERVER = join(dirname(process.env.MANYHANDS_BIN ?? ''), 'manyhands-faultserver');

/** Serves a file. @returns its link */
export async function serve(name, options) {
  return (await startOrigin(name, options)).link;
}

/** Serves a file. An option that is `true` is a flag. @returns its link, and the server's process */
export async function startOrigin(name, options) {
  const parameters = Object.entries(options).flatMap(([key, value]) =>
    value === true ? [`--${key}`] : [`--${key}`, String(value)],
  );
  const arguments_ = ['--path', `/${encodeURI(name)}`, ...parameters];
  const process_ = start(SERVER, arguments_, process.env, 'pipe');
  return { link: await firstLineOf(process_), process: process_ };
}

/** The SHA-256 of the file behind a link, fetched whole by this process. */
export async function digestOf(link) {
  const answer = await fetch(link);
  return createHash('sha256')
    .update(Buffer.from(await answer.arrayBuffer()))
    .digest('hex');
}
