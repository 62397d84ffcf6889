/** How many tests passed, failed and were skipped, read from what the test programs say. */

export const none = () => ({ passed: 0, failed: 0, skipped: 0 });

export function add(a, b) {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
  };
}

export function line({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

const plain = (output) => output.replace(/\x1b\[[0-9;]*m/g, '');
const number = (text, pattern) => Number(pattern.exec(text)?.[1] ?? 0);

/** `Summary [ 1.2s] 12 tests run: 10 passed (1 slow), 1 failed, 1 timed out, 2 skipped`; `null` when it did not come so far. */
export function ofNextest(output) {
  const summary = plain(output)
    .match(/^ *Summary \[.*$/gm)
    ?.at(-1);
  if (!summary) return null;
  return {
    passed: number(summary, /(\d+) passed/),
    failed:
      number(summary, /(\d+) failed/) +
      number(summary, /(\d+) timed out/) +
      number(summary, /(\d+) exec failed/),
    skipped: number(summary, /(\d+) skipped/),
  };
}

/** The sum of all `test result: ok. 3 passed; 0 failed; 1 ignored; …`; `null` when there is none. */
export function ofLibtest(output) {
  const results = plain(output).match(/^test result: .*$/gm);
  if (!results) return null;
  return results
    .map((result) => ({
      passed: number(result, /(\d+) passed/),
      failed: number(result, /(\d+) failed/),
      skipped: number(result, /(\d+) ignored/),
    }))
    .reduce(add, none());
}

/** The last line of the form `12 passed, 0 failed, 1 skipped`; `null` when there is none. */
export function ofLine(output) {
  const last = plain(output)
    .match(/\d+ passed, \d+ failed, \d+ skipped/g)
    ?.at(-1);
  if (!last) return null;
  const [passed, failed, skipped] = last.match(/\d+/g).map(Number);
  return { passed, failed, skipped };
}

/** The report of vitest (`--reporter=json`) or `null`. */
export function ofVitest(text) {
  try {
    const report = JSON.parse(text);
    return {
      passed: report.numPassedTests,
      // A file that cannot be loaded has no tests, and fails.
      failed: Math.max(report.numFailedTests, report.success ? 0 : 1),
      skipped: report.numPendingTests + report.numTodoTests,
    };
  } catch {
    return null;
  }
}
