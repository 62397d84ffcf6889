import { expect, test } from 'vitest';
import {
  amountOf,
  amountText,
  draftOf,
  FIRST_RULE,
  GB,
  MB,
  minuteOf,
  termsOf,
  timeText,
  wrongFields,
} from './terms';

test.each([
  ['10', 10 * GB],
  ['0.5', GB / 2],
  ['12,5', 12.5 * GB],
  [' 7. ', 7 * GB],
  ['', 0],
  ['0', 0],
  // Nothing may become no bound at all by being rounded away.
  ['0.0000001', null],
  ['-1', null],
  ['1e3', null],
  ['10 GB', null],
  ['9999999', 9_999_999 * GB > Number.MAX_SAFE_INTEGER ? null : 9_999_999 * GB],
])('an amount is typed: %s', (text, amount) => {
  expect(amountOf(text, GB)).toBe(amount);
});

test('what is too small for a byte is no amount', () => {
  expect(amountOf('0.000001', 1000)).toBeNull();
  expect(amountOf('0.000001', MB)).toBe(1);
});

test.each([
  ['22:30', 1350],
  ['8', 480],
  ['08:15', 495],
  ['24', 0],
  ['22：00', 1320],
  ['24:01', null],
  ['12:60', null],
  ['', null],
  ['noon', null],
])('a time of day is typed: %s', (text, minute) => {
  expect(minuteOf(text)).toBe(minute);
});

test('terms come back from their fields as they were', () => {
  const terms = {
    dailyBytes: 2.5 * GB,
    bytesPerS: 12_500_000,
    hours: { fromMinute: 1320, toMinute: 480 },
  };
  expect(termsOf(draftOf(terms))).toEqual(terms);
  expect(termsOf(draftOf(FIRST_RULE))).toEqual(FIRST_RULE);
  expect(amountText(0, GB)).toBe('');
  expect(timeText(495)).toBe('08:15');
});

test('the same time twice is the whole day', () => {
  const draft = { ...draftOf(FIRST_RULE), limited: true, from: '8', to: '08:00' };
  expect(termsOf(draft)?.hours).toBeNull();
});

test('hours that are not asked for can hold anything', () => {
  const draft = { ...draftOf(FIRST_RULE), from: 'x' };
  expect(termsOf(draft)).toEqual(FIRST_RULE);
  expect([...wrongFields(draft)]).toEqual([]);
  expect(termsOf({ ...draft, limited: true })).toBeNull();
  expect([...wrongFields({ ...draft, limited: true, rate: 'y' })]).toEqual(['rate', 'from']);
});
