import { expect, test } from 'vitest';
import { en } from '../i18n/en';
import { zhCN } from '../i18n/zh-CN';
import { Formats } from './index';

const english = new Formats('en', en.units);
const chinese = new Formats('zh-CN', zhCN.units);

test.each([
  [0, '0 B'],
  [17, '17 B'],
  [999, '999 B'],
  [999.6, '1.0 kB'],
  [1000, '1.0 kB'],
  [812_000_000, '812 MB'],
  [99_960_000, '100 MB'],
  [3_934_000_000, '3.9 GB'],
  [999_950_000, '1.0 GB'],
  [9_007_199_254_740_991, '9,007 TB'],
])('%d bytes are written %s', (bytes, text) => {
  expect(english.bytes(bytes)).toBe(text);
});

test('a share is rounded down, so that 100 % is complete', () => {
  expect(english.percent(999, 1000)).toBe('99%');
  expect(english.percent(1000, 1000)).toBe('100%');
  expect(english.percent(0, 0)).toBe('100%');
});

test.each([
  [0, '0 s', '0 秒'],
  [34.2, '35 s', '35 秒'],
  [59.5, '60 s', '60 秒'],
  [61, '1 min', '1 分钟'],
  [4800, '1 h 20 min', '1 小时 20 分'],
  [183_600, '2 d 3 h', '2 天 3 小时'],
])('%d seconds', (seconds, inEnglish, inChinese) => {
  expect(english.duration(seconds)).toBe(inEnglish);
  expect(chinese.duration(seconds)).toBe(inChinese);
});

test('what cannot be known is not printed', () => {
  expect(english.duration(Number.POSITIVE_INFINITY)).toBeNull();
  expect(english.duration(-1)).toBeNull();
  expect(english.duration(1e9)).toBeNull();
});

test('throughput has its unit', () => {
  expect(english.throughput(41_800_000)).toBe('41.8 MB/s');
  expect(chinese.throughput(41_800_000)).toBe('41.8 MB/秒');
});

test.each([
  [10_240_000, 41_800_000, '10.2'],
  [400_000, 41_800_000, '0.4'],
  [104_000_000, 312_000_000, '104'],
  [300, 900, '300'],
  [0, 0, '0'],
])('%d as a part of %d is written %s, in the unit of the whole', (part, whole, text) => {
  expect(english.throughputOf(part, whole)).toBe(text);
});
