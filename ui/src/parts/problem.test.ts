import { cleanup, render, screen } from '@testing-library/svelte';
import { afterEach, expect, test } from 'vitest';
import { speech } from '../i18n/index.svelte';
import Problem from './Problem.svelte';

afterEach(() => {
  cleanup();
  speech.choice = 'en';
});

const failure = { code: 'bad-invite', message: 'Line 3 makes no sense.', hint: '' };

test.each(['en', 'zh-CN'] as const)('what exactly is wrong is said once in %s', (language) => {
  speech.choice = language;
  render(Problem, { title: 'x', failure, testid: 'problem' });
  expect(screen.getByTestId('problem').textContent.split(failure.message)).toHaveLength(2);
});
