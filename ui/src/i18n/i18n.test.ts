import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { en } from './en';
import { failureText, LANGUAGES, logText, systemLanguage } from './index.svelte';
import type { FailureView } from '../types';
import { zhCN } from './zh-CN';

const repository = resolve(import.meta.dirname, '../../..');
const source = (path: string) => readFileSync(resolve(repository, path), 'utf8');

/** Every code of the core with its English hint, read from where they are defined. */
function failureCodes(): [code: string, hint: string][] {
  const text = source('crates/core/src/failure.rs');
  const lines = [...text.matchAll(/^ {4}\w+ = "([a-z-]+)",\s*"(.*)";$/gm)];
  return lines.map(([, code = '', hint = '']) => [code, hint]);
}

test('the codes are read from the core', () => {
  const defined = source('crates/core/src/failure.rs').match(/^ {4}\w+ = "/gm) ?? [];
  expect(failureCodes().length).toBeGreaterThan(15);
  expect(failureCodes()).toHaveLength(defined.length);
});

test.each(Object.entries(LANGUAGES))('every failure has a title and a hint in %s', (_, texts) => {
  const codes = failureCodes().map(([code]) => code);
  expect(Object.keys(texts.failures).sort()).toEqual([...codes].sort());
  for (const { title, hint } of Object.values(texts.failures)) {
    expect(title).not.toBe('');
    expect(hint).not.toBe('');
  }
});

test('the English hints are those of the core', () => {
  for (const [code, hint] of failureCodes()) {
    expect(en.failures[code as keyof typeof en.failures].hint, code).toBe(hint);
  }
});

/** All texts by their path; those with parts to fill in are filled in. */
function leaves(value: unknown, path = ''): [string, unknown][] {
  if (typeof value === 'function') {
    const parts: unknown[] = path.endsWith('.and') ? [['Mo', 'Ana']] : Array(value.length).fill(2);
    return [[path, value(...parts)]];
  }
  return typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([key, inner]) => leaves(inner, `${path}.${key}`))
    : [[path, value]];
}

test('no text is missing or left in English', () => {
  const chinese = new Map(leaves(zhCN));
  const same = new Set([
    '.list.sha256',
    '.add.sha256',
    '.details.digest',
    '.add.linksPlaceholder',
    '.add.headersPlaceholder',
    '.terms.gb',
    '.details.cell',
  ]);
  expect([...chinese.keys()].sort()).toEqual(
    leaves(en)
      .map(([path]) => path)
      .sort(),
  );
  for (const [path, text] of leaves(en)) {
    expect(typeof text, path).toBe('string');
    expect(text, path).not.toBe('');
    if (!path.startsWith('.units') && !same.has(path)) {
      expect(chinese.get(path), path).not.toBe(text);
    }
  }
});

test('every text is said somewhere', () => {
  const folder = resolve(import.meta.dirname, '..');
  const code = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.(svelte|ts)$/.test(path) && !/\.test\.ts$|(en|zh-CN)\.ts$/.test(path))
    .map((path) => readFileSync(resolve(folder, path), 'utf8'))
    .join('\n')
    .replace(/\s+\./g, '.');
  // By its name, or as one of those that are looked up by a key.
  const said = (path: string): boolean => {
    const own = path.slice(1).split('.');
    return own.some((_, i) => {
      const name = own.slice(0, own.length - i).join('.');
      return code.includes(i === 0 ? `.${name}` : `.${name}[`);
    });
  };
  // Units are chosen by size, lines of the log are looked up whole.
  const named = leaves(en).filter(([path]) => !/^\.(units|logLines)\./.test(path));
  expect(named.filter(([path]) => !said(path))).toEqual([]);
});

test('what is said of others is said in Chinese characters', () => {
  const parts = [
    'lending',
    'friends',
    'requests',
    'helping',
    'ask',
    'quit',
    'helpStates',
    'helpReasons',
    'modes',
    'modeHelp',
    'modeAsks',
    'helpWishes',
    'helpWishHelp',
    'learns',
    'pairingStates',
    'pairing',
    'rules',
    'block',
    'removeFriend',
    'limits',
    'meetings',
    'meetingHelp',
    'noWays',
    'serverTroubles',
    'groups',
    'join',
    'make',
    'invite',
    'leave',
    'rotate',
  ];
  const own = leaves(zhCN).filter(([path]) => parts.includes(path.split('.')[1] ?? ''));
  expect(own.length).toBeGreaterThan(80);
  for (const [path, text] of own) {
    if (!path.endsWith('.and')) expect(text, path).toMatch(/\p{Script=Han}/u);
  }
});

test('the sentences of the log are those of the engine', () => {
  const engine = source('crates/engine/src/present.rs');
  const sentences = [...engine.matchAll(/RowState::\w+ => "([^"]+\.)"/g)].map(([, text]) => text);
  expect(sentences).toHaveLength(7);
  expect(Object.keys(en.logLines).sort()).toEqual([...sentences].sort());
});

test('the system chooses the language', () => {
  expect(systemLanguage(['zh-Hans-CN', 'en'])).toBe('zh-CN');
  expect(systemLanguage(['de-DE', 'en-GB', 'zh-CN'])).toBe('en');
  expect(systemLanguage(['fr'])).toBe('en');
  expect(systemLanguage([])).toBe('en');
});

/** Everything that can exactly happen, with what its sentence is made of, read from where it is defined. */
function whats(): [what: string, parts: string[]][] {
  const text = source('crates/core/src/failure/what.rs');
  const lines = [...text.matchAll(/^ {4}\w+ = "([a-z-]+)", \[(.*)\];$/gm)];
  return lines.map(([, what = '', parts = '']) => [what, parts.match(/[a-z]+/g) ?? []]);
}

test('everything that can exactly happen is read from the core', () => {
  const defined = source('crates/core/src/failure/what.rs').match(/^ {4}\w+ = "/gm) ?? [];
  expect(whats().length).toBeGreaterThan(60);
  expect(whats()).toHaveLength(defined.length);
});

test.each(Object.entries(LANGUAGES))(
  'what exactly happened is a sentence with all its particulars in %s',
  (language, texts) => {
    expect(Object.keys(texts.whats).sort()).toEqual(
      whats()
        .map(([what]) => what)
        .sort(),
    );
    for (const [what, names] of whats()) {
      // Amounts of bytes get their unit.
      const values = names.map((_, i) => String(11 + i));
      const parts = Object.fromEntries(names.map((name, i) => [name, values[i] ?? '']));
      const { title, detail } = failureText(
        { code: 'internal', message: 'English.', hint: '', what, parts },
        texts,
      );
      expect(detail, what).toBeNull();
      for (const value of values) expect(title, what).toContain(value);
      expect(title, what).not.toMatch(/undefined|English/);
      if (language === 'en') expect(title, what).toMatch(/^[^a-z].*[.0-9]$/);
      else expect(title, what).toMatch(/\p{Script=Han}/u);
      if (language === 'zh-CN') expect(title, what).not.toMatch(/[a-z]+ [a-z]+/i);
    }
  },
);

test('amounts have their unit, and are exact where they would look the same', () => {
  const changed = (before: number, now: number) =>
    failureText(
      {
        code: 'changed',
        message: '',
        hint: '',
        what: 'length-changed',
        parts: { host: 'a.example', before: String(before), now: String(now) },
      },
      en,
    ).title;
  expect(changed(3_900_000_000, 812_000_000)).toBe(
    'The file on a.example has 812 MB now, and no longer 3.9 GB.',
  );
  expect(changed(3_900_000_000, 3_900_000_001)).toBe(
    'The file on a.example has 3,900,000,001 B now, and no longer 3,900,000,000 B.',
  );
});

test('a failure of which nothing more is known is told by its code, and the English is kept beside it', () => {
  const failure = { code: 'not-found', message: 'example.org answered 404.', hint: '' };
  const { hint } = en.failures['not-found'];
  expect(failureText(failure, en)).toEqual({ title: failure.message, hint, detail: null });
  expect(failureText(failure, zhCN)).toEqual({
    ...zhCN.failures['not-found'],
    detail: failure.message,
  });
  const later = { ...failure, what: 'brand-new', parts: { host: 'a' } };
  expect(failureText(later, zhCN).title).toBe(zhCN.failures['not-found'].title);
  const unknown = { code: 'brand-new', message: 'New.', hint: 'Wait.' };
  expect(failureText(unknown, zhCN)).toEqual({ title: 'New.', hint: 'Wait.', detail: null });
});

test('a line of the log is translated as far as it is known', () => {
  const line = (text: string, failure?: FailureView) =>
    logText({ atUnixMs: 0, text, ...(failure && { failure }) }, zhCN);
  expect(line('Paused.')).toBe('已暂停。');
  const failure = {
    code: 'not-found',
    message: 'a.example does not have this file (status 404).',
    hint: '',
    what: 'missing',
    parts: { host: 'a.example', status: '404' },
  };
  expect(line(`Failed. ${failure.message}`, failure)).toBe(
    '失败。a.example 上没有这个文件（状态码 404）。',
  );
  const bare = { code: 'not-found', message: 'It is gone.', hint: '' };
  expect(line(`Failed. ${bare.message}`, bare)).toBe('失败。服务器上没有这个文件：“It is gone.”。');
  expect(line('Something new.')).toBe('Something new.');
});
