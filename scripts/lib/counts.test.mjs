import assert from 'node:assert/strict';
import { test } from 'node:test';
import { line, ofLibtest, ofLine, ofNextest, ofVitest } from './counts.mjs';

test('the summary of nextest is read, whatever it counts', () => {
  const summary = (text) => ofNextest(`    PASS [ 1s] x\n────\n     Summary [  12.301s] ${text}\n`);
  assert.deepEqual(summary('3 tests run: 3 passed, 0 skipped'), {
    passed: 3,
    failed: 0,
    skipped: 0,
  });
  assert.deepEqual(
    summary(
      '9 tests run: 5 passed (1 slow, 2 leaky), 2 failed, 1 timed out, 1 exec failed, 4 skipped',
    ),
    { passed: 5, failed: 4, skipped: 4 },
  );
  const coloured =
    '\x1b[31;1m     Summary\x1b[0m [   0.1s] \x1b[1m7\x1b[0m tests run: \x1b[1m7\x1b[0m passed, 1 skipped';
  assert.deepEqual(ofNextest(coloured), { passed: 7, failed: 0, skipped: 1 });
  assert.equal(ofNextest('error: could not compile'), null);
});

test('doc tests are summed over crates', () => {
  const output =
    'test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1s\n' +
    'test result: FAILED. 0 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0s\n';
  assert.deepEqual(ofLibtest(output), { passed: 2, failed: 3, skipped: 1 });
  assert.equal(ofLibtest('error: could not compile'), null);
});

test('the last line of a test program counts', () => {
  assert.deepEqual(
    ofLine('a: 1 passed, 0 failed, 0 skipped\nall: 12 passed, 1 failed, 2 skipped\n'),
    {
      passed: 12,
      failed: 1,
      skipped: 2,
    },
  );
  assert.equal(ofLine('nothing'), null);
});

test('a file of vitest that cannot be loaded is a failure', () => {
  const report = { numPassedTests: 4, numFailedTests: 0, numPendingTests: 1, numTodoTests: 0 };
  assert.equal(ofVitest(JSON.stringify({ ...report, success: false })).failed, 1);
  assert.deepEqual(ofVitest(JSON.stringify({ ...report, success: true })), {
    passed: 4,
    failed: 0,
    skipped: 1,
  });
  assert.equal(ofVitest('{'), null);
});

test('counts are written as they are read', () => {
  const counts = { passed: 3, failed: 2, skipped: 1 };
  assert.deepEqual(ofLine(line(counts)), counts);
});
