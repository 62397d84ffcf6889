/** Runs stages one after the other, all of them, and tells how they went. */
import { add, line, none } from './counts.mjs';
import { say, Trouble } from './run.mjs';

/** Thrown by a stage that cannot run here. Where nothing may be missing (CI) it is a failure. */
export class Skip extends Error {}

/**
 * @param stages `{ name, kind, run }`; `run` gives counts, or nothing for a check that passed, or throws
 * @returns whether all went well
 */
export async function runStages(stages, { nothingMayBeMissing }) {
  const results = [];
  for (const { name, kind, run } of stages) {
    say(name);
    const begun = performance.now();
    const result = await counted(run, nothingMayBeMissing);
    results.push({ name, kind, ...result, seconds: (performance.now() - begun) / 1000 });
    if (result.note) console.log(result.note);
  }
  tell(results);
  return results.every((result) => result.failed === 0);
}

async function counted(run, nothingMayBeMissing) {
  try {
    const counts = (await run()) ?? { ...none(), passed: 1 };
    // A stage in which nothing ran has proven nothing.
    const empty = counts.passed + counts.failed + counts.skipped === 0;
    return empty ? { ...none(), failed: 1, note: 'No test ran.' } : { ...counts, note: '' };
  } catch (error) {
    if (error instanceof Skip && !nothingMayBeMissing) {
      return { ...none(), skipped: 1, note: `Skipped: ${error.message}` };
    }
    const known = error instanceof Skip || error instanceof Trouble;
    return { ...none(), failed: 1, note: known ? error.message : error.stack };
  }
}

function tell(results) {
  console.log('');
  for (const { name, seconds, failed, passed } of results) {
    const how = failed > 0 ? 'FAILED ' : passed > 0 ? 'ok     ' : 'skipped';
    console.log(`${how} ${seconds.toFixed(1).padStart(7)} s  ${name}`);
  }
  console.log('');
  const kinds = [...new Set(results.map((result) => result.kind))];
  for (const kind of kinds) {
    const sum = results.filter((result) => result.kind === kind).reduce(add, none());
    console.log(`${kind}: ${line(sum)}`);
  }
  console.log(line(results.reduce(add, none())));
}
