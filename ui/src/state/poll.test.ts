import { expect, test } from 'vitest';
import { Poll } from './poll';

/** An engine whose answers are given by hand. */
function setUp() {
  const asked: number[] = [];
  const answers: ((answer: string) => void)[] = [];
  const shown: string[] = [];
  const failed: unknown[] = [];
  let question = 0;
  const poll = new Poll<number, string>({
    question: () => question,
    ask: (q) =>
      new Promise((resolve, reject) => {
        asked.push(q);
        answers.push((answer) => {
          if (answer === 'fail') reject(new Error(answer));
          else resolve(answer);
        });
      }),
    answered: (q, answer) => shown.push(`${q}:${answer}`),
    failed: (error) => failed.push(error),
  });
  const settle = async (answer: string) => {
    answers.shift()?.(answer);
    await new Promise((resolve) => setTimeout(resolve));
  };
  return { poll, asked, shown, failed, settle, ask: (q: number) => (question = q) };
}

test('one question at a time, and one more for all that happened meanwhile', async () => {
  const { poll, asked, shown, settle, ask } = setUp();
  poll.changed();
  ask(1);
  poll.changed();
  ask(2);
  poll.changed();
  expect(asked).toEqual([0]);
  await settle('a');
  expect(asked).toEqual([0, 2]);
  await settle('b');
  expect(shown).toEqual(['0:a', '2:b']);
  expect(asked).toHaveLength(2);
});

test('a hidden page asks nothing, and once when it is seen again', async () => {
  const { poll, asked } = setUp();
  poll.hidden = true;
  poll.changed();
  poll.changed();
  expect(asked).toHaveLength(0);
  poll.hidden = false;
  expect(asked).toHaveLength(1);
});

test('a failure is told and the next change asks again', async () => {
  const { poll, asked, failed, settle } = setUp();
  poll.changed();
  await settle('fail');
  expect(failed).toHaveLength(1);
  poll.changed();
  expect(asked).toHaveLength(2);
});
