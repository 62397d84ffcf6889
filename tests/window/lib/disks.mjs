/**
 * The program in a mount namespace of its own, with disks that the test chooses: nothing is mounted for anybody else.
 *
 * Needs root or unprivileged user namespaces.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { processOf } from './app.mjs';

/** Root needs no user namespace, and inside a chroot gets none. */
const INTO = process.getuid() === 0 ? ['--mount'] : ['--user', '--map-root-user', '--mount'];

/**
 * Writes a program that becomes the window's, with a small disk and one that cannot be written to.
 *
 * @param options `small`, `readOnly`: folders that are to be disks; `smallBytes`: how much fits on the small one
 * @returns the path of that program
 */
export function withDisks(base, { small, readOnly, smallBytes }) {
  const tried = spawnSync('unshare', [...INTO, 'true'], { encoding: 'utf8' });
  assert.equal(
    tried.status,
    0,
    `disks of the test's own need root or unprivileged user namespaces: ${tried.stderr}`,
  );
  for (const folder of [small, readOnly]) mkdirSync(folder);
  const path = join(base, 'manyhands-with-disks');
  writeFileSync(
    path,
    `#!/bin/sh
exec unshare ${INTO.join(' ')} sh -ec '
  mount -t tmpfs -o size=${smallBytes},mode=700 tmpfs "${small}"
  mount -t tmpfs -o ro tmpfs "${readOnly}"
  exec "$0" "$@"' "${process.env.MANYHANDS_BIN}" "$@"
`,
  );
  chmodSync(path, 0o755);
  return path;
}

/** A path as the program that runs on a profile sees it. */
export function asSeenBy(dataDir, path) {
  return join(`/proc/${processOf(dataDir)}/root`, path);
}
