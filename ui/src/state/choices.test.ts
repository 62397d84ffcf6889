import { expect, test } from 'vitest';
import { keepChoices, readChoices } from './choices';

const storage = (text: string | null) => ({ getItem: () => text });

test('choices are read as they were kept', () => {
  let kept = '';
  const choices = {
    theme: 'dark',
    language: 'zh-CN',
    detailsPx: 240,
    ask: 'friends',
    hasLent: true,
  } as const;
  keepChoices({ setItem: (_, text) => (kept = text) }, choices);
  expect(readChoices(storage(kept))).toEqual(choices);
});

test.each([
  null,
  '',
  'null',
  '[]',
  '{"theme":"pink","language":7,"detailsPx":"high","ask":"all"}',
  '{',
])('what cannot be read is as if nothing had been chosen: %s', (text) => {
  const choices = readChoices(storage(text));
  expect(choices).toMatchObject({ theme: 'system', language: 'system', ask: 'none' });
  expect(choices.detailsPx).toBeGreaterThan(0);
});

test('a page without storage works', () => {
  const full = {
    setItem: () => {
      throw new Error('QuotaExceededError');
    },
  };
  expect(() => keepChoices(full, readChoices(storage(null)))).not.toThrow();
});
