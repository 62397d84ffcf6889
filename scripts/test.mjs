/**
 * npm test: installs what the tests need, then runs everything.
 *
 * All stages run, even when one fails. The last line of the output is `N passed, N failed, N skipped`. With CI=true a
 * missing part is a failure, otherwise a skip that says so. `npm test -- clippy window` runs the stages that are named.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { built, ensureTools } from './lib/cargo.mjs';
import { add, none, ofLibtest, ofLine, ofNextest, ofVitest } from './lib/counts.mjs';
import { buildUi, ensureNodeModules } from './lib/npm.mjs';
import { main, must, ROOT, run, say, Trouble } from './lib/run.mjs';
import { runStages, Skip } from './lib/stages.mjs';
import { BUILD_PACKAGES, checkLanguages, ensurePackages, TEST_PACKAGES } from './lib/system.mjs';

const GENERATED = join(ROOT, 'ui/src/generated');
const scratch = mkdtempSync(join(tmpdir(), 'manyhands-test-'));

const STAGES = [
  { name: 'rustfmt', kind: 'checks', run: check('cargo', 'fmt', '--all', '--check') },
  {
    name: 'clippy',
    kind: 'checks',
    run: check(
      'cargo',
      'clippy',
      '--locked',
      '--workspace',
      '--all-targets',
      '--',
      '-D',
      'warnings',
    ),
  },
  {
    name: 'deny: licences, sources, who may use what',
    kind: 'checks',
    run: check('cargo', 'deny', '--offline', '--locked', 'check', 'bans', 'licenses', 'sources'),
  },
  { name: 'generated types', kind: 'checks', run: generatedTypes },
  { name: 'svelte-check', kind: 'checks', run: check('npm', 'run', '--silent', 'ui:check') },
  { name: 'eslint, prettier', kind: 'checks', run: check('npm', 'run', '--silent', 'lint') },
  { name: 'ui tests', kind: 'ui', run: uiTests },
  { name: 'script tests', kind: 'scripts', run: scriptTests },
  { name: 'rust tests', kind: 'rust', run: rustTests },
  { name: 'rust doc tests', kind: 'rust', run: docTests },
  { name: 'campus: the program in real networks', kind: 'campus', run: campus },
  { name: 'window: the real program on a screen', kind: 'window', run: windowTests },
];

main(async () => {
  const wanted = process.argv.slice(2);
  const stages = STAGES.filter(
    ({ name }) => wanted.length === 0 || wanted.some((word) => name.includes(word)),
  );
  if (stages.length === 0) {
    throw new Trouble(
      `No stage is called so. There are: ${STAGES.map(({ name }) => name).join('; ')}`,
    );
  }
  try {
    await prepare();
    const good = await runStages(stages, { nothingMayBeMissing: process.env.CI === 'true' });
    return good ? 0 : 1;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});

async function prepare() {
  checkLanguages();
  await ensurePackages([...BUILD_PACKAGES, ...TEST_PACKAGES]);
  await ensureNodeModules();
  await ensureTools();
  // The desktop program embeds the page: without it nothing compiles.
  await buildUi();
  say('fetch crates');
  await must('cargo', ['fetch', '--locked'], { quiet: true });
}

function check(command, ...parameters) {
  return async () => {
    const { code } = await run(command, parameters);
    if (code !== 0) throw new Trouble(`${command} ended with ${code}.`);
  };
}

/** Counts where there are any; otherwise the exit code alone says that it failed. */
function judge(counts, code) {
  if (!counts) return { ...none(), failed: 1 };
  return code !== 0 && counts.failed === 0 ? add(counts, { ...none(), failed: 1 }) : counts;
}

/** Has the types written elsewhere, and compares. */
async function generatedTypes() {
  const fresh = mkdtempSync(join(scratch, 'types-'));
  const filter = ['--workspace', '--locked', '-E', 'test(/export_bindings_/)'];
  const { code } = await run('cargo', ['nextest', 'run', ...filter], {
    env: { TS_RS_EXPORT_DIR: fresh },
  });
  if (code !== 0) throw new Trouble('The types could not be generated.');
  const read = (folder) =>
    Object.fromEntries(
      readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]),
    );
  const [wanted, there] = [read(fresh), read(GENERATED)];
  const names = [...new Set([...Object.keys(wanted), ...Object.keys(there)])];
  const stale = names.filter((name) => wanted[name] !== there[name]);
  if (stale.length > 0) {
    throw new Trouble(
      `Out of date in ui/src/generated: ${stale.join(', ')}. Run: cargo test --workspace export_bindings`,
    );
  }
}

async function uiTests() {
  const report = join(scratch, 'vitest.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const { code } = await run('npx', ['vitest', 'run', '--root', 'ui', ...reporters]);
  return judge(existsSync(report) ? ofVitest(readFileSync(report, 'utf8')) : null, code);
}

async function scriptTests() {
  // Named one by one: given a folder, node would take this very file for a test.
  const folder = join(ROOT, 'scripts/lib');
  const files = readdirSync(folder).filter((name) => name.endsWith('.test.mjs'));
  const { code, output } = await run(
    'node',
    ['--test', '--test-reporter=tap', ...files.map((name) => join(folder, name))],
    { quiet: true, maxMinutes: 5 },
  );
  if (code !== 0) console.log(output);
  const of = (word) => Number(new RegExp(`^# ${word} (\\d+)$`, 'm').exec(output)?.[1] ?? 0);
  return judge({ passed: of('pass'), failed: of('fail'), skipped: of('skipped') }, code);
}

async function rustTests() {
  const parameters = ['nextest', 'run', '--workspace', '--locked', '--no-fail-fast'];
  const { code, output } = await run('cargo', parameters, { maxMinutes: 45 });
  return judge(ofNextest(output), code);
}

async function docTests() {
  const { code, output } = await run('cargo', ['test', '--workspace', '--locked', '--doc']);
  return judge(ofLibtest(output), code);
}

async function campus() {
  if (!existsSync(join(ROOT, 'lab/campus'))) throw new Skip('lab/campus is not in this checkout.');
  if (process.platform !== 'linux' || process.getuid() !== 0) {
    throw new Skip('networks inside the machine need Linux and root.');
  }
  await must('cargo', ['build', '--locked', '--workspace']);
  const parameters = ['--bin', built('debug', 'manyhands-cli')];
  const { code, output } = await run('lab/campus', parameters, { maxMinutes: 30 });
  return judge(ofLine(output), code);
}

async function windowTests() {
  if (process.platform !== 'linux') throw new Skip('the window is driven through WebKitWebDriver.');
  await must('cargo', ['build', '--locked', '--workspace']);
  const { code, output } = await run('node', ['tests/window/run.mjs'], {
    env: { MANYHANDS_BIN: built('debug', 'manyhands') },
    maxMinutes: 15,
  });
  return judge(ofLine(output), code);
}
