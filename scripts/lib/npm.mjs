/** The packages of the web UI, and its build. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, ROOT, say } from './run.mjs';

const STAMP = join(ROOT, 'node_modules/.manyhands-stamp');

/** Installs what `package-lock.json` says, unless it is there already. */
export async function ensureNodeModules() {
  const wanted = createHash('sha256')
    .update(readFileSync(join(ROOT, 'package-lock.json')))
    .update(process.version)
    .digest('hex');
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === wanted) return;
  say('npm ci');
  await must('npm', ['ci', '--no-audit', '--no-fund']);
  writeFileSync(STAMP, wanted);
}

/** Builds the page into `ui/dist`, which the desktop program embeds. */
export async function buildUi() {
  say('build the web UI');
  await must('npm', ['run', '--silent', 'ui:build'], { quiet: false });
}
