import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from './run.mjs';

/** Where the tests of a name's first part are, and what a test is called there. */
const PLACES = { tauri: 'src-tauri' };
/** The numbers that the table must have. */
const LINES = Array.from({ length: 38 }, (_, at) => at + 1);

const text = readFileSync(join(ROOT, 'docs/security.md'), 'utf8');

function sources(folder, ending) {
  const files = readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true });
  return files
    .filter((file) => file.isFile() && file.name.endsWith(ending))
    .map((file) => readFileSync(join(file.parentPath, file.name), 'utf8'))
    .join('\n');
}

/** The names of all Rust tests in a folder. Between `#[test]` and `fn` there may be other attributes and comments. */
function rustTests(folder) {
  const head =
    /#\[(?:tokio::)?test(?:\([^\]]*\))?\]\s*(?:(?:#\[[^\]]*\]|\/\/[^\n]*)\s*)*(?:async )?fn (\w+)/g;
  // In `proptest! { … }` too.
  return new Set([...sources(folder, '.rs').matchAll(head)].map((found) => found[1]));
}

test('each test that the security page names exists', () => {
  const named = [...text.matchAll(/`([a-z]+)::([a-z0-9_]+)`/g)];
  assert.ok(named.length > 100, `only ${named.length} names were found`);
  const known = new Map();
  const missing = named.filter(([, crate, name]) => {
    if (!known.has(crate)) known.set(crate, rustTests(PLACES[crate] ?? `crates/${crate}`));
    return !known.get(crate).has(name);
  });
  assert.deepEqual(
    missing.map(([whole]) => whole),
    [],
  );
});

test('each test of the page and each scenario that is named exists', () => {
  const page = sources('ui/src', '.test.ts');
  const lab = sources('lab', '.py');
  const all = [...text.matchAll(/`(ui|lab): ([^`]+)`/g)];
  assert.ok(all.length > 2);
  for (const [whole, where, name] of all) {
    const is = where === 'ui' ? page.includes(`test('${name}'`) : lab.includes(`\ndef ${name}(c):`);
    assert.ok(is, whole);
  }
});

test('the security page leaves out no line', () => {
  const lines = [...text.matchAll(/^\| (\d+) \| .+ \| .*`\w+::\w+`.* \|$/gm)].map((row) => +row[1]);
  assert.deepEqual(lines, LINES);
});

test('the files that the security page names are there', () => {
  const paths = [...text.matchAll(/`((?:crates|scripts)\/[\w/.-]+)`/g)].map((found) => found[1]);
  assert.ok(paths.length > 10);
  for (const path of paths) {
    const [folder, name] = [path.replace(/\/?[^/]*$/, ''), path.replace(/^.*\//, '')];
    assert.ok(name === '' || readdirSync(join(ROOT, folder)).includes(name), path);
  }
});
