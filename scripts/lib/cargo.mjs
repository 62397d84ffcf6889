/** Where cargo builds, and the tools beside it. */
import { mkdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { ask, must, ROOT, say } from './run.mjs';

/** Outside of the checkout: tools, and in CI the build. */
export const CACHE = resolve(
  process.env.MANYHANDS_CACHE ??
    join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'manyhands'),
);

export const TARGET = resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target');

/** The programs that tests need, the versions that will do, and the one that is installed where there is none. */
const TOOLS = [
  {
    name: 'cargo-nextest',
    ask: ['nextest', '--version'],
    fits: /nextest 0\.9\./,
    install: '0.9.143',
  },
  { name: 'cargo-deny', ask: ['deny', '--version'], fits: /deny 0\.20\./, install: '0.20.2' },
];

/** Makes the tools available to everything that is run from here on. */
export async function ensureTools() {
  const root = join(CACHE, 'tools');
  process.env.PATH = `${join(root, 'bin')}${delimiter}${process.env.PATH}`;
  for (const tool of TOOLS) {
    if (tool.fits.test(ask('cargo', ...tool.ask) ?? '')) continue;
    say(`install ${tool.name} ${tool.install}`);
    mkdirSync(root, { recursive: true });
    const build = join(CACHE, 'tools-build');
    await must(
      'cargo',
      ['install', '--locked', '--root', root, '--version', tool.install, tool.name],
      {
        env: { CARGO_TARGET_DIR: build },
        quiet: true,
      },
    );
    rmSync(build, { recursive: true, force: true });
  }
}

/** A program that was built. */
export function built(profile, name) {
  return join(TARGET, profile, process.platform === 'win32' ? `${name}.exe` : name);
}
